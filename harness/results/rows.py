"""Rows of the published tables, made from records."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from harness.results.schema import SampleRecord


def _keys(run_id: str, one: SampleRecord) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "sample_id": one.sample_id,
        "repeat": one.repeat,
        "checkpoint": one.checkpoint,
        "stream_id": one.stream_id,
        "step": one.step,
        "attempt": one.attempt,
    }


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value)) if value else "{}"


def sample_row(run_id: str, one: SampleRecord) -> dict[str, Any]:
    """The row of the samples table."""
    return {
        **_keys(run_id, one),
        "sample_hash": one.sample_hash,
        "source_id": one.source_id,
        "group": one.group,
        "score": one.score,
        "metrics": list(one.metrics.items()),
        "status": str(one.status),
        "error_type": one.error_type,
        "error": one.error,
        "input_tokens": one.input_tokens,
        "output_tokens": one.output_tokens,
        "latency_s": one.latency_s,
        "extra": _json(one.extra),
    }


def trace_row(run_id: str, one: SampleRecord) -> dict[str, Any]:
    """The row of the traces table: the texts."""
    trace = one.trace
    return {
        **_keys(run_id, one),
        "calls": json.dumps(trace.get("calls", [])),
        "trajectory": json.dumps(trace.get("trajectory", [])),
        "context": _json(trace.get("context", {})),
        "output": trace.get("output", ""),
        "feedback": json.dumps(trace["feedback"]) if trace.get("feedback") else None,
        "world_hash": trace.get("world_hash") or None,
    }


def memory_rows(run_id: str, one: SampleRecord) -> Iterator[dict[str, Any]]:
    """A row for each entry that a sample added, changed, read, pruned or removed."""
    place = {
        "run_id": run_id,
        "stream_id": one.stream_id,
        "step": one.step,
        "sample_id": one.sample_id,
        "fingerprint": one.memory.get("fingerprint", ""),
    }
    for operation in ("added", "changed"):
        for entry in one.memory.get(operation, ()):
            yield {
                **place,
                "op": operation,
                "entry_id": entry["id"],
                "text": entry["text"],
                "key": entry["key"],
                "meta": json.dumps(entry["meta"]),
                "written_by": entry["sample_id"],
                "written_step": entry["step"],
            }
    for entry_id, similarity in one.memory.get("read", ()):
        yield {**place, "op": "read", "entry_id": entry_id, "similarity": similarity}
    for operation in ("pruned", "removed"):
        for entry_id in one.memory.get(operation, ()):
            yield {**place, "op": operation, "entry_id": entry_id}


def whole_text(row: dict[str, Any]) -> dict[str, Any]:
    """The same row with half surrogate pairs replaced."""
    return {
        name: value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if isinstance(value, str)
        else value
        for name, value in row.items()
    }
