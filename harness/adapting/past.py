"""What the journal of an adapt run says: finished images, and what the method had done by then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from harness.results.journal import Journal
from harness.results.schema import SampleRecord, Status

Key = tuple[str, int, str]
"""Sample id, repeat and checkpoint."""


def key_of(record: SampleRecord) -> Key:
    """What tells a row of a run from others."""
    return (record.sample_id, record.repeat, record.checkpoint)


class Kept(NamedTuple):
    """What is remembered of a row."""

    status: Status
    score: float | None
    offset: int
    """Where it stands in the journal."""


@dataclass
class AdaptPast:
    """What was done for a run, in this execution and earlier ones of the same attempt."""

    kept: dict[Key, Kept] = field(default_factory=dict[Key, Kept])
    """The last try of each image."""
    stats: Mapping[str, float] = field(default_factory=dict[str, float])
    """What the method counted, up to the last time it told."""
    counted: bool = False
    """Whether that was at the end of the stream."""
    started_at: str = ""
    engine: list[list[str]] = field(default_factory=list[list[str]])

    @classmethod
    def read(cls, journal: Journal) -> Self:
        """Read a journal from its beginning."""
        past = cls()
        for offset, record in journal.records():
            if record["kind"] == "run":
                past.started_at = record["summary"]["started_at"]
            elif record["kind"] == "engine":
                past.engine = record["engine"]
            elif record["kind"] == "sample":
                past.keep(SampleRecord.read(record["record"]), offset)
            elif record["kind"] == "stats":
                past.stats, past.counted = record["stats"], record["final"]
        return past

    def is_finished(self, key: Key) -> bool:
        """Whether an image need not be computed again."""
        return key in self.kept and self.kept[key].status is not Status.ERROR

    @property
    def finished(self) -> list[Kept]:
        """What need not be computed again."""
        return [one for one in self.kept.values() if one.status is not Status.ERROR]

    def keep(self, record: SampleRecord, offset: int) -> None:
        """Note an image; its row stays in the journal."""
        self.kept[key_of(record)] = Kept(record.status, record.score, offset)
