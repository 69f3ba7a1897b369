"""What the journal of an edit run says: evaluated probes, and what the steps were like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from harness.results.journal import Journal
from harness.results.schema import SampleRecord, Status

Key = tuple[str, str]
"""Sample id and checkpoint."""


@dataclass
class EditPast:
    """What was done for a run, in this execution and earlier ones of the same attempt."""

    records: dict[Key, SampleRecord] = field(default_factory=dict[Key, SampleRecord])
    """The last try of each."""
    steps: dict[tuple[int, int], dict[str, float]] = field(
        default_factory=dict[tuple[int, int], dict[str, float]]
    )
    """Reports by request and step."""
    peak_memory_bytes: int = 0
    started_at: str = ""
    engine: list[list[str]] = field(default_factory=list[list[str]])

    @classmethod
    def read(cls, journal: Journal) -> Self:
        """Read a journal from its beginning."""
        past = cls()
        for _, record in journal.records():
            if record["kind"] == "run":
                past.started_at = record["summary"]["started_at"]
            elif record["kind"] == "engine":
                past.engine = record["engine"]
            elif record["kind"] == "sample":
                past.keep(SampleRecord.read(record["record"]))
            elif record["kind"] == "steps":
                past.keep_steps(record)
        return past

    @property
    def finished(self) -> dict[Key, SampleRecord]:
        """What need not be evaluated again."""
        return {k: one for k, one in self.records.items() if one.status is not Status.ERROR}

    def keep(self, record: SampleRecord) -> None:
        """Note an evaluated probe."""
        self.records[record.sample_id, record.checkpoint] = record

    def keep_steps(self, record: Mapping[str, Any]) -> None:
        """Note reports of steps; those made again after a kill replace the earlier ones."""
        for step, report in record["reports"]:
            self.steps[record["request"], step] = report
        self.peak_memory_bytes = max(self.peak_memory_bytes, record["peak_memory_bytes"])

    def tries(self, key: Key) -> int:
        """How often a probe was evaluated at a checkpoint."""
        return self.records[key].attempt if key in self.records else 0
