"""One stream run: its lanes, and what memories need to go on after a kill."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import MethodError
from harness.hooks import call_hook
from harness.isolation.endpoint import Endpoint, Route
from harness.isolation.memory import isolated
from harness.models.client import StreamClient
from harness.models.search import (
    Embedder,
    NoRanker,
    Ranker,
    RecordedEmbedder,
    SimilaritySearch,
    VectorRanker,
)
from harness.plan import StreamRun
from harness.protocols.stream.confidential import without_texts
from harness.protocols.stream.dumps import Dumps, Lesson, blamed
from harness.protocols.stream.loop import Lane, restore_memory
from harness.protocols.stream.method import Agent, Memory, MemoryContext
from harness.protocols.stream.probes import Probes, checkpoint_name
from harness.protocols.stream.settings import TieBreak
from harness.protocols.stream.types import Delta, Entry, Item
from harness.results.past import vector_record
from harness.results.schema import RunStatus, SampleRecord, sample_key
from harness.results.store import Attempt, ResultsStore
from harness.served import Engine, Execution, OnSample
from harness.streaming.inherited import NOTHING, Inherited, inherited, source_of
from harness.streaming.orders import Stream
from harness.sweep import Sweep
from harness.text import safe_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class StreamExecution(Execution):
    """One stream run on its way from the plan to the tables.

    Raises:
        UsageError: the run was begun with another model, and two would be mixed.
    """

    def __init__(
        self,
        run: StreamRun,
        attempt: Attempt,
        store: ResultsStore,
        sweep: Sweep,
        engine: Engine,
    ) -> None:
        super().__init__(run, attempt, store, sweep, engine)
        self.run = run
        self._source = source_of(store, run)
        self._endpoint: Endpoint | None = None

    async def lanes(self, on_sample: OnSample) -> AsyncGenerator[Lane]:
        """Build the lanes that remain: one for each stream, or each item if no memory links them.

        Each is built when it is asked for, so that many of them need no room at once.

        Raises:
            MethodError: a memory does not come back as it was committed.
        """
        for position, stream in enumerate(self.run.streams):
            dumps = self._store.artifacts(self.run_id) / "dumps" / safe_name(stream.id)
            steps = list(enumerate(stream.items))
            finished = self._past.finished
            remaining = [one for one in steps if _key(one[1]) not in finished]
            probes = self.run.probes(stream)
            stateful = self.run.method.right.type.stateful
            if not stateful:
                probes = probes.empty_only
            if not remaining and self._all_probed(probes):
                continue
            if not stateful:
                for step_item in remaining:
                    lane = await self._lane(stream, dumps, on_sample)
                    lane.items = [step_item]
                    yield lane
                if not self._all_probed(probes):
                    lane = await self._lane(stream, dumps, on_sample)
                    lane.probes = probes
                    yield lane
                continue
            lane = await self._lane(stream, dumps, on_sample)
            lane.items, lane.probes = remaining, probes
            lane.behind = len(steps) - len(remaining)
            await self._restore(lane, stream.items, self._inherited(position))
            yield lane

    def _all_probed(self, probes: Probes) -> bool:
        return all(
            sample_key(item.sample_id, item.repeat, checkpoint_name(state)) in self._past.finished
            for state in probes.states
            for item in probes.at(state)
        )

    def publish(self) -> dict[str, Any]:
        """Write the tables; returns the run's row."""
        row = super().publish()
        if row["status"] == RunStatus.COMPLETE:
            self._keep_last_dumps()
            for folder in ("dumps", "workers"):
                shutil.rmtree(self._store.artifacts(self.run_id) / folder, ignore_errors=True)
        return row

    def _shown(self, record: SampleRecord) -> SampleRecord:
        return without_texts(record) if self.run.task.confidential else record

    async def _lane(self, stream: Stream, dumps: Path, on_sample: OnSample) -> Lane:
        stream_id = stream.id
        run, seed_text = self.run, self.run.spec.seed_text(stream_id)
        settings = run.task.options
        stateful = run.method.right.type.stateful
        client = StreamClient(
            self._gate,
            self._sampling,
            seed_text,
            self._record_call,
            f"{self.run_id}/{stream_id}" if stateful else "",
        )
        data_seed = run.spec.data_seed
        route, endpoint = await self._endpoint_of(client)
        context = MemoryContext(
            settings=settings,
            ask=client,
            similarity=SimilaritySearch(
                self._ranker(), older_first=settings.tie_break is TieBreak.OLDER
            ),
            seed_text=seed_text,
            demonstrations=lambda count: run.task.demonstrations(count, data_seed),
            folder=self._store.artifacts(self.run_id) / "workers" / safe_name(stream_id),
            endpoint=endpoint,
        )
        agent, memory = _construct(run, context, self._ranker, route)
        with blamed(memory):
            await call_hook(memory.open)
        return Lane(
            task=run.task,
            items=[],
            agent=agent,
            memory=memory,
            client=client,
            answered=self._past.answered,
            attempts=self._past.tries,
            commit=lambda record: self._commit(record, on_sample),
            dumps=Dumps(memory, dumps, client, self._calls_of, self._lessons(stream.items)),
            finished=self._past.finished,
            length=len(stream.items),
        )

    async def close(self) -> None:
        """Stop serving memories over HTTP."""
        if self._endpoint is not None:
            await self._endpoint.close()
            self._endpoint = None

    async def _endpoint_of(self, client: StreamClient) -> tuple[Route | None, str]:
        """A stream's way to the model over HTTP, where its memory needs one."""
        if not self.run.method.right.type.needs_endpoint:
            return None, ""
        if self._endpoint is None:
            self._endpoint = Endpoint()
            await self._endpoint.start()
        ranking = self._engine.ranking
        embedder = None if ranking is None else self._bought() or ranking.embedder()
        route = Route(client, embedder)
        return route, self._endpoint.open(route)

    def _bought(self) -> Embedder | None:
        """The embedder whose vectors had to be bought and are remembered, if it is such a one."""
        bought = self._engine.ranking.bought() if self._engine.ranking else None
        if bought is None:
            return None
        return RecordedEmbedder(bought, self._past.vectors, self._record_vector)

    def _ranker(self) -> Ranker:
        """A ranker for a stream."""
        ranking, bought = self._engine.ranking, self._bought()
        if ranking is None:
            return NoRanker()
        return ranking.ranker() if bought is None else VectorRanker(bought)

    def _record_vector(self, text: str, vector: NDArray[np.float32]) -> None:
        self._journal.append(vector_record(text, vector))

    def _calls_of(self, sample_id: str) -> Sequence[Mapping[str, Any]]:
        """The journalled calls of an item, finished or not."""
        return [
            record
            for _, record in self._journal.records()
            if record["kind"] == "call" and record["item"] == sample_id
        ]

    def _lessons(self, items: tuple[Item, ...]) -> list[Lesson]:
        """What a stream's memory was told, as far as its records keep it."""
        if self.run.method.right.type.snapshot_every == 1:
            return []
        kept = (self._past.finished.get(_key(item)) for item in items)
        told = (self._record(one).memory.get("lesson") for one in kept if one is not None)
        return [Lesson.read(one) for one in told if one]

    def _keep_last_dumps(self) -> None:
        """Keep the final state of memories that their entries cannot rebuild."""
        if self.run.task.confidential:
            return  # a dump holds texts
        artifacts = self._store.artifacts(self.run_id)
        lengths = {safe_name(one.id): len(one.items) for one in self.run.streams}
        for stream in (artifacts / "dumps").glob("*"):
            # A kill may have left an older one alone, which is not what the stream ended with.
            last = stream / f"step-{lengths.get(stream.name, 0):06d}"
            if last.is_dir():
                target = artifacts / "memories" / stream.name
                target.parent.mkdir(exist_ok=True)
                os.replace(last, target)

    def _inherited(self, position: int) -> Inherited:
        """What the stream at a position begins with."""
        return inherited(self._store, self._source, position) if self._source else NOTHING

    async def _restore(self, lane: Lane, items: tuple[Item, ...], start: Inherited) -> None:
        """Bring a lane's memory to the last commit of its stream, or to what it begins with."""
        lane.offset = start.steps
        entries = dict(start.entries)
        last: SampleRecord | None = None
        for item in items:
            kept = self._past.finished.get(_key(item))
            if kept is None:
                break
            last = record = self._record(kept)
            entries = _delta(record).apply(entries)
        if last is not None:
            expected = str(last.memory["fingerprint"])
            await restore_memory(lane.memory, lane.dumps, entries, last.step, expected)
        elif self._source and (start.dump or lane.memory.rebuilt_from_entries):
            if start.dump is not None:
                lane.dumps.adopt(start.dump)
            with blamed(lane.memory):
                await lane.dumps.back(-1, entries)


def _key(item: Item) -> str:
    return sample_key(item.sample_id, item.repeat)


def _construct(
    run: StreamRun, context: MemoryContext, ranker: Callable[[], Ranker], route: Route | None
) -> tuple[Agent, Memory]:
    """Make a lane's agent and memory.

    Raises:
        MethodError: one of them cannot be constructed.
    """
    left, right = run.method.parts
    try:
        agent = left.type(left.options)
        if right.type.isolated or context.settings.isolate:
            kind = isolated(right.type)
            return agent, kind(run.method.canonical(), right.options, context, ranker, route)
        return agent, right.type(right.options, context)
    except Exception as error:
        raise MethodError(
            f"method '{run.spec.label}' cannot be constructed: {type(error).__name__}: {error}"
        ) from error


def _delta(record: SampleRecord) -> Delta:
    return Delta(
        tuple(Entry(**entry) for entry in record.memory["added"]),
        tuple(Entry(**entry) for entry in record.memory["changed"]),
        tuple(record.memory["removed"]),
        tuple(record.memory.get("order", ())),
    )
