"""Runs whose samples are played one by one and may ask a chat model: journal, calls, publication.

An `Execution` reads what the journal already holds, builds the lanes that remain, commits samples
as they finish, and publishes the tables. What a lane does is its protocol's matter.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from harness.errors import UsageError
from harness.models.base import ModelIdentity
from harness.models.chat import Sampling
from harness.models.client import Gate
from harness.models.embedders import RankingModel
from harness.plan import PlannedRun
from harness.results.past import Kept, Past
from harness.results.schema import SampleRecord
from harness.results.store import Attempt, ResultsStore
from harness.results.totals import Totals
from harness.runner import journal_summary, run_row, same_engine, save_spec, words_of
from harness.sweep import Sweep

OnSample = Callable[[SampleRecord], None]


@dataclass(frozen=True)
class Engine:
    """What a run works with, started."""

    gate: Gate | None
    """None where the method asks no model."""
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


class Playable(Protocol):
    """Samples that are played one after another."""

    async def play(self) -> None:
        """Play and commit them.

        Raises:
            StorageError: a commit could not be written; the whole command has to stop.
            CeilingReached: no more may be asked; the sample under way stays unfinished.
            MethodError: the method cannot go on.
        """
        ...


class Execution(ABC):
    """One run on its way from the plan to the tables.

    Raises:
        UsageError: the run was begun with another model, and two would be mixed.
    """

    def __init__(
        self,
        run: PlannedRun,
        attempt: Attempt,
        store: ResultsStore,
        sweep: Sweep,
        engine: Engine,
    ) -> None:
        self.run_id = attempt.run_id
        self._planned = run
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
        elif not same_engine(self._past.engine, engine.as_json()):
            raise UsageError(
                f"run {self.run_id} was begun with {words_of(self._past.engine)} and would go on "
                f"with {words_of(engine.as_json())}; take the same again, or --fresh."
            )
        if not self._past.engine or set(engine.servers) - self._past.servers:
            record = {"kind": "engine", "engine": engine.as_json(), "servers": engine.servers}
            self._journal.append(record)
            self._past.servers.update(engine.servers)

    @property
    def finished(self) -> Collection[Kept]:
        """Samples that need not be played again."""
        return self._past.finished.values()

    @property
    def _gate(self) -> Gate:
        """The model of a run that asks one."""
        if self._engine.gate is None:
            raise TypeError(f"run {self.run_id} was planned without a model and asks one")
        return self._engine.gate

    async def close(self) -> None:  # noqa: B027 - most executions hold nothing
        """Release what the lanes shared; called when all of them have ended."""

    @abstractmethod
    def lanes(self, on_sample: OnSample) -> AsyncGenerator[Playable]:
        """Build the lanes that remain, each when it is asked for."""

    def publish(self) -> dict[str, Any]:
        """Write the tables; returns the run's row."""
        totals = Totals(one.name for one in self._planned.task.metrics if one.higher_is_better)

        def counted() -> Iterator[SampleRecord]:
            for record in self._records():
                totals.add(record)
                yield self._shown(record)

        self._store.write_tables(self.run_id, self._planned.spec.task, counted())
        row = self._row(totals)
        self._store.commit(row, self._journal)
        return row

    def _shown(self, record: SampleRecord) -> SampleRecord:
        """A sample as it is published."""
        return record

    def _records(self) -> Iterator[SampleRecord]:
        """Every row so far, in order, one at a time out of the journal."""
        kept = [*self._past.finished.values(), *self._past.errors.values()]
        for one in sorted(kept, key=lambda one: (one.stream_id, one.step)):
            yield self._record(one)

    def _record(self, kept: Kept) -> SampleRecord:
        return SampleRecord.read(self._journal.record_at(kept.offset)["record"])

    def _commit(self, record: SampleRecord, on_sample: OnSample) -> None:
        offset = self._journal.append({"kind": "sample", "record": record.as_json()})
        self._past.keep(record, offset)
        on_sample(record)

    def _record_call(self, record: Mapping[str, Any]) -> None:
        self._journal.append(record)
        self._past.pay(record["response"])

    def _metrics(self, totals: Totals) -> Mapping[str, float]:
        """Metrics of the run."""
        return totals.means()

    def _row(self, totals: Totals) -> dict[str, Any]:
        identity, ranking = self._engine.identity, self._engine.ranking_identity
        run, past, gate = self._planned, self._past, self._engine.gate
        price = None if gate is None else gate.price
        return {
            **run_row(run, self.run_id, self._code_hash, identity, totals.statuses, totals.probes),
            "embedder_revision": ranking.revision if ranking and run.spec.embedder else None,
            "started_at": datetime.fromisoformat(self._past.started_at),
            "wall_s": time.perf_counter() - self._began,
            "input_tokens": totals.input_tokens,
            "output_tokens": totals.output_tokens,
            "cost": price.of(past.paid_input_tokens, past.paid_output_tokens) if price else None,
            "paid_input_tokens": past.paid_input_tokens,
            "paid_output_tokens": past.paid_output_tokens,
            "metrics": list(self._metrics(totals).items()),
            "engine_settings": json.dumps(_settings(identity, self._past), sort_keys=True),
        }


def _settings(identity: ModelIdentity, past: Past) -> dict[str, Any]:
    """Settings of the engine, with every server that took part."""
    settings = dict(identity.settings)
    return settings | {"servers": sorted(past.servers)} if past.servers else settings
