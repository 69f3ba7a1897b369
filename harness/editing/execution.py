"""One edit run: make the model, edit it, evaluate it at each checkpoint, publish the tables.

All of it is synchronous and runs in a thread of its own. Every evaluated probe is journalled, every
checkpoint's state saved before it is evaluated, so that a killed run goes on from there with the
same minibatches and ends with the same rows.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness import memory
from harness.editing.attacks import beyond_relearned
from harness.editing.past import EditPast
from harness.editing.plan import FINAL, EditRun, Look
from harness.editing.reference import Reference, final_results
from harness.editing.work import OnSample, Say, Serve, Work
from harness.errors import (
    StorageError,
    TaskError,
)
from harness.local_runs import begin, blame, row_of
from harness.models.base import ModelIdentity
from harness.models.causal import CausalLMModel
from harness.protocols.edit.causal import CausalLM
from harness.protocols.edit.method import Diverged
from harness.protocols.edit.task import ProbeResult
from harness.results.checkpoints import Checkpoints
from harness.results.schema import RunStatus, SampleRecord, Status
from harness.results.store import Attempt, ResultsStore
from harness.sweep import Sweep


class EditExecution:
    """One edit run on its way from the plan to the tables.

    Raises:
        UsageError: the run was begun with another model, and two would be mixed.
    """

    def __init__(
        self,
        run: EditRun,
        attempt: Attempt,
        store: ResultsStore,
        sweep: Sweep,
        model: CausalLMModel,
        identity: ModelIdentity,
    ) -> None:
        self.run = run
        self.run_id = attempt.run_id
        self._attempt = attempt
        self._journal = attempt.journal
        self._store = store
        self._sweep = sweep
        self.model = model
        self._identity = identity
        self.past = EditPast.read(attempt.journal)
        """What is there."""
        self.checkpoints = Checkpoints(store.artifacts(self.run_id) / "checkpoints")
        """Saved states."""
        self._began = begin(run, attempt, self.past, store, sweep, identity)

    @property
    def finished(self) -> list[SampleRecord]:
        """Evaluations that need not be made again."""
        return list(self.past.finished.values())

    def play(self, serve: Serve, say: Say, on_sample: OnSample, stop: threading.Event) -> None:
        """Edit and evaluate what remains.

        What the method breaks becomes ``failed`` rows, what the machine breaks ``error`` rows.

        Raises:
            CancelledError: `stop` was set; what is done is kept.
            UsageError: the model, or what the method needs, cannot be had.
            StorageError: results can no longer be written.
        """
        if len(self.past.finished) == self.run.n_samples and not self._lacks_weights():
            return
        work = Work(self, serve, say, on_sample, stop)
        try:
            work.do()
        except TaskError as error:
            work.close(Status.ERROR, type(error.__cause__ or error).__name__, str(error))
        except Diverged as error:
            work.close(Status.FAILED, "Diverged", f"diverged: {error}")
        except Exception as error:  # noqa: BLE001 - the one place that turns it into rows
            work.close(*blame(error, _MORE_MEMORY))

    def publish(self, reference: Reference | None) -> dict[str, Any]:
        """Write the tables; returns the run's row."""
        records = [
            self.past.records[one.sample_id, look.checkpoint]
            for look in self.run.looks
            for one in self.run.probes
            if (one.sample_id, look.checkpoint) in self.past.records
        ]
        self._store.write_tables(self.run_id, self.run.spec.task, records)
        rows = list(self._trajectory(reference))
        self._store.write_checkpoints(self.run_id, rows)
        row = self._row(records, next((one for one in rows if one["checkpoint"] == FINAL), {}))
        row["reference_run_id"] = None if reference is None else reference.run_id
        if row["status"] == RunStatus.COMPLETE:
            # Before the row, which ends all interest in the run: a kill leaves no states behind.
            self.checkpoints.clear()
        self._store.commit(row, self._journal)
        return row

    def results(self, look: Look) -> list[ProbeResult] | None:
        """What an evaluation found; None while something of it is missing."""
        return final_results(
            self.run.probes,
            (
                record
                for (_, checkpoint), record in self.past.finished.items()
                if checkpoint == look.checkpoint
            ),
        )

    def _trajectory(self, reference: Reference | None) -> Iterator[dict[str, Any]]:
        """A row for each evaluation: aggregates, and what the edit took until then."""
        task, own = self.run.task, self.run.method.left.type.loads_retrained
        last = task.requests(self.run.seed)[-1]
        for look in self.run.looks:
            rows = self.results(look)
            if rows is None:
                continue
            others = rows if own else [] if reference is None else reference.rows
            chosen, compared = (
                beyond_relearned(one, look.checkpoint, last, self.run.seed)
                for one in (rows, others)
            )
            aggregates = task.aggregate(chosen, compared or None)
            made = [
                report
                for (request, step), report in sorted(self.past.steps.items())
                if (request, step) <= (look.request, look.step)
            ]
            metrics = {**_means(made), **aggregates.metrics}
            yield {
                "run_id": self.run_id,
                "checkpoint": look.checkpoint,
                "request": look.request,
                "step": look.step,
                "seconds": sum(one.get("seconds", 0.0) for one in made),
                "peak_memory_bytes": self.past.peak_memory_bytes or None,
                "metrics": list(metrics.items()),
                "missing": json.dumps(dict(aggregates.missing)),
            }

    def _row(self, records: Sequence[SampleRecord], last: Mapping[str, Any]) -> dict[str, Any]:
        metrics = dict(last.get("metrics", ()))
        if self.past.peak_memory_bytes:
            metrics["peak_memory_bytes"] = float(self.past.peak_memory_bytes)
        count = Counter(one.status for one in records)
        return row_of(
            *(self.run, self._attempt, self.past, self._identity, count, metrics, self._began)
        )

    def keep(self, record: SampleRecord) -> None:
        """Journal an evaluated probe."""
        self._journal.append({"kind": "sample", "record": record.as_json()})
        self.past.keep(record)

    def keep_steps(self, request: int, reports: list[tuple[int, Mapping[str, float]]]) -> None:
        """Journal what steps were like."""
        if not reports:
            return
        record = {
            "kind": "steps",
            "request": request,
            "reports": [[step, dict(report)] for step, report in reports],
            "peak_memory_bytes": memory.peak_bytes(),
        }
        self._journal.append(record)
        self.past.keep_steps(record)

    def keep_weights(self, model: CausalLM) -> None:
        """Keep edited weights, whole or not at all, where the task's options ask for them."""
        folder = self._weights_folder
        if not self.run.task.options.keep_weights or not model.savable or folder.is_dir():
            return
        fresh = folder.with_name(f".{folder.name}")
        try:
            shutil.rmtree(fresh, ignore_errors=True)
            model.save(fresh)
            os.replace(fresh, folder)
        except OSError as error:
            shutil.rmtree(fresh, ignore_errors=True)
            raise StorageError(
                f"cannot keep the edited weights in {folder} ({error}); make room and run the "
                "same command again, or leave out -T keep_weights."
            ) from error

    def _lacks_weights(self) -> bool:
        """Whether an edit that went well was stopped before its weights were kept."""
        failed = any(one.status is Status.FAILED for one in self.past.finished.values())
        wanted = self.run.task.options.keep_weights and not self.run.method.left.type.combines
        return wanted and not failed and not self._weights_folder.is_dir()

    @property
    def _weights_folder(self) -> Path:
        return self._store.artifacts(self.run_id) / "model"


_MORE_MEMORY = (
    "take a smaller -T batch_size, lora_rank=8, or --model-arg gradient_checkpointing=true,"
)


def _means(reports: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Means over the steps, of what says how the edit went; none where one is no number."""
    found = dict[str, float]()
    for name in {name for one in reports for name in one}:
        values = [one[name] for one in reports if name in one]
        if all(map(math.isfinite, values)):
            found[f"step_{name}"] = sum(values) / len(values)
    return dict(sorted(found.items()))
