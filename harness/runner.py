"""Execute one planned run: journal, lanes, publication.

`Execution` reads what the journal already holds, builds the lanes that remain, commits samples as
they finish, and publishes the tables. It knows the stream protocol only through `Lane`.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from harness.errors import MethodError, UsageError
from harness.models.base import ModelIdentity
from harness.models.chat import Sampling
from harness.models.client import Gate, StreamClient
from harness.models.embedders import RankingModel
from harness.models.search import (
    NoRanker,
    Ranker,
    RecordedEmbedder,
    SimilaritySearch,
    VectorRanker,
)
from harness.plan import PlannedRun, StreamRun
from harness.protocols.stream.loop import Lane, restore_memory
from harness.protocols.stream.method import Agent, Memory, MemoryContext
from harness.protocols.stream.settings import TieBreak
from harness.protocols.stream.types import Delta, Entry, Item
from harness.results import provenance
from harness.results.past import Kept, Past, vector_record
from harness.results.schema import SCHEMA_VERSION, RunStatus, SampleRecord, Status
from harness.results.store import Attempt, ResultsStore
from harness.results.totals import Totals
from harness.sweep import Sweep

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_RECORDED_FIRST = 3
"""Journals once recorded this much of an engine: id, revision, name."""

_LIMITS = ("shard", "max_tokens_total", "max_cost", "prices", "max_time")
"""Fields of a sweep that say how much of it is executed now."""

OnSample = Callable[[SampleRecord], None]


@dataclass(frozen=True)
class Engine:
    """What a run works with, started."""

    gate: Gate
    identity: ModelIdentity
    ranking: RankingModel | None = None
    """None where no method needs similarities."""
    ranking_identity: ModelIdentity | None = None

    def as_json(self) -> list[list[str]]:
        """What must not change within a run: ids, revisions, the engine and what it was told."""
        model = self.identity
        settings = [f"{name}={value}" for name, value in sorted(model.decisive().items())]
        found = [[model.id, model.revision, model.engine, model.engine_version, *settings]]
        if self.ranking_identity:
            found.append([self.ranking_identity.id, self.ranking_identity.revision])
        return found

    @property
    def servers(self) -> list[str]:
        """Addresses that were named; a run may go on at others that serve the same."""
        return list(self.identity.settings.get("servers", ()))


class Execution:
    """One run on its way from the plan to the tables.

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
        self.run = run
        self.run_id = attempt.run_id
        self._journal = attempt.journal
        self._code_hash = attempt.code_hash
        self._store = store
        self._sweep = sweep
        self._engine = engine
        self._sampling = Sampling.model_validate(run.spec.sampling)
        self._past = Past.read(attempt.journal)
        self._began = time.perf_counter()
        if not self._past.started_at:
            self._past.started_at = datetime.now(UTC).isoformat()
            summary = journal_summary(run, self._code_hash, self._past.started_at)
            self._journal.append({"kind": "run", "summary": summary})
            save_spec(run, sweep, store.artifacts(self.run_id))
        elif not _same(self._past.engine, engine.as_json()):
            raise UsageError(
                f"run {self.run_id} was begun with {_words(self._past.engine)} and would go on "
                f"with {_words(engine.as_json())}; take the same again, or --fresh."
            )
        if not self._past.engine or set(engine.servers) - self._past.servers:
            record = {"kind": "engine", "engine": engine.as_json(), "servers": engine.servers}
            self._journal.append(record)
            self._past.servers.update(engine.servers)

    @property
    def finished(self) -> Collection[Kept]:
        """Samples that need not be played again."""
        return self._past.finished.values()

    async def lanes(self, on_sample: OnSample) -> AsyncGenerator[Lane]:
        """Build the lanes that remain: one for each stream, or each item if no memory links them.

        Each is built when it is asked for, so that many of them need no room at once.

        Raises:
            MethodError: a memory does not come back as it was committed.
        """
        for stream_id, items in self.run.streams:
            dumps = self._store.artifacts(self.run_id) / "dumps" / _safe(stream_id)
            steps = list(enumerate(items))
            remaining = [(s, one) for s, one in steps if one.sample_id not in self._past.finished]
            if not remaining:
                continue
            if not self.run.method.right.type.stateful:
                for step_item in remaining:
                    lane = self._lane(stream_id, dumps, on_sample)
                    lane.items = [step_item]
                    yield lane
                continue
            lane = self._lane(stream_id, dumps, on_sample)
            lane.items = remaining
            await self._restore(lane, items)
            yield lane

    def publish(self) -> dict[str, Any]:
        """Write the tables; returns the run's row."""
        kept = [*self._past.finished.values(), *self._past.errors.values()]
        totals = Totals(one.name for one in self.run.task.metrics if one.higher_is_better)

        def records() -> Iterator[SampleRecord]:
            for one in sorted(kept, key=lambda one: (one.stream_id, one.step)):
                record = self._record(one)
                totals.add(record)
                yield record

        self._store.write_tables(self.run_id, self.run.spec.task, records())
        row = self._row(totals)
        self._store.commit(row, self._journal)
        if row["status"] == RunStatus.COMPLETE:
            shutil.rmtree(self._store.artifacts(self.run_id) / "dumps", ignore_errors=True)
        return row

    def _lane(self, stream_id: str, dumps: Path, on_sample: OnSample) -> Lane:
        run, seed_text = self.run, self.run.spec.seed_text(stream_id)
        settings = run.task.options
        stateful = run.method.right.type.stateful
        client = StreamClient(
            self._engine.gate,
            self._sampling,
            seed_text,
            self._record_call,
            f"{self.run_id}/{stream_id}" if stateful else "",
        )
        data_seed = run.spec.data_seed
        context = MemoryContext(
            settings=settings,
            ask=client,
            similarity=SimilaritySearch(
                self._ranker(), older_first=settings.tie_break is TieBreak.OLDER
            ),
            seed_text=seed_text,
            demonstrations=lambda count: run.task.demonstrations(count, data_seed),
        )

        def commit(record: SampleRecord) -> None:
            offset = self._journal.append({"kind": "sample", "record": record.as_json()})
            self._past.keep(record, offset)
            on_sample(record)

        agent, memory = _construct(run, context)
        return Lane(
            task=run.task,
            items=[],
            agent=agent,
            memory=memory,
            client=client,
            answered=self._past.answered,
            attempts=self._past.tries,
            commit=commit,
            dumps=dumps,
        )

    def _ranker(self) -> Ranker:
        """A ranker for a stream, which remembers vectors that had to be bought."""
        ranking = self._engine.ranking
        if ranking is None:
            return NoRanker()
        embedder = ranking.bought()
        if embedder is None:
            return ranking.ranker()
        return VectorRanker(RecordedEmbedder(embedder, self._past.vectors, self._record_vector))

    def _record_call(self, record: Mapping[str, Any]) -> None:
        self._journal.append(record)
        self._past.pay(record["response"])

    def _record(self, kept: Kept) -> SampleRecord:
        return SampleRecord.read(self._journal.record_at(kept.offset)["record"])

    def _record_vector(self, text: str, vector: NDArray[np.float32]) -> None:
        self._journal.append(vector_record(text, vector))

    async def _restore(self, lane: Lane, items: tuple[Item, ...]) -> None:
        """Bring a lane's memory to the last commit of its stream."""
        entries: dict[str, Entry] = {}
        last: SampleRecord | None = None
        for item in items:
            kept = self._past.finished.get(item.sample_id)
            if kept is None:
                break
            last = record = self._record(kept)
            entries = _delta(record).apply(entries)
        if last is not None:
            expected = str(last.memory["fingerprint"])
            await restore_memory(lane.memory, entries, last.step, expected, lane.dumps)

    def _row(self, totals: Totals) -> dict[str, Any]:
        identity, ranking = self._engine.identity, self._engine.ranking_identity
        run, past = self.run, self._past
        price = self._engine.gate.price
        count = totals.statuses
        return {
            **run_row(run, self.run_id, self._code_hash, identity, count),
            "embedder_revision": ranking.revision if ranking and run.spec.embedder else None,
            "started_at": datetime.fromisoformat(self._past.started_at),
            "wall_s": time.perf_counter() - self._began,
            "input_tokens": totals.input_tokens,
            "output_tokens": totals.output_tokens,
            "cost": price.of(past.paid_input_tokens, past.paid_output_tokens) if price else None,
            "paid_input_tokens": past.paid_input_tokens,
            "paid_output_tokens": past.paid_output_tokens,
            "metrics": list(totals.means().items()),
            "engine_settings": json.dumps(_settings(identity, self._past), sort_keys=True),
        }


