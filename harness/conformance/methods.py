"""What every method has to keep, tried on a toy, whatever its protocol."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Collection, Iterator
from pathlib import Path
from typing import Any

from harness.conformance.adapt import check_adapter
from harness.conformance.edits import check_editor
from harness.conformance.solve import check_solver
from harness.conformance.toy import CANARY, ToyModel, ToyTask
from harness.errors import HarnessError, UnknownName
from harness.executors import LocalExecutor
from harness.hooks import call_hook
from harness.methods import RULES, Method, resolve
from harness.models.base import ModelKind, ModelRequest
from harness.models.chat import Sampling
from harness.models.client import Gate, StreamClient
from harness.models.embedders import Bm25
from harness.models.search import NoRanker, SimilaritySearch
from harness.options import describe
from harness.outcomes import RunOutcome
from harness.plan import Plan, StreamRun
from harness.protocols.stream import Experience, Feedback, Memory, Query, StreamSettings, Turn
from harness.protocols.stream.method import MemoryContext
from harness.protocols.stream.settings import FeedbackLevel, StorePolicy
from harness.registry import About
from harness.results.schema import SampleRecord, Scored
from harness.results.store import ResultsStore
from harness.spec import RunSpec
from harness.streaming.orders import streams_of
from harness.sweep import Sweep


def check_method(text: str) -> list[str]:
    """Check a method by its method string; returns one sentence for each thing missing.

    A name that exists in several protocols is checked in each.
    """
    found, refused = list[Method](), list[HarnessError]()
    for protocol in RULES:
        try:
            found.append(resolve(text, protocol))
        except HarnessError as error:
            refused.append(error)
    if not found:
        known = [error for error in refused if not isinstance(error, UnknownName)]
        return [str((known or refused)[0])]
    return [finding for method in found for finding in _check(method)]


def _check(method: Method) -> list[str]:
    findings = [*_describes_itself(method)]
    if findings:
        return findings
    if method.protocol == "edit":
        return [*check_editor(method)]
    if method.protocol == "adapt":
        return [*check_adapter(method)]
    if method.protocol == "solve":
        return [*check_solver(method)]
    memory = method.right.type
    if method.lacking() or memory.needs_endpoint:
        return findings  # what it needs is not here: its package, or vectors and a real endpoint
    if not memory.isolated:
        findings += asyncio.run(_hooks(method))
    return findings or [*_plays(method)]


def _describes_itself(method: Method) -> Iterator[str]:
    for part in method.parts:
        name = f"{part.role} '{part.name}'"
        if not isinstance(getattr(part.type, "about", None), About):
            yield f"{name} has no 'about': give its class an About(summary, source)."
        for option in describe(type(part.options)):
            if not option.help:
                yield f"{name}: option {option.name} has no docstring under its field."
            if option.default == "required":
                yield f"{name}: option {option.name} has no default."


async def _hooks(method: Method) -> list[str]:
    """Call the memory's hooks one by one."""
    name = f"memory '{method.right.name}'"
    try:
        return [f"{name} {finding}" async for finding in _hook_findings(method)]
    except Exception as error:  # noqa: BLE001 - whatever a method raises is what is to be told
        return [f"{name} raised {type(error).__name__}: {error}"]


async def _hook_findings(method: Method) -> AsyncIterator[str]:
    memory = await _open(method)
    query = Query("toy/9", 9, "What is the red lamp?")
    for step, goal in enumerate(("What is the red lamp?", "What is the old door?")):
        await call_hook(memory.evolve, _experience(step, goal))
    before = memory.fingerprint()
    retrieval = await call_hook(memory.search, query)
    await call_hook(memory.synthesize, query, retrieval)
    if memory.fingerprint() != before:
        yield "changes when it is searched; search and synthesize must only read."
    twin = await _open(method)
    for step, goal in enumerate(("What is the red lamp?", "What is the old door?")):
        await call_hook(twin.evolve, _experience(step, goal))
    if twin.fingerprint() != before:
        yield "differs between two equal executions; keep clocks and random ids out of entries()."
    if not memory.stateful and memory.entries():
        yield "keeps entries but says stateful = False."
    restored = await _open(method)
    if memory.rebuilt_from_entries:
        await call_hook(restored.restore, memory.entries())
    else:
        with tempfile.TemporaryDirectory() as folder:
            await call_hook(memory.dump, Path(folder))
            await call_hook(restored.load, Path(folder))
    if restored.fingerprint() != before:
        yield "is not the same after being restored."
    elif await call_hook(restored.search, query) != retrieval:
        yield "finds something else after being restored."


