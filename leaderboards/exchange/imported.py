"""Runs of other harnesses as runs of this one: complete, with their samples and texts.

A reader (`lm_eval`, `inspect_log`) turns a log into `ImportedRun`; `keep` publishes it. The work
key is the hash of the log, so importing a log again changes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.results.provenance import of_this_process
from harness.results.schema import SCHEMA_VERSION, RunStatus, SampleRecord, Status
from harness.results.store import ResultsStore, RunSummary

PROTOCOL = "imported"


@dataclass(frozen=True)
class ImportedRun:
    """A run as another harness logged it.

    Attributes:
        source: the tool, such as ``lm-eval``.
        version: of the tool.
        fingerprint: hash of what was read.
        task: name of its task.
        subset: part of the task, empty for none.
        method: what the run is called among methods.
        model: the model, as the tool names it.
        model_revision: empty where it is not known.
        task_version: as the tool says.
        started_at: when it began.
        sampling: how the model was asked, as the tool says.
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
    model: str
    model_revision: str
    task_version: str
    started_at: datetime | None
    sampling: Mapping[str, Any]
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
    names = json.dumps([run.task, run.subset, run.method])
    key = f"imported-{hashlib.sha256((run.fingerprint + names).encode()).hexdigest()[:32]}"
    claimed = store.claim(key, run.source, fresh=False)
    scores = [one.score for one in run.samples if one.score is not None]
    score = sum(scores) / len(scores) if scores else None
    told = Kept(
        "", run.task, run.method, run.model, len(run.samples), score, new=False, notes=run.notes
    )
    if isinstance(claimed, RunSummary):
        return replace(told, run_id=claimed.run_id)
    try:
        store.write_tables(claimed.run_id, run.task, run.samples)
        store.commit(_row(run, claimed.run_id, key, score), claimed.journal)
    finally:
        claimed.journal.close()
    return replace(told, run_id=claimed.run_id, new=True)


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
        "task_options": "{}",
        "method": run.method,
        "method_parts": json.dumps([{"name": run.method}]),
        "model": run.model,
        "model_id": run.model,
        "model_revision": run.model_revision,
        "engine": run.source,
        "engine_version": run.version,
        "embedder": "",
        "sampling": json.dumps(dict(run.sampling), sort_keys=True),
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


def read_bytes(path: Path) -> bytes:
    """The bytes of a log.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path} ({error.strerror}).") from error


def read_json(path: Path, content: bytes) -> dict[str, Any]:
    """A log that is one JSON object.

    Raises:
        UsageError: it is none.
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no JSON ({error}).") from error
    if not isinstance(found, dict):
        raise UsageError(f"{path} holds no JSON object; name a log of the tool.")
    return found


def number_of(value: Any) -> float | None:
    """A number or truth value as a float; None for anything else, and for NaN and infinity."""
    if isinstance(value, bool | int | float) and abs(float(value)) < float("inf"):
        return float(value)
    return None
