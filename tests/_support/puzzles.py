"""Shared by the tests of the solve protocol: a toy task, toy solvers, and the command here.

Named on the command line as ``file:.../puzzles.py#Mirrors``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edits import PRELOADED as EDITS_PRELOADED
from edits import Done, command
from pydantic import Field

from harness.options import Options
from harness.protocols.solve import (
    Ballot,
    Candidate,
    Pair,
    Problem,
    Puzzle,
    Solver,
    SolveSettings,
    SolveTask,
)
from harness.protocols.solve.rules import summarise
from harness.registry import About

HERE = Path(__file__).resolve()
TASK = f"file:{HERE}#Mirrors"
GRIDS = (((1, 2), (0, 3)), ((4, 0), (5, 6)), ((7, 0), (0, 1)), ((2, 3), (1, 0)), ((8, 9), (9, 0)))
PRELOADED = ("harness.solving.execution", "harness.solving.fits", "harness.protocols.solve.rules")


def mirrored(grid: Any) -> Any:
    """The rule of every toy puzzle."""
    return tuple(tuple(reversed(row)) for row in grid)


def recoloured(grid: Any, shift: int) -> Any:
    return tuple(tuple((cell + shift) % 10 for cell in row) for row in grid)


class MirrorSettings(SolveSettings):
    """Options of the toy."""

    puzzles: int = 4
    """How many there are; every second one has two test inputs."""


class Mirrors(SolveTask):
    """Mirror a grid."""

    about = About("Mirror a grid.", "the tests")
    Options = MirrorSettings
    version = "1"

    def problems(self, seed):
        return [self._problem(number) for number in range(self.options.puzzles)]

    def labelled(self, seed):
        return [self._problem(100)]

    def summarise(self, problems, rows):
        return summarise(problems, rows)

    def _problem(self, number: int) -> Problem:
        grids = [recoloured(one, number) for one in GRIDS]
        train = tuple(Pair(one, mirrored(one)) for one in grids[:3])
        tests = tuple(grids[3 : 4 + number % 2])
        puzzle = Puzzle(f"p{number}", train, tests)
        return Problem(puzzle, tuple(map(mirrored, tests)), ("one", "two")[: len(tests)])


def right(query: Any) -> Any:
    return mirrored(query.input)


def wrong(query: Any, shift: int = 1) -> Any:
    return recoloured(query.input, shift)


class Right(Solver):
    """Mirrors."""

    about = About("Mirrors.", "the tests")

    def solve(self, query, desk):
        desk.count("looks", 3)
        desk.notes["thought"] = "mirror it"
        return [Candidate(right(query))]


class Third(Solver):
    """The right grid is the third distinct one; the first comes twice."""

    about = About("Third.", "the tests")

    def solve(self, query, desk):
        first = Candidate(wrong(query), (Ballot(0, 0.5), Ballot(1, 0.25)))
        return [
            first,
            first,
            Candidate(wrong(query, 2)),
            Candidate([list(r) for r in right(query)]),
        ]


class Voted(Solver):
    """Ballots of four voters: the right grid is ahead until the last two have voted."""

    about = About("Voted.", "the tests")

    def solve(self, query, desk):
        desk.alternatives["early"] = [Candidate(right(query))]
        return [
            Candidate(wrong(query), (Ballot(1, 0.1), Ballot(2, 0.1), Ballot(3, 0.1))),
            Candidate(right(query), (Ballot(0, 0.9),)),
        ]


class Silent(Solver):
    """Has no answer."""

    about = About("Silent.", "the tests")

    def solve(self, query, desk):
        return []


class HalfRight(Solver):
    """Solves the first test input of each puzzle."""

    about = About("Half right.", "the tests")

    def solve(self, query, desk):
        return [Candidate(right(query) if query.number == 0 else wrong(query))]


class Rare(Solver):
    """Votes well on p0, has nothing elsewhere, and breaks on p3."""

    about = About("Rare.", "the tests")

    def solve(self, query, desk):
        if query.puzzle.puzzle_id == "p3":
            raise ValueError("the reason")
        if query.puzzle.puzzle_id != "p0":
            return []
        desk.alternatives["early"] = [Candidate(right(query))]
        return [Candidate(right(query), (Ballot(0, 0.5), Ballot(2, 0.5)))]


class Variant(Solver):
    """Right about every variant; draws, counts and has an alternative."""

    about = About("Variant.", "the tests")

    def solve(self, query, desk):
        flips = {mirrored(one.input) == one.output for one in query.puzzle.train}
        grid = right(query) if flips == {True} else tuple(reversed(query.input))
        desk.count("asked")
        desk.notes["drawn"] = desk.draw().random()
        desk.alternatives["early"] = [Candidate(grid)]
        return [Candidate(grid)]


class BadOptions(Options):
    """What to break."""

    how: str = "raise"
    """A way."""


class Bad(Solver):
    """Breaks in every way."""

    about = About("Bad.", "the tests")
    Options = BadOptions

    def solve(self, query, desk):
        ways = {
            "ragged": [Candidate([[1, 2], [3]])],
            "colour": [Candidate([[10]])],
            "float": [Candidate([[1.0]])],
            "tall": [Candidate([[1]] * 31)],
            "empty": [Candidate([])],
            "flag": [Candidate([[True]])],
            "grid": [right(query)],
            "nothing": None,
            "text": "[[1]]",
        }
        if self.options.how == "raise":
            raise ValueError("the reason")
        if self.options.how == "exit":
            raise SystemExit(3)
        if self.options.how == "notes":
            desk.notes["set"] = {1}
        if self.options.how == "rank":
            desk.count("rank")
        if self.options.how == "curve":
            desk.count("first@votes_1")
        if self.options.how == "nan":
            desk.count("mine", float("nan"))
        if self.options.how == "alternative":
            desk.alternatives["early"] = [Candidate([[1], []])]
        if self.options.how == "ballot":
            return [Candidate(right(query), ("vote",))]
        ways["right"] = [Candidate(right(query))]
        if self.options.how in ("notes", "rank", "curve", "nan", "alternative"):
            return ways["right"]
        if self.options.how == "memory":
            raise MemoryError
        if self.options.how == "ask":
            desk.model  # noqa: B018 - that is the fault
        return ways[self.options.how]


class LearnerFit(Options):
    """Options of the fit."""

    steps: int = Field(default=12, ge=1)
    """How long it learns."""
    broken: str = ""
    """How the fit breaks: raise, memory."""


class LearnerOptions(LearnerFit):
    """And of solving."""

    patience: int = 1
    """Does nothing."""


class Learner(Solver):
    """Learns for some steps, and then mirrors; what it drew on the way is in its votes."""

    about = About("Learner.", "the tests")
    Fit = LearnerFit
    Options = LearnerOptions

    def fit(self, data, desk):
        import torch

        state = desk.load() or {"step": 0, "sum": torch.zeros(1, dtype=torch.float64)}
        step, total = state["step"], state["sum"]
        for number in range(step, self.options.steps):
            desk.check()
            if self.options.broken == "raise":
                raise ValueError("no way to learn")
            if self.options.broken == "memory":
                raise MemoryError
            if self.options.broken == "list":
                return [1]
            if self.options.broken == "array":
                import numpy as np

                return {"sum": np.ones(2)}
            if self.options.broken == "metric":
                return {"sum": total, "metrics": {"score": 1.0}}
            generator = torch.Generator().manual_seed(desk.seed * 1000 + number)
            total = total * 1.5 + torch.rand(1, generator=generator, dtype=torch.float64)
            if number % 5 == 4:
                desk.save({"step": number + 1, "sum": total})
        assert all(not hasattr(one, "answers") for one in data.puzzles)
        return {"sum": total, "metrics": {"fit_steps": self.options.steps, "fit_sum": float(total)}}

    def load(self, state, data):
        if self.options.broken == "load":
            raise KeyError("lost")
        self.sum = float(state["sum"])

    def solve(self, query, desk):
        return [Candidate(right(query), (Ballot(0, self.sum),))]


def method(name: str) -> str:
    """A toy solver's name on the command line."""
    return f"file:{HERE}#{name}"


