"""Solvers, models and seeds to runs; a solver that asks no model is not multiplied by models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from harness import options
from harness.data import content_hash
from harness.errors import UsageError
from harness.methods import Method, resolve
from harness.models.base import ModelKind, ModelRequest
from harness.models.chat import ChatModel, Sampling
from harness.plan import (
    ModelOpener,
    Plan,
    PlannedRun,
    lacks,
    listing,
    prices_of,
    refuse_what_means_nothing,
    task_name,
)
from harness.protocols.solve.method import FitData, Query
from harness.protocols.solve.puzzle import Problem, faults, sample_id
from harness.protocols.solve.task import SolveTask
from harness.spec import RunSpec
from harness.sweep import Sweep

NO_MODEL = "none"
"""The model of a run whose solver asks none."""


@dataclass(frozen=True)
class Asked:
    """A test input with its output, which the solver does not get."""

    problem: Problem
    number: int
    """Of the test input, from 0."""
    step: int
    """Its place in the run."""

    @property
    def sample_id(self) -> str:
        """Puzzle and number."""
        return sample_id(self.problem.puzzle.puzzle_id, self.number)

    @property
    def group(self) -> str:
        """Its group; empty where the task has none."""
        return self.problem.groups[self.number] if self.problem.groups else ""

    @property
    def source_id(self) -> str:
        """What is independent: the puzzle, unless the task says otherwise."""
        problem = self.problem
        return problem.sources[self.number] if problem.sources else problem.puzzle.puzzle_id

    @property
    def content_hash(self) -> str:
        """Of the puzzle and the output."""
        problem = self.problem
        return content_hash(problem.puzzle.content_hash, self.number, problem.answers[self.number])

    def query(self, attempts: int) -> Query:
        """What the solver gets."""
        return Query(self.problem.puzzle, self.number, attempts)


@dataclass(frozen=True)
class SolveRun(PlannedRun):
    """A run of the solve protocol."""

    task: SolveTask
    problems: tuple[Problem, ...]
    labelled: tuple[Problem, ...]
    """Puzzles that its solver is fitted on beside those that it is asked."""
    hashed: str
    """Hash of them all, whatever their order."""

    @property
    def n_samples(self) -> int:
        """Every test input."""
        return sum(len(one.answers) for one in self.problems)

    @property
    def size(self) -> str:
        """How much it is, in words."""
        return f"{self.n_samples} test inputs of {len(self.problems)} puzzles"

    @property
    def asks_model(self) -> bool:
        """Whether its solver asks a chat model."""
        return self.spec.model != NO_MODEL

    @cached_property
    def asked(self) -> tuple[Asked, ...]:
        """Every test input, in order."""
        pairs = ((one, number) for one in self.problems for number in range(len(one.answers)))
        return tuple(Asked(one, number, step) for step, (one, number) in enumerate(pairs))

    @property
    def score_is_mean(self) -> bool:
        """Whether the score is the mean over test inputs: no two of them share a source."""
        return all(one.sources or len(one.answers) == 1 for one in self.problems)

    def seed_text(self, asked: Asked) -> str:
        """Source of the randomness of a test input."""
        return f"{self.spec.seed_text(asked.sample_id)}/{self.spec.seed}"

    @property
    def fit_data(self) -> FitData:
        """What the solver may learn from."""
        return FitData(tuple(one.puzzle for one in self.problems), self.labelled)

    def data_hash(self) -> str:
        """Hash of the puzzles, whatever their order."""
        return self.hashed


def expand_solves(task: SolveTask, sweep: Sweep, opener: ModelOpener) -> Plan:
    """Expand a sweep of a solve task.

    Raises:
        UsageError: something is wrong for every run.
    """
    methods = [resolve(text, "solve") for text in sweep.method or task.default_methods]
    asking = [one for one in methods if one.left.type.needs_model]
    sampling = _sampling(task, sweep, bool(asking))
    names = (sweep.model or (task.default_model,)) if asking else ()
    models: dict[str, ChatModel] = {name: opener(name, sweep, ModelKind.CHAT) for name in names}
    if sweep.base_url and not any(one.uses_base_url for one in models.values()):
        raise UsageError(
            "--base-url is given, but no model of this sweep talks to a server; name one, such as "
            "--model openai:NAME."
        )
    with listing(sweep, "puzzles"):
        problems = tuple(task.problems(sweep.data_seed))[: sweep.limit]
        fitting = any(one.left.type.fits() for one in methods)
        labelled = tuple(task.labelled(sweep.data_seed)) if fitting else ()
    if not problems:
        raise UsageError("the task has no puzzles with these options.")
    for fault in faults((*problems, *labelled)):
        raise UsageError(f"task '{sweep.task}' is broken: {fault} Its author has to mend it.")
    seeds = sweep.sample_seeds()
    runs = dict[str, SolveRun]()
    for method in methods:
        kind = method.left.type
        for model, seed in product(names if kind.needs_model else (NO_MODEL,), seeds):
            known = labelled if kind.fits() else ()
            spec = _spec(task, sweep, method, model, seed, _hash([*problems, *known]))
            spec = spec.model_copy(update={"sampling": sampling.given()} if model in models else {})
            reason = _reason(method, problems)
            if model in models:
                reason = reason or lacks(method, sampling, models[model])
                if sampling.greedy and seed != seeds[0]:
                    reason = reason or (
                        "copies, not samples, come from other seeds under greedy decoding; take "
                        "-M temperature=0.7"
                    )
            data_hash = spec.task_options["data_hash"]
            run = SolveRun(spec, task, method, problems, known, data_hash, skipped=reason)
            runs.setdefault(spec.work_key(), run)
    baseline = resolve(task.baseline, "solve").canonical()
    compared = {run.spec.method for run in runs.values() if not run.skipped} - {baseline}
    return Plan(
        sweep,
        sweep.share(runs),
        len({name for one in problems for name in one.sources or (one.puzzle.puzzle_id,)}),
        len(compared),
        prices_of(sweep, names),
        unit="test inputs" if any(one.sources for one in problems) else "puzzles",
        notes=task.notes(sweep.data_seed, fitted=fitting),
    )


def _sampling(task: SolveTask, sweep: Sweep, asking: bool) -> Sampling:
    """How models are sampled.

    Raises:
        UsageError: a flag means nothing to what is run.
    """
    if not asking:
        refuse_what_means_nothing(sweep.model_copy(update={"data_seed": 0}), "these solvers")
        if sweep.model:
            raise UsageError(
                "--model means nothing to these solvers, which ask none; leave it out."
            )
    if sweep.chosen_orders() != ("native",):
        raise UsageError("--order means nothing to a solve task; leave it out.")
    if sweep.embedder != Sweep.model_fields["embedder"].default:
        raise UsageError("--embedder means nothing to a solve task; leave it out.")
    given = {**task.sampling_defaults(), **sweep.sampling}
    return options.build(Sampling, given, "sampling (-M)")


def _spec(
    task: SolveTask, sweep: Sweep, method: Method, model: str, seed: int, hashed: str
) -> RunSpec:
    trained = method.left.type.fits()
    return RunSpec(
        task=task_name(sweep.task),
        task_version=task.version,
        subset=task.subset,
        # Data that changed under the same options are other work.
        task_options={**task.options.differing(), "data_hash": hashed},
        method=method.canonical(),
        label=method.label,
        model=model if model == NO_MODEL else str(ModelRequest.parse(model)),
        embedder="",
        sampling={},
        limit=sweep.limit,
        order="native",
        data_seed=sweep.data_seed,
        sample_seed=0 if trained else seed,
        train_seed=seed if trained else None,
    )


def _hash(problems: Sequence[Problem]) -> str:
    parts = (
        f"{one.puzzle.puzzle_id}={one.puzzle.content_hash}/{content_hash(one.answers)}"
        for one in problems
    )
    return content_hash(*sorted(parts))


def _reason(method: Method, problems: Sequence[Problem]) -> str:
    """Why a run cannot be made; empty if it can."""
    if lacking := method.lacking():
        return lacking
    parts = method.construct()
    puzzles = (one.puzzle for one in problems)
    try:
        found = (why for puzzle in puzzles for part in parts if (why := part.misfit(puzzle)))
        return next(found, "")
    except Exception as error:
        raise UsageError(
            f"method '{method.label}' cannot say whether it fits a puzzle "
            f"({type(error).__name__}: {error}); its author has to mend it."
        ) from error