def run_row(
    run: PlannedRun,
    run_id: str,
    code_hash: str,
    identity: ModelIdentity,
    count: Mapping[Status, int],
) -> dict[str, Any]:
    """A run's row as far as it is the same for every protocol.

    Args:
        run: the run.
        run_id: of this attempt.
        code_hash: of the attempt.
        identity: the model.
        count: samples by status.
    """
    error = count.get(Status.ERROR, 0)
    done = sum(count.values()) - error
    return {
        "run_id": run_id,
        "code_hash": code_hash,
        "schema_version": SCHEMA_VERSION,
        **described(run),
        "model_id": identity.id,
        "model_revision": identity.revision,
        "engine": identity.engine,
        "engine_version": identity.engine_version,
        "n_done": done,
        "n_failed": count.get(Status.FAILED, 0),
        "n_invalid": count.get(Status.INVALID, 0),
        "n_error": error,
        "status": RunStatus.COMPLETE if done == run.n_samples else RunStatus.INCOMPLETE,
        "finished_at": datetime.now(UTC),
        **provenance.of_this_process(),
        "engine_options": json.dumps(dict(identity.options), sort_keys=True),
        "batch_invariant": identity.settings.get("batch_invariant"),
        "method_code_hash": method_code_hash(run),
    }


def journal_summary(run: PlannedRun, code_hash: str, started_at: str) -> dict[str, Any]:
    """What a run's journal begins with."""
    spec = run.spec
    return {
        "work_key": spec.work_key(),
        "code_hash": code_hash,
        "task": spec.task,
        "subset": spec.subset,
        "method": spec.label,
        "model": spec.model,
        "order": spec.order,
        "sample_seed": spec.seed,
        "n_planned": run.n_samples,
        "started_at": started_at,
    }


