"""From lists to runs: which are runnable, which are skipped and why, before anything heavy loads.

`expand` crosses methods, models, seeds and orders of a `Sweep`. What is wrong for every run is an
error at once; what is wrong for one of them is a reason beside it.
"""

from __future__ import annotations

import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from harness import options, plugin_file
from harness.data import content_hash
from harness.errors import HarnessError, UsageError
from harness.methods import Method, resolve
from harness.models.base import ModelKind, ModelRequest
from harness.models.causal import CausalLMModel
from harness.models.ceilings import Ceilings, Price, price_of, read_prices, seconds
from harness.models.chat import ChatModel, Sampling
from harness.models.classifiers import ClassifierModel
from harness.models.embedders import RankingModel
from harness.protocols.adapt.task import AdaptTask
from harness.protocols.edit.task import EditTask
from harness.protocols.solve.task import SolveTask
from harness.protocols.stream.probes import Probes
from harness.protocols.stream.task import StreamTask
from harness.protocols.stream.types import Item
from harness.protocols.task import Task
from harness.registry import Kind, find, require
from harness.spec import RunSpec
from harness.streaming.orders import Stream, streams_of
from harness.sweep import Sweep

_BASES = {
    ModelKind.CHAT: ChatModel,
    ModelKind.EMBEDDER: RankingModel,
    ModelKind.CAUSAL_LM: CausalLMModel,
    ModelKind.CLASSIFIER: ClassifierModel,
}

ModelOpener = Callable[[str, Sweep, ModelKind], Any]
"""Constructs a model by name; the registry's, unless a caller brings its own."""


@dataclass(frozen=True)
class PlannedRun(ABC):
    """One run of a plan, whatever its protocol."""

    spec: RunSpec
    task: Task
    method: Method
    skipped: str = field(default="", kw_only=True)
    """Why it cannot run; empty if it can."""

    @property
    @abstractmethod
    def n_samples(self) -> int:
        """Planned samples."""

    @property
    def n_probes(self) -> int:
        """Planned samples beside them, which are no part of the score."""
        return 0

    @property
    @abstractmethod
    def size(self) -> str:
        """How much it is, in words."""

    @abstractmethod
    def data_hash(self) -> str:
        """Hash of the planned items, whatever their order."""


@dataclass(frozen=True)
class StreamRun(PlannedRun):
    """A run of the stream protocol."""

    task: StreamTask
    streams: tuple[Stream, ...]

    @property
    def n_samples(self) -> int:
        """Planned samples, probes apart."""
        return sum(len(stream.items) for stream in self.streams)

    @property
    def n_probes(self) -> int:
        """Samples that probe a frozen memory at checkpoints."""
        found = [self.probes(stream) for stream in self.streams]
        stateful = self.method.right.type.stateful
        return sum(len(one if stateful else one.empty_only) for one in found)

    @property
    def size(self) -> str:
        """How much it is, in words."""
        probes = f" and {self.n_probes} probes" if self.n_probes else ""
        return f"{self.n_samples} in {len(self.streams)} streams{probes}"

    def probes(self, stream: Stream) -> Probes:
        """What is asked of the memory of a stream at its checkpoints."""
        options = self.task.options
        if not options.checkpoints:
            return Probes()
        return Probes.planned(
            stream.items, stream.holdout, options.checkpoints, revisit=options.revisit
        )

    def data_hash(self) -> str:
        """Hash of the planned items, whatever their order."""
        every = (one for stream in self.streams for one in (*stream.items, *stream.holdout))
        return content_hash(*sorted({f"{one.sample_id}={one.content_hash}" for one in every}))


@dataclass(frozen=True)
class Plan:
    """The runs of a sweep, and what their design can decide."""

    sweep: Sweep
    runs: tuple[PlannedRun, ...]
    clusters: int
    """Independent units of a run."""
    comparisons: int
    """Methods that are compared with the task's baseline."""
    prices: Mapping[str, Price] = field(default_factory=dict[str, Price])
    """What models cost."""
    unit: str = "streams"
    """What they are: streams, authors, photographs."""
    notes: tuple[str, ...] = ()
    """What the user should know before anything runs."""

    @property
    def runnable(self) -> tuple[PlannedRun, ...]:
        """The runs that can be executed."""
        return tuple(run for run in self.runs if not run.skipped)

    def ceilings(self) -> Ceilings:
        """What may be spent from now on."""
        sweep = self.sweep
        time_s = None if sweep.max_time is None else seconds(sweep.max_time)
        return Ceilings(sweep.max_tokens_total, sweep.max_cost, time_s)

    def smallest_p(self) -> float:
        """Smallest adjusted p that a comparison with the baseline can reach."""
        from harness.statistics import smallest_attainable_p

        return smallest_attainable_p(self.clusters, max(1, self.comparisons))


