"""Records of a task whose texts may not be published: hashes, numbers and the read answer stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness.data import content_hash
from harness.results.schema import SampleRecord

_OF_A_CALL = (
    *("phase", "input_tokens", "output_tokens", "latency_s"),
    *("finish_reason", "truncated", "cached"),
)


def without_texts(record: SampleRecord) -> SampleRecord:
    """The same sample without anything that was shown, said or remembered in words."""
    trace, memory = record.trace, record.memory
    context: Mapping[str, Any] = trace.get("context", {})
    feedback: Mapping[str, Any] | None = trace.get("feedback")
    return replace(
        record,
        error=record.error_type,
        trace={
            "calls": [{k: call[k] for k in _OF_A_CALL if k in call} for call in trace["calls"]],
            "trajectory": [
                {**turn, "observation": "", "action": ""} for turn in trace["trajectory"]
            ],
            "context": {"items": [{**hit, "text": ""} for hit in context["items"]], "text": ""},
            "output": "",
            "feedback": {**feedback, "gold": None} if feedback else None,
            "world_hash": trace.get("world_hash", ""),
        },
        memory={
            name: [_hashed(entry) for entry in value] if name in ("added", "changed") else value
            for name, value in memory.items()
            if name != "lesson"
        },
    )


def _hashed(entry: Mapping[str, Any]) -> dict[str, Any]:
    hashes = {name: f"hash {content_hash(entry[name])}" for name in ("text", "key")}
    return {**entry, **hashes, "meta": {}}