def save_spec(run: PlannedRun, sweep: Sweep, folder: Path) -> None:
    """Write the sweep that repeats exactly this run, as ``spec.yaml``."""
    import yaml

    spec = run.spec
    alone = sweep.model_copy(
        update={
            "method": (spec.label,),
            "model": (spec.model,),
            "order": (spec.order,),
            "seeds": str(spec.seed),
            "sampling": spec.sampling,
            "task_options": run.task.options.given(),
            "fresh": False,
            "cache": False,
            **dict.fromkeys(_LIMITS),
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(alone.model_dump(mode="json"), sort_keys=False)
    (folder / "spec.yaml").write_text(text, encoding="utf-8")


def described(run: PlannedRun) -> dict[str, Any]:
    """The columns of a run's row that its plan decides."""
    spec, task = run.spec, run.task
    parts = [
        {"role": part.role, "name": part.name, "options": part.options.given()}
        for part in run.method.parts
    ]
    return {
        "work_key": spec.work_key(),
        "protocol": task.protocol,
        "task": spec.task,
        "task_version": spec.task_version,
        "subset": spec.subset,
        "task_options": json.dumps(task.options.given(), sort_keys=True),
        "method": spec.label,
        "method_parts": json.dumps(parts),
        "model": spec.model,
        "embedder": spec.embedder,
        "sampling": json.dumps(spec.sampling, sort_keys=True),
        "order": spec.order,
        "data_seed": spec.data_seed,
        "order_seed": spec.order_seed,
        "sample_seed": spec.sample_seed,
        "train_seed": spec.train_seed,
        "data": json.dumps([asdict(source) for source in task.data_sources()]),
        "content_hash": run.data_hash(),
        "sample_limit": spec.limit,
        "n_planned": run.n_samples,
    }


def run_code_hash(run: PlannedRun) -> str:
    """Hash of the code of a run's task and method, and of what they declare to need."""
    types = [*run.task.code(), *(part.type for part in run.method.parts)]
    needs = [*run.task.needs(run.task.options), *run.method.needs]
    return provenance.code_hash(types, needs)


def method_code_hash(run: PlannedRun) -> str:
    """Hash of the code of a run's method alone, and of what it declares to need."""
    return provenance.code_hash([part.type for part in run.method.parts], run.method.needs)


def _settings(identity: ModelIdentity, past: Past) -> dict[str, Any]:
    """Settings of the engine, with every server that took part."""
    settings = dict(identity.settings)
    return settings | {"servers": sorted(past.servers)} if past.servers else settings


def _same(begun: list[list[str]], now: list[list[str]]) -> bool:
    """Whether a run may go on; an older journal recorded less, a killed one perhaps nothing."""
    if not begun:
        return True
    return len(begun) == len(now) and all(
        before == (after if len(before) > _RECORDED_FIRST else after[: len(before)])
        for before, after in zip(begun, now, strict=True)
    )


def _words(engine: list[list[str]]) -> str:
    return " and ".join(" ".join(part for part in one if part) for one in engine)


def _construct(run: StreamRun, context: MemoryContext) -> tuple[Agent, Memory]:
    """Make a lane's agent and memory.

    Raises:
        MethodError: one of them cannot be constructed.
    """
    left, right = run.method.parts
    try:
        return left.type(left.options), right.type(right.options, context)
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


def _safe(stream_id: str) -> str:
    """A file name that no other stream has."""
    return quote(stream_id, safe="").replace(".", "%2E")
