"""Runs of other harnesses as runs of this one: complete, with their samples and texts.

A reader (`lm_eval`, `inspect_log`) turns a log into `ImportedRun`; `keep` publishes it. The work
key is the hash of all that was read, so importing a log again changes nothing. The run's id tells
the time at which it began, so that the newest of equal work is the one that was made last, in
whatever order logs are imported.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from harness.results.provenance import of_this_process
from harness.results.schema import SCHEMA_VERSION, RunStatus, SampleRecord, Status
from harness.results.store import ResultsStore, RunSummary, ulid

PROTOCOL = "imported"


@dataclass(frozen=True)
class ImportedRun:
    """A run as another harness logged it.

    Attributes:
        source: the tool, such as ``lm-eval``.
        version: of the tool.
        fingerprint: hash of the samples as they were read.
        task: name of its task.
        subset: part of the task, empty for none.
        method: what the run is called among methods.
        metric: the tool's metric that is the score.
        model: the model, as the tool names it.
        model_revision: empty where it is not known.
        task_version: as the tool says.
        started_at: when it began.
        sampling: how the model was loaded and asked, as the tool says.
        task_options: of the task, as the tool says.
        metrics: figures of the run as a whole, as the tool computed them.
        samples: every sample.
        notes: what a user has to know, as sentences.
    """

    source: str
    version: str
    fingerprint: str
    task: str
    subset: str
    method: str
    metric: str
    model: str
    model_revision: str
    task_version: str
    started_at: datetime | None
    sampling: Mapping[str, Any]
    task_options: Mapping[str, Any]
    metrics: Mapping[str, float]
    samples: Sequence[SampleRecord]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kept:
    """What became of an imported run."""

    run_id: str
    task: str
    method: str
    model: str
    n: int
    score: float | None
    new: bool
    notes: tuple[str, ...]


def keep(run: ImportedRun, store: ResultsStore) -> Kept:
    """Publish an imported run, unless it is there already.

    Raises:
        ResultsError: the results folder cannot be written.
    """
    store.prepare()
    key = _work_key(run)
    claimed = store.claim(key, run.source, fresh=False)
    scores = [one.score for one in run.samples if one.score is not None]
    score = sum(scores) / len(scores) if scores else None
    told = Kept(
        "", run.task, run.method, run.model, len(run.samples), score, new=False, notes=run.notes
    )
    if isinstance(claimed, RunSummary):
        return replace(told, run_id=claimed.run_id)
    try:
        run_id = claimed.run_id if run.started_at is None else _run_id(run.started_at, key)
        row = _row(run, run_id, key, score)
        store.write_tables(run_id, run.task, run.samples)
        store.commit(row, claimed.journal)
    finally:
        claimed.journal.close()
    notes = (*run.notes, *_replacement(row, store))
    return replace(told, run_id=run_id, new=True, notes=notes)


def _work_key(run: ImportedRun) -> str:
    """The hash of all that makes a run another one."""
    parts = [run.fingerprint, run.source, run.version, run.task, run.subset, run.method, run.metric]
    parts += [run.model, run.model_revision, run.task_version, _json(run.sampling)]
    parts += [_json(run.task_options), str(run.started_at)]
    return f"imported-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]}"


def _run_id(began: datetime, key: str) -> str:
    """A ULID of the time at which a run began; what is random in others is the hash of its key."""
    bits = int.from_bytes(hashlib.sha256(key.encode()).digest()[:10], "big")
    return ulid(int(began.timestamp() * 1000), bits)


_SAME_WORK = (
    *("task", "task_version", "task_options", "subset", "method", "model_id", "model_revision"),
    *("sampling", "content_hash"),
)
"""Columns of equal work, of which boards and comparisons take the newest."""


def _replacement(row: Mapping[str, Any], store: ResultsStore) -> Iterator[str]:
    equal = [
        str(one["run_id"])
        for one in store.rows()
        if all(one[name] == row[name] for name in _SAME_WORK) and one["run_id"] != row["run_id"]
    ]
    newest = max(equal, default="")
    if newest > row["run_id"]:
        yield f"run {newest} is of equal work and began later: boards take that one."
    elif newest:
        yield f"it replaces run {newest} on boards, which is of equal work and began earlier."


def _row(run: ImportedRun, run_id: str, key: str, score: float | None) -> dict[str, Any]:
    count = Counter(one.status for one in run.samples)
    content = hashlib.sha256()
    for one in sorted(run.samples, key=lambda sample: (sample.sample_id, sample.repeat)):
        content.update(f"{one.sample_id}\x00{one.repeat}\x00{one.sample_hash}\n".encode())
    metrics = dict(run.metrics)
    if score is not None:
        metrics["score"] = score
    return {
        **of_this_process(),
        "run_id": run_id,
        "work_key": key,
        "code_hash": run.source,
        "schema_version": SCHEMA_VERSION,
        "protocol": PROTOCOL,
        "task": run.task,
        "task_version": run.task_version,
        "subset": run.subset,
        "task_options": _json(run.task_options),
        "method": run.method,
        "method_parts": json.dumps([{"name": run.method}]),
        "model": run.model,
        "model_id": run.model,
        "model_revision": run.model_revision,
        "engine": run.source,
        "engine_version": run.version,
        "embedder": "",
        "sampling": _json(run.sampling),
        "order": "native",
        "data_seed": 0,
        "sample_seed": 0,
        "data": "[]",
        "content_hash": content.hexdigest()[:24],
        "n_planned": len(run.samples),
        "n_done": len(run.samples),
        "n_failed": count[Status.FAILED],
        "n_invalid": count[Status.INVALID],
        "n_error": 0,
        "status": RunStatus.COMPLETE,
        "started_at": run.started_at,
        "finished_at": datetime.now(UTC),
        "input_tokens": sum(one.input_tokens for one in run.samples),
        "output_tokens": sum(one.output_tokens for one in run.samples),
        "metrics": list(metrics.items()),
        "engine_settings": "{}",
        "engine_options": "{}",
    }


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(dict(values), sort_keys=True)