def run(results: Path | str, *arguments: str) -> Done:
    """Run `harness run` on the toy task here."""
    return command("run", "--task", TASK, "--results", str(results), *arguments)


def start_server() -> Any:
    """The server process that children are forked from."""
    import edits

    context = edits.start_server()
    context.set_forkserver_preload([*EDITS_PRELOADED, *PRELOADED])
    return context


TIMED = frozenset({"fit_seconds"})


def comparable(results: Path) -> dict[str, Any]:
    """Everything of a results folder that must not depend on how it came about, by method."""
    from harness.results.store import ResultsStore

    store, found = ResultsStore(results), dict[str, Any]()
    for one in store.runs():
        row = store.row(one.run_id)
        samples = store.samples(one.task, [one.run_id])
        samples = samples.drop(columns=["run_id", "latency_s", "attempt"]).to_dict("records")
        for sample in samples:
            sample["metrics"] = {k: v for k, v in sample["metrics"].items() if k not in TIMED}
        found[f"{one.method} seed {one.sample_seed}"] = {
            "status": str(one.status),
            "rows": [
                json.dumps(one, sort_keys=True) for one in sorted(samples, key=lambda r: r["step"])
            ],
            "metrics": {name: value for name, value in row["metrics"] if name not in TIMED},
            "counts": [row[f"n_{name}"] for name in ("planned", "done", "failed", "error")],
            "tokens": [row["input_tokens"], row["output_tokens"]],
        }
    assert not store.problems
    return found


def samples(results: Path) -> list[dict[str, Any]]:
    """The rows of the only run."""
    from harness.results.store import ResultsStore

    store = ResultsStore(results)
    (one,) = store.runs()
    return store.samples(one.task, [one.run_id]).sort_values("step").to_dict("records")


def run_row(results: Path) -> dict[str, Any]:
    """The row of the only run."""
    from harness.results.store import ResultsStore

    store = ResultsStore(results)
    (one,) = store.runs()
    return store.row(one.run_id)
