"""One adapt run: its journal, its saved states, its tables."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from harness import memory
from harness.adapting.past import AdaptPast
from harness.adapting.plan import AdaptRun, open_method
from harness.adapting.work import OnSample, Say, Work
from harness.errors import InfrastructureError, StorageError
from harness.local_runs import begin, blame, row_of
from harness.models.base import ModelIdentity
from harness.protocols.adapt.classifier import Classifier
from harness.results.checkpoints import Checkpoints
from harness.results.schema import RunStatus, SampleRecord, Status
from harness.results.store import Attempt, ResultsStore
from harness.sweep import Sweep


class AdaptExecution:
    """One run on its way from the plan to the tables.

    Raises:
        UsageError: the run was begun with another model, and two would be mixed.
    """

    def __init__(
        self,
        run: AdaptRun,
        attempt: Attempt,
        store: ResultsStore,
        sweep: Sweep,
        source: Classifier,
        identity: ModelIdentity,
    ) -> None:
        self.run = run
        self.run_id = attempt.run_id
        self.source = source
        """The source model, which nothing changes."""
        self._attempt = attempt
        self._journal = attempt.journal
        self._store = store
        self._identity = identity
        self.past = AdaptPast.read(attempt.journal)
        """What is there."""
        self.checkpoints = Checkpoints(store.artifacts(self.run_id) / "checkpoints")
        """Saved states."""
        self._began = begin(run, attempt, self.past, store, sweep, identity)

    def play(self, say: Say, on_sample: OnSample, stop: threading.Event) -> None:
        """Adapt to what remains of the stream.

        What the method breaks becomes ``failed`` rows, what the machine breaks ``error`` rows.

        Raises:
            CancelledError: `stop` was set; what is done is kept.
            UsageError: the model or the data do not fit the method.
            StorageError: results can no longer be written.
        """
        if len(self.past.finished) == self.run.n_samples and self.past.counted:
            return
        work = Work(self, say, on_sample, stop)
        try:
            work.do()
        except StorageError:
            raise
        except InfrastructureError as error:
            work.close(Status.ERROR, type(error).__name__, str(error))
        except Exception as error:  # noqa: BLE001 - the one place that turns it into rows
            work.close(*blame(error, "take a smaller -T batch_size"))

    def publish(self) -> dict[str, Any]:
        """Write the tables; returns the run's row."""
        self._store.write_tables(self.run_id, self.run.spec.task, self._records())
        row = self._row()
        if row["status"] == RunStatus.COMPLETE:
            # Before the row, which ends all interest in the run: a kill leaves no states behind.
            self.checkpoints.clear()
        self._store.commit(row, self._journal)
        return row

    def keep(self, record: SampleRecord) -> None:
        """Journal an image."""
        offset = self._journal.append({"kind": "sample", "record": record.as_json()})
        self.past.keep(record, offset)

    def keep_stats(self, stats: Mapping[str, float], *, final: bool = False) -> None:
        """Journal what the method did so far, or finally."""
        self.past.stats = {**stats, "peak_memory_bytes": float(memory.peak_bytes())}
        self.past.counted = final
        self._journal.append({"kind": "stats", "stats": self.past.stats, "final": final})

    def _axes(self) -> dict[str, Any]:
        """How the method works with the stream, as far as no option of the task says it."""
        method, _ = open_method(self.run.method)
        return {"order": method.order, "adapts": method.adapts}

    def _records(self) -> Iterator[SampleRecord]:
        """Rows in the order of the stream, one at a time out of the journal."""
        for stage in self.run.stages:
            for picture in stage.pictures:
                key = (picture.sample_id, picture.repeat, stage.checkpoint)
                if key in self.past.kept:
                    found = self._journal.record_at(self.past.kept[key].offset)
                    yield SampleRecord.read(found["record"])

    def _row(self) -> dict[str, Any]:
        count = Counter(one.status for one in self.past.kept.values())
        summary = self.run.task.summarise(self._records())
        work = {name: self.past.stats.get(f"images_{name}") for name in ("forward", "backward")}
        done = count[Status.OK] + count[Status.FAILED]
        each = {f"{k}s_per_image": v / done for k, v in work.items() if v is not None and done}
        metrics = {**summary.metrics, **self.past.stats, **each}
        row = row_of(
            *(self.run, self._attempt, self.past, self._identity, count, metrics, self._began)
        )
        return {
            **row,
            "protocol_settings": json.dumps(
                {**self._axes(), "missing": dict(summary.missing)}, sort_keys=True
            ),
        }
