"""What a run did to its memories, read back from its memory table.

Rows of `ResultsStore.memory` come in (one for each entry added, changed, removed, read or pruned),
frozen dataclasses go out: a memory's state after a step, the difference of two states, a timeline,
and where each entry came from. A step at which nothing happened to the memory has no rows. Entries
that a memory held before its first step are in no row either: they are known only by being read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.errors import UnknownName, UsageError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class MemoryEntry:
    """One entry as the memory held it.

    Attributes:
        id: unique in its memory.
        text: what a prompt shows.
        key: what a search compares with the query.
        meta: whatever else the memory keeps with it.
        written_by: the sample it comes from, as the memory says.
        written_step: the step it comes from, likewise.
    """

    id: str
    text: str
    key: str
    meta: Mapping[str, Any]
    written_by: str
    written_step: int | None


@dataclass(frozen=True)
class MemoryDiff:
    """How a memory's state after step `b` differs from the one after step `a`."""

    added: tuple[MemoryEntry, ...]
    changed: tuple[tuple[MemoryEntry, MemoryEntry], ...]
    """(before, after) of each entry that both states have."""
    removed: tuple[MemoryEntry, ...]
    """As they were after step `a`."""


@dataclass(frozen=True)
class MemoryStep:
    """What happened at one step, by entry id."""

    step: int
    sample_id: str
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    read: tuple[str, ...]
    pruned: tuple[str, ...]
    size: int
    """Entries after the step, of those written since the first."""


@dataclass(frozen=True)
class Touch:
    """A sample that did something to an entry."""

    step: int
    sample_id: str
    similarity: float | None = None
    """Of the entry to the sample's query, where it was read by a similarity search."""


@dataclass(frozen=True)
class Provenance:
    """The life of an entry.

    Attributes:
        entry_id: the entry.
        written: by which sample at which step; None if it was there from the start.
        changed: by which samples it was rewritten (added again after a removal counts).
        removed: by which samples it was removed.
        read: by which samples it was shown.
        pruned: by which samples it was shown and judged to be of no use.
    """

    entry_id: str
    written: Touch | None
    changed: tuple[Touch, ...] = ()
    removed: tuple[Touch, ...] = ()
    read: tuple[Touch, ...] = ()
    pruned: tuple[Touch, ...] = ()


def streams(rows: pd.DataFrame) -> list[str]:
    """The streams whose memory has rows, sorted."""
    return sorted(set(rows["stream_id"].tolist()))


def state_at(
    rows: pd.DataFrame, stream_id: str, step: int, *, last_step: int | None = None
) -> tuple[MemoryEntry, ...]:
    """The entries of a memory after a step.

    Args:
        rows: the memory table of a run.
        stream_id: the stream.
        step: position in the stream, from 0.
        last_step: the stream's last step where the caller knows it; else the last one with rows.

    Raises:
        UnknownName: the stream has no rows.
        UsageError: the step is outside the stream.
    """
    records = _of_stream(rows, stream_id)
    return tuple(_state(records, stream_id, step, last_step).values())


def diff(
    rows: pd.DataFrame, stream_id: str, a: int, b: int, *, last_step: int | None = None
) -> MemoryDiff:
    """Compare the states of a memory after two steps.

    Args:
        rows: the memory table of a run.
        stream_id: the stream.
        a: the step compared with.
        b: the step compared; usually the later one.
        last_step: the stream's last step where the caller knows it; else the last one with rows.

    Raises:
        UnknownName: the stream has no rows.
        UsageError: a step is outside the stream.
    """
    records = _of_stream(rows, stream_id)
    before = _state(records, stream_id, a, last_step)
    after = _state(records, stream_id, b, last_step)
    return MemoryDiff(
        added=tuple(entry for key, entry in after.items() if key not in before),
        changed=tuple(
            (before[key], entry)
            for key, entry in after.items()
            if key in before and before[key] != entry
        ),
        removed=tuple(entry for key, entry in before.items() if key not in after),
    )