def _plays(method: Method) -> Iterator[str]:
    """Play whole streams twice and compare."""
    model = ToyModel(ModelRequest("toy"))
    first, records = _run(method, model)
    label = method.label
    for record in records:
        if record.error:
            yield f"{label} failed on {record.sample_id}: {record.error}"
            return
    if first.n_done != first.run.n_samples:
        yield f"{label} finished {first.n_done} of {first.run.n_samples} samples."
    if any(CANARY in prompt for prompt in model.prompts):
        yield f"{label} shows a gold answer to the model although feedback does not grant it."
    _, again = _run(method, ToyModel(ModelRequest("toy")))
    prints = [
        {record.sample_id: record.memory["fingerprint"] for record in run}
        for run in (records, again)
    ]
    if prints[0] != prints[1]:
        yield f"{label} leaves another memory when the same stream is played again."


def _run(method: Method, model: ToyModel) -> tuple[RunOutcome, list[SampleRecord]]:
    task = ToyTask(StreamSettings(store=StorePolicy.ALL, feedback=FeedbackLevel.CORRECTNESS))
    items = task.items(0)
    spec = RunSpec(
        task="toy",
        task_version=task.version,
        subset=task.subset,
        task_options={},
        method=method.canonical(),
        label=method.label,
        model="toy",
        embedder="bm25" if method.right.type.needs_similarity else "",
        sampling=Sampling().given(),
    )
    run = StreamRun(spec, task, method, streams_of(items, "native"))
    plan = Plan(Sweep(task="toy", embedder="bm25"), (run,), clusters=4, comparisons=0)
    records = list[SampleRecord]()

    def opener(_name: str, _sweep: Sweep, kind: ModelKind) -> Any:
        return model if kind is ModelKind.CHAT else Bm25(ModelRequest("bm25"))

    with tempfile.TemporaryDirectory() as folder:
        store = ResultsStore(folder)
        store.prepare()
        executor = LocalExecutor(store, _Collector(records), opener)
        (outcome,) = asyncio.run(executor.execute(plan))
    return outcome, records


class _Collector:
    """Keeps the records of a run."""

    def __init__(self, records: list[SampleRecord]) -> None:
        self._records = records

    def status(self, text: str) -> None:
        """Ignore."""

    def begin(self, run_id: str, label: str, total: int, finished: Collection[Scored]) -> None:
        """Ignore."""

    def working(self, run_id: str, text: str) -> None:
        """Ignore."""

    def advance(self, run_id: str, record: SampleRecord) -> None:
        """Keep."""
        del run_id
        self._records.append(record)

    def end(self, run_id: str) -> None:
        """Ignore."""


async def _open(method: Method) -> Memory:
    client = StreamClient(
        Gate(ToyModel(ModelRequest("toy")), 1), Sampling(), "toy", lambda _record: None
    )
    declared = method.right.type.needs_similarity
    ranker = Bm25(ModelRequest("bm25")).ranker() if declared else NoRanker()
    context = MemoryContext(
        settings=StreamSettings(store=StorePolicy.ALL),
        ask=client,
        similarity=SimilaritySearch(ranker),
        seed_text="toy",
        demonstrations=lambda count: ToyTask(StreamSettings()).demonstrations(count, 0),
    )
    memory: Memory = method.right.type(method.right.options, context)
    await call_hook(memory.open)
    return memory


def _experience(step: int, goal: str) -> Experience:
    turns = (Turn("", "blue"),)
    return Experience(f"toy/{step}", step, goal, turns, Feedback(correct=step == 0))
