"""Schema version 1 of the result tables, and the records that become their rows.

Only nullable columns are ever added; a golden file in the tests pins what exists. Free-form values
are JSON in a string column. Strings are plain, because dictionary columns cannot be grouped across
files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA_VERSION = 1


class Status(StrEnum):
    """What became of a sample."""

    OK = "ok"
    INVALID = "invalid"
    """The data made it unanswerable: permanent, counted, the run is complete."""
    FAILED = "failed"
    """The method broke: the worst score, with the reason."""
    ERROR = "error"
    """The infrastructure broke: the run is incomplete, the next one tries again."""


class RunStatus(StrEnum):
    """What became of a run."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    RUNNING = "running"
    INTERRUPTED = "interrupted"


class Scored(Protocol):
    """What displays need of a sample."""

    @property
    def status(self) -> Status:
        """What became of it."""
        ...

    @property
    def score(self) -> float | None:
        """Its primary metric."""
        ...


@dataclass(frozen=True)
class SampleRecord:
    """One finished sample: its row, its trace, and what it did to the memory."""

    sample_id: str
    sample_hash: str
    source_id: str
    stream_id: str
    step: int
    group: str
    status: Status
    score: float | None
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    attempt: int = 1
    repeat: int = 0
    checkpoint: str = ""
    error_type: str = ""
    error: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    latency_s: float = 0.0
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])
    trace: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """``calls``, ``trajectory``, ``context`` and ``output``: the texts; ``feedback``: what the
    memory was told; ``world_hash``: of all that the world told and showed."""
    memory: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """``added``, ``changed``, ``removed``, ``read``, ``pruned`` and ``fingerprint``."""

    @property
    def is_probe(self) -> bool:
        """Whether it asks a frozen memory and is no part of the run's score."""
        return self.checkpoint.startswith(PROBE)

    @property
    def key(self) -> str:
        """What tells it from the other samples of its run."""
        return sample_key(self.sample_id, self.repeat, self.checkpoint)

    def as_json(self) -> dict[str, Any]:
        """The record as plain values; every field already holds nothing else."""
        return dict(vars(self))

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> SampleRecord:
        """Rebuild a record from its JSON."""
        known: dict[str, Any] = dict(fields)
        known["status"] = Status(known["status"])
        return cls(**known)


PROBE = "after-"
"""What the names of a stream's checkpoints begin with."""


def sample_key(sample_id: str, repeat: int = 0, checkpoint: str = "") -> str:
    """What tells a sample from the others of its run."""
    return f"{sample_id}#{repeat}@{checkpoint}" if repeat or checkpoint else sample_id


@dataclass(frozen=True)
class Tables:
    """The schemas of the published tables."""

    runs: pa.Schema
    samples: pa.Schema
    traces: pa.Schema
    memory: pa.Schema
    checkpoints: pa.Schema


@cache
def tables() -> Tables:
    """Build the schemas; pyarrow is imported on first use."""
    import pyarrow as pa

    text, count, number = pa.string(), pa.int64(), pa.float64()
    metrics, time = pa.map_(text, number), pa.timestamp("us", tz="UTC")
    keys = [("run_id", text), ("sample_id", text), ("repeat", pa.int32()), ("checkpoint", text)]
    place = [("stream_id", text), ("step", pa.int32())]
    runs = [
        *[(name, text) for name in ("run_id", "work_key", "code_hash")],
        ("schema_version", pa.int32()),
        *[(name, text) for name in ("protocol", "task", "task_version", "subset", "task_options")],
        *[(name, text) for name in ("method", "method_parts", "model", "model_id")],
        *[(name, text) for name in ("model_revision", "engine", "engine_version", "embedder")],
        ("embedder_revision", text),
        *[(name, text) for name in ("sampling", "order")],
        *[(f"{name}_seed", count) for name in ("data", "order", "sample", "train")],
        *[(name, text) for name in ("data", "content_hash")],
        ("sample_limit", count),
        *[(f"n_{name}", count) for name in ("planned", "done", "failed", "invalid", "error")],
        *[("status", text), ("started_at", time), ("finished_at", time), ("wall_s", number)],
        *[("input_tokens", count), ("output_tokens", count), ("cost", number)],
        *[("versions", text), ("commit", text), ("dirty", pa.bool_()), ("platform", text)],
        *[("argv", text), ("metrics", metrics), ("reference_run_id", text)],
        *[("engine_settings", text), ("engine_options", text), ("batch_invariant", pa.bool_())],
        *[("paid_input_tokens", count), ("paid_output_tokens", count), ("rescored_from", text)],
        ("method_code_hash", text),
        ("protocol_settings", text),
        ("machine", text),
    ]
    samples = [
        *keys,
        *[("sample_hash", text), ("source_id", text), *place, ("group", text)],
        *[("attempt", pa.int32()), ("score", number), ("metrics", metrics)],
        *[("status", text), ("error_type", text), ("error", text)],
        *[("input_tokens", count), ("output_tokens", count), ("latency_s", number)],
        ("extra", text),
    ]
    traces = [*keys, *place, ("attempt", pa.int32())]
    traces += [("calls", text), ("trajectory", text), ("context", text), ("output", text)]
    traces += [("feedback", text), ("world_hash", text)]
    memory = [
        *[("run_id", text), *place, ("sample_id", text), ("op", text), ("entry_id", text)],
        *[("text", text), ("key", text), ("meta", text), ("written_by", text)],
        *[("written_step", pa.int32()), ("similarity", number), ("fingerprint", text)],
    ]
    checkpoints = [
        *[("run_id", text), ("checkpoint", text), ("request", pa.int32()), ("step", pa.int32())],
        *[("seconds", number), ("peak_memory_bytes", count), ("metrics", metrics)],
        ("missing", text),
    ]
    every = (runs, samples, traces, memory, checkpoints)
    return Tables(*(pa.schema(columns) for columns in every))
