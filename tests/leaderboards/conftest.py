from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from harness.results.schema import SCHEMA_VERSION, SampleRecord, Status
from harness.results.store import Attempt, ResultsStore

WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Results:
    """A results folder with made-up runs, written by the store itself."""

    def __init__(self, root):
        self.store = ResultsStore(root)
        self.root = root
        self.count = 0

    def run(self, method, streams, *, hashes="", metrics=None, memory=None, more=(), **row):
        """Publish a run; ``streams`` maps a stream to its scores (or statuses), by step.

        ``more`` are further records, such as probes, which are no planned samples.
        """
        self.store.prepare()
        sources = row.pop("sources", {})
        records = [
            self.record(stream, step, outcome, hashes, (metrics or {}), memory or {})
            for stream, outcomes in streams.items()
            for step, outcome in enumerate(outcomes)
        ]
        records = [
            replace(one, source_id=sources.get(one.sample_id, one.source_id)) for one in records
        ]
        records += more
        seed = row.get("sample_seed", 0)
        told = ("subset", "order", "embedder", "task_options")
        setting = "/".join(str(row.get(name, "")) for name in told)
        key = row.pop("work_key", f"v1-{method}-{seed}-{setting}")
        of_run = row.pop("metrics_of_run", [])
        attempt = self.store.claim(key, "code", fresh=True)
        assert isinstance(attempt, Attempt)
        # ULIDs of one millisecond sort at random; the tests need "newest" to be certain
        attempt.journal.delete()
        self.count += 1
        run_id = f"01RUN{self.count:021d}"
        journal = type(attempt.journal)(self.root / "journal" / f"{run_id}.jsonl")
        statuses = [record.status for record in records]
        errors = statuses.count(Status.ERROR)
        values = {
            "run_id": run_id,
            "work_key": key,
            "code_hash": "code",
            "schema_version": SCHEMA_VERSION,
            "protocol": "stream",
            "task": "evo-memory",
            "task_version": "1",
            "subset": "babyai",
            "task_options": "{}",
            "method": method,
            "method_parts": json.dumps([{"name": method}]),
            "model": "smollm2",
            "model_id": "org/smollm2",
            "model_revision": "abc",
            "embedder": "",
            "sampling": "{}",
            "order": "native",
            "data_seed": 0,
            "sample_seed": 0,
            "content_hash": "content",
            "n_planned": sum(not one.is_probe for one in records),
            "n_done": sum(not one.is_probe for one in records) - errors,
            "n_error": errors,
            "status": "incomplete" if errors else "complete",
            "started_at": WHEN,
            "finished_at": WHEN,
            "metrics": of_run,
            **row,
        }
        self.store.write_tables(run_id, values["task"], records)
        self.store.commit(values, journal)
        journal.close()
        return run_id

    def record(self, stream, step, outcome, hashes, metrics, memory):
        status = outcome if isinstance(outcome, Status) else Status.OK
        score = {Status.OK: outcome, Status.FAILED: 0.0}.get(status)
        sample_id = f"{stream}/{step}"
        values = {name: value for name, value in metrics.items() if not callable(value)}
        values |= {name: value(step) for name, value in metrics.items() if callable(value)}
        if score is not None:
            values = {"success": float(score == 1), "steps": 1.0, **values}
        return SampleRecord(
            sample_id=sample_id,
            sample_hash=f"hash-{sample_id}{hashes if step == 0 else ''}",
            source_id=sample_id,
            stream_id=stream,
            step=step,
            group="",
            status=status,
            score=score,
            metrics=values,
            input_tokens=100,
            output_tokens=10,
            latency_s=0.5,
            memory=memory,
        )


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path / "results")
