"""What the journal of a run says: which samples are finished, what was answered, what was paid."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from harness.results.journal import Journal
from harness.results.schema import SampleRecord, Status

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Kept:
    """What is remembered of a sample that the journal holds."""

    status: Status
    score: float | None
    stream_id: str
    step: int
    offset: int
    """Where its record stands in the journal."""


@dataclass
class Past:
    """What was done for a run, in this execution and earlier ones of the same attempt."""

    finished: dict[str, Kept] = field(default_factory=dict[str, Kept])
    """By `SampleRecord.key`, as all that is kept of a sample."""
    errors: dict[str, Kept] = field(default_factory=dict[str, Kept])
    """Samples whose last try failed, to be tried again."""
    tries: Counter[str] = field(default_factory=Counter[str])
    answered: dict[str, list[Mapping[str, Any]]] = field(
        default_factory=dict[str, list[Mapping[str, Any]]]
    )
    """Calls of unfinished samples."""
    vectors: dict[str, NDArray[np.float32]] = field(
        default_factory=dict[str, "NDArray[np.float32]"]
    )
    """Bought embeddings by text."""
    paid_input_tokens: int = 0
    paid_output_tokens: int = 0
    started_at: str = ""
    engine: list[list[str]] = field(default_factory=list[list[str]])
    """What the run was begun with."""
    servers: set[str] = field(default_factory=set[str])
    """Addresses that took part."""

    @classmethod
    def read(cls, journal: Journal) -> Self:
        """Read a journal from its beginning."""
        past = cls()
        for offset, record in journal.records():
            if record["kind"] == "run":
                past.started_at = record["summary"]["started_at"]
            elif record["kind"] == "call":
                past.answered.setdefault(record["item"], []).append(record)
                past.pay(record["response"])
            elif record["kind"] == "engine":
                past.engine = record["engine"]
                past.servers.update(record.get("servers", ()))
            elif record["kind"] == "vector":
                past.vectors[record["text"]] = vector_of(record)
            elif record["kind"] == "sample":
                sample = SampleRecord.read(record["record"])
                past.tries[sample.key] += 1
                past.keep(sample, offset)
                if sample.status is not Status.ERROR:
                    past.answered.pop(sample.key, None)
        return past

    def keep(self, record: SampleRecord, offset: int) -> None:
        """Note a sample that was played."""
        kept = Kept(record.status, record.score, record.stream_id, record.step, offset)
        if record.status is Status.ERROR:
            self.errors[record.key] = kept
            return
        self.errors.pop(record.key, None)
        self.finished[record.key] = kept

    def pay(self, response: Mapping[str, Any]) -> None:
        """Count what was computed; an answer out of the cache was not."""
        if not response.get("cached"):
            self.paid_input_tokens += response["input_tokens"]
            self.paid_output_tokens += response["output_tokens"]


def vector_record(text: str, vector: NDArray[np.float32]) -> dict[str, Any]:
    """The journal's record of a bought embedding."""
    data = base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return {"kind": "vector", "text": text, "data": data}


def vector_of(record: Mapping[str, Any]) -> NDArray[np.float32]:
    """The embedding of such a record."""
    import numpy as np

    return np.frombuffer(base64.b64decode(record["data"]), dtype="<f4")