def expand(sweep: Sweep, opener: ModelOpener | None = None) -> Plan:
    """Expand a sweep.

    Args:
        sweep: the lists.
        opener: constructs models to learn what they can do; the registry's, unless given.

    Raises:
        UsageError: something is wrong for every run.
    """
    task = open_task(sweep)
    if isinstance(task, AdaptTask):
        from harness.adapting.plan import expand_adaptations

        return expand_adaptations(task, sweep, opener or open_model)
    if isinstance(task, SolveTask):
        from harness.solving.plan import expand_solves

        return expand_solves(task, sweep, opener or open_model)
    if isinstance(task, EditTask):
        from harness.editing.plan import expand_edits

        return expand_edits(task, sweep, opener or open_model)
    return _expand_streams(task, sweep, opener or open_model)


def _expand_streams(task: StreamTask, sweep: Sweep, opener: ModelOpener) -> Plan:
    sampling = options.build(
        Sampling, {**task.sampling_defaults(), **sweep.sampling}, "sampling (-M)"
    )
    if sweep.cache and task.confidential:
        raise UsageError(
            f"--cache would keep texts of '{task.subset}', which may not be kept; leave it out."
        )
    seeds = sweep.sample_seeds()
    if sampling.greedy and len(seeds) > 1:
        raise UsageError(
            f"{len(seeds)} sample seeds under greedy decoding are copies, not samples; "
            "use one seed, or -M temperature=0.7."
        )
    methods = [resolve(text, task.protocol) for text in sweep.method or task.default_methods]
    models = sweep.model or (task.default_model,)
    with listing(sweep, "items"):
        items = task.items(sweep.data_seed)
    items = _limited(items, sweep.limit)
    held = task.options.holdout
    streams = {order: streams_of(items, order, held) for order in sweep.chosen_orders()}
    opened = _open_models(sweep, models, methods, opener)
    prices = prices_of(sweep, models)
    vectors = any(map(_asks_for_vectors, methods)) and _gives_vectors(sweep, opener)
    runs = dict[str, StreamRun]()
    for method, model, order, seed in product(methods, models, sweep.chosen_orders(), seeds):
        spec = RunSpec(
            task=task_name(sweep.task),
            task_version=task.version,
            subset=task.subset,
            task_options=task.options.differing(),
            method=method.canonical(),
            label=method.label,
            model=str(ModelRequest.parse(model)),
            embedder=sweep.embedder if method.right.type.needs_similarity else "",
            sampling=sampling.given(),
            limit=sweep.limit,
            order=order,
            data_seed=sweep.data_seed,
            sample_seed=seed,
        )
        reason = _skip_reason(method, order, items) or lacks(method, sampling, opened[model])
        if not reason and _asks_for_vectors(method) and not vectors:
            reason = f"needs vectors, which {sweep.embedder} does not give; take --embedder minilm"
        run = StreamRun(spec, task, method, streams[order], skipped=reason)
        runs.setdefault(spec.work_key(), run)
    baseline = resolve(task.baseline, task.protocol).canonical()
    compared = {run.spec.method for run in runs.values() if not run.skipped} - {baseline}
    clusters = len({item.stream_id for item in items})
    return Plan(sweep, sweep.share(runs), clusters, len(compared), prices)


def open_task(sweep: Sweep) -> StreamTask | EditTask | AdaptTask | SolveTask:
    """Load the task of a sweep with its options and check what it needs."""
    if sweep.task.startswith(plugin_file.PREFIX):
        task_type, class_name, path = plugin_file.load(sweep.task, "task")
        if task_type is None:
            raise UsageError(f"task '{sweep.task}': there is no class {class_name} in {path}.")
    else:
        task_type = find(Kind.TASK, sweep.task).load()
    if not (
        isinstance(task_type, type)
        and issubclass(task_type, StreamTask | EditTask | AdaptTask | SolveTask)
    ):
        raise UsageError(f"task '{sweep.task}' follows no protocol that this version knows.")
    if inspect.isabstract(task_type):
        missing = ", ".join(sorted(task_type.__abstractmethods__))
        raise UsageError(f"task '{sweep.task}' has no {missing}; add it.")
    given = dict(sweep.task_options)
    if issubclass(task_type, EditTask):
        given |= {} if sweep.eval_backend is None else {"eval_backend": sweep.eval_backend}
    elif sweep.reference or sweep.eval_backend:
        flag = "--reference" if sweep.reference else "--eval-backend"
        raise UsageError(f"{flag} means nothing to task '{sweep.task}', which edits no model.")
    chosen = options.build(task_type.Options, given, f"task '{sweep.task}'")
    require(task_type.needs(chosen), f"task '{sweep.task}'")
    made: Any = task_type
    return made(chosen)


def task_name(text: str) -> str:
    """The name of a task in results: as registered, or after the class of a file."""
    if not text.startswith(plugin_file.PREFIX):
        return text
    class_name = text.rpartition("#")[2]
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", class_name).lower()