def timeline(rows: pd.DataFrame, stream_id: str) -> tuple[MemoryStep, ...]:
    """What happened at each step that has rows, in order.

    Raises:
        UnknownName: the stream has no rows.
    """
    records = _of_stream(rows, stream_id)
    by_step = dict[int, list[_Record]]()
    for one in records:
        by_step.setdefault(one.step, []).append(one)
    state, steps = dict[str, MemoryEntry](), list[MemoryStep]()
    for step, group in by_step.items():
        state = _apply(state, group)
        ids = {op: tuple(one.entry_id for one in group if one.op == op) for op in _OPERATIONS}
        steps.append(MemoryStep(step, group[0].sample_id, **ids, size=len(state)))
    return tuple(steps)


def provenance(rows: pd.DataFrame, stream_id: str) -> tuple[Provenance, ...]:
    """The life of each entry that was ever written or read, in the order of first appearance.

    Raises:
        UnknownName: the stream has no rows.
    """
    lives = dict[str, _Life]()
    for one in _of_stream(rows, stream_id):
        life = lives.setdefault(one.entry_id, _Life())
        touch = Touch(one.step, one.sample_id, one.similarity)
        if one.op == "added" and life.written is None and not life.touches:
            life.written = touch
        else:
            life.touches.setdefault("changed" if one.op == "added" else one.op, []).append(touch)
    return tuple(life.frozen(entry_id) for entry_id, life in lives.items())


_OPERATIONS = ("added", "changed", "removed", "read", "pruned")


@dataclass(frozen=True)
class _Record:
    """One row; `entry` where the row holds the entry's content."""

    step: int
    sample_id: str
    op: str
    entry_id: str
    similarity: float | None
    entry: MemoryEntry | None


@dataclass
class _Life:
    written: Touch | None = None
    touches: dict[str, list[Touch]] = field(default_factory=dict[str, list[Touch]])

    def frozen(self, entry_id: str) -> Provenance:
        touches = {op: tuple(self.touches.get(op, ())) for op in _OPERATIONS[1:]}
        return Provenance(entry_id, self.written, **touches)


def _of_stream(rows: pd.DataFrame, stream_id: str) -> list[_Record]:
    """The records of a stream by step; within a step as they were written."""
    known = streams(rows)
    if not known:
        raise UsageError("this run wrote nothing to a memory and read nothing from one.")
    if stream_id not in known:
        raise UnknownName("stream", stream_id, known)
    own = [row for row in rows.to_dict("records") if row["stream_id"] == stream_id]
    return sorted((_record(row) for row in own), key=lambda one: one.step)


def _record(row: Mapping[str, Any]) -> _Record:
    return _Record(
        step=int(row["step"]),
        sample_id=row["sample_id"],
        op=row["op"],
        entry_id=row["entry_id"],
        similarity=_number(row["similarity"]),
        entry=_entry(row) if row["op"] in ("added", "changed") else None,
    )


def _entry(row: Mapping[str, Any]) -> MemoryEntry:
    written_step = _number(row["written_step"])
    return MemoryEntry(
        id=row["entry_id"],
        text=row["text"],
        key=row["key"],
        meta=json.loads(row["meta"]),
        written_by=row["written_by"],
        written_step=None if written_step is None else int(written_step),
    )


def _number(value: Any) -> float | None:
    """A number, or None for what pandas writes where there is none."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _state(
    records: Sequence[_Record], stream_id: str, step: int, last_step: int | None
) -> dict[str, MemoryEntry]:
    """The state after a step, which has to be one of the stream's."""
    last = max(one.step for one in records) if last_step is None else last_step
    if not 0 <= step <= last:
        raise UsageError(f"stream '{stream_id}' has the steps 0 to {last}, not {step}.")
    return _apply({}, [one for one in records if one.step <= step])


def _apply(state: Mapping[str, MemoryEntry], records: Sequence[_Record]) -> dict[str, MemoryEntry]:
    """Replay records in order; an entry keeps its place when it is changed."""
    after = dict(state)
    for one in records:
        if one.op == "removed":
            after.pop(one.entry_id, None)
        elif one.entry is not None:
            after[one.entry_id] = one.entry
    return after