def open_model(text: str, sweep: Sweep, kind: ModelKind) -> Any:
    """Construct a chat model or an embedder by name; nothing is loaded yet.

    Raises:
        UsageError: the name, an argument or the kind is wrong, or a package is missing.
    """
    request = ModelRequest.parse(
        text,
        () if kind is ModelKind.EMBEDDER else tuple(sweep.model_args.items()),
        sweep.base_url,
    )
    entry = find(Kind.MODEL, request.name, str(kind))
    model_type: Any = entry.load()
    base = _BASES[kind]
    if not (isinstance(model_type, type) and issubclass(model_type, base)):
        raise UsageError(
            f"model '{request.name}' of package '{entry.distribution}' is registered as {kind} but "
            f"is no {base.__name__}; register it under its own kind."
        )
    model = model_type(request)
    require(model.requirements(), f"model '{request.name}'")
    return model


def refuse_what_means_nothing(sweep: Sweep, kind: str) -> None:
    """Refuse flags of model servers for a protocol that computes in this process.

    Raises:
        UsageError: one is given.
    """
    given: dict[str, Any] = {
        "-M": sweep.sampling,
        "--max-tokens-total": sweep.max_tokens_total,
        "--max-cost": sweep.max_cost,
        "--max-time": sweep.max_time,
        "--base-url": sweep.base_url,
        "--cache": sweep.cache,
        "--prices": sweep.prices,
        "--data-seed": sweep.data_seed,
        "--embedder": sweep.embedder != Sweep.model_fields["embedder"].default,
        "--max-in-flight": sweep.max_in_flight != Sweep.model_fields["max_in_flight"].default,
    }
    for flag, value in given.items():
        if value:
            raise UsageError(f"{flag} means nothing to {kind}: no server is asked; leave it out.")
    if sweep.chosen_orders() != ("native",):
        raise UsageError(f"--order means nothing to {kind}; leave it out.")


@contextmanager
def listing(sweep: Sweep, what: str) -> Generator[None]:
    """Around a task's own listing of what it has.

    Args:
        sweep: names the task.
        what: is listed.

    Raises:
        UsageError: the task breaks.
    """
    try:
        yield
    except HarnessError:
        raise
    except Exception as error:
        raise UsageError(
            f"task '{sweep.task}' cannot list its {what} ({type(error).__name__}: {error}); its "
            "author has to mend it."
        ) from error


def _open_models(
    sweep: Sweep, models: Sequence[str], methods: Sequence[Method], opener: ModelOpener
) -> dict[str, ChatModel]:
    """Construct what would be started, so that a wrong name or argument is told before."""
    opened: dict[str, ChatModel] = {name: opener(name, sweep, ModelKind.CHAT) for name in models}
    uses_base_url = [model.uses_base_url for model in opened.values()]
    if any(method.right.type.needs_similarity for method in methods):
        uses_base_url.append(opener(sweep.embedder, sweep, ModelKind.EMBEDDER).uses_base_url)
    if sweep.base_url and not any(uses_base_url):
        raise UsageError(
            "--base-url is given, but no model or embedder of this sweep talks to a server; "
            "name one, such as --model openai:NAME."
        )
    return opened


def _asks_for_vectors(method: Method) -> bool:
    """Whether its memory embeds texts by itself, through the endpoint."""
    memory = method.right.type
    return memory.needs_endpoint and memory.needs_similarity


def _gives_vectors(sweep: Sweep, opener: ModelOpener) -> bool:
    ranking: RankingModel = opener(sweep.embedder, sweep, ModelKind.EMBEDDER)
    return ranking.embedder() is not None


def lacks(method: Method, sampling: Sampling, model: ChatModel) -> str:
    """What a method or a setting asks for and the model cannot give."""
    wanted = {ability for part in method.parts for ability in part.type.abilities}
    wanted |= sampling.abilities()
    lacking = sorted(wanted - type(model).abilities)
    if not lacking:
        return ""
    return f"asks for {lacking[0]}, which {type(model).__name__} cannot give; take vllm:NAME"


def prices_of(sweep: Sweep, models: Sequence[str]) -> dict[str, Price]:
    """What the models of a sweep cost.

    Raises:
        UsageError: a ceiling on cost needs a price that is not known.
    """
    prices = {} if sweep.prices is None else read_prices(sweep.prices)
    if sweep.max_cost is not None:
        for model in models:
            if price_of(model, prices) is None:
                where = sweep.prices or "prices.yaml with --prices prices.yaml"
                raise UsageError(
                    f"--max-cost needs the price of '{model}'; add a line "
                    f"'{model}: {{input: 0.15, output: 0.60}}' (per million tokens) to {where}."
                )
    if sweep.max_time is not None:
        seconds(sweep.max_time)
    return prices


def _limited(items: Sequence[Item], limit: int | None) -> Sequence[Item]:
    if not items:
        raise UsageError("the task has no items with these options.")
    return items[:limit] if limit else items


def _skip_reason(method: Method, order: str, items: Sequence[Item]) -> str:
    if lacking := method.lacking():
        return lacking
    if order in ("easy-hard", "hard-easy") and all(item.difficulty is None for item in items):
        return "the items of this subset have no difficulty to order by"
    return ""
