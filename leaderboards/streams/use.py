"""What became of the entries that a memory wrote: who read them, and how those items went.

Memory tables of runs in, one `EntryUse` for each entry out. An item that reads an entry is not
drawn at random (a memory shows what is similar), so the baseline's success on the same items
stands beside each figure: what differs there is selection, not use.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.errors import ResultsError
from harness.results.store import ResultsStore
from harness.statistics import MeanEstimate
from harness_leaderboards.measures import mean, ratio
from harness_leaderboards.model import Sample
from harness_leaderboards.runs import Run
from harness_leaderboards.streams.estimates import estimate, samples_of, solved

SHOWN = 10
"""Entries shown from each end."""

Moment = tuple[str, str, int]
"""Run, stream and step."""

Event = tuple[str, str, int, str, str]
"""Operation, stream, step, entry and item."""


@dataclass(frozen=True)
class EntryUse:
    """One entry of a memory.

    Attributes:
        written_by: the item that wrote it; empty if it was there from the start.
        written_step: the step at which it was written, from 0; None likewise.
        readers: items that it was shown to.
        solved: how many of those were solved.
        baseline_readers: how many of those the baseline has too.
        baseline_solved: how many of these the baseline solved, mean over its seeds.
        own_solved: how many of these the method solved.
        pruned: items that dropped it after it was shown.
        distances: steps from writing to each reading.
    """

    method: str
    run_id: str
    stream_id: str
    entry_id: str
    written_by: str
    written_step: int | None
    readers: int
    solved: int
    baseline_readers: int
    baseline_solved: float
    own_solved: int
    pruned: int
    distances: tuple[int, ...]

    @property
    def advantage(self) -> float | None:
        """Share of its readers solved, method minus baseline, on items of both."""
        return ratio(self.own_solved - self.baseline_solved, self.baseline_readers)


@dataclass(frozen=True)
class Readers:
    """Items that read something, or that read nothing.

    Attributes:
        score: share solved by the method.
        baseline: share that the baseline solved of those that it has too.
    """

    score: MeanEstimate | None
    baseline: MeanEstimate | None


@dataclass(frozen=True)
class Use:
    """How one method used what it wrote.

    Attributes:
        entries: entries written or read.
        ever_read: share of them that an item was shown.
        reads: items that an entry was shown to, mean over entries.
        distance: median steps from writing to reading; None if nothing was read.
        with_entries: items that were shown an entry.
        without: items that were shown none.
        top: entries whose readers did better than the baseline on the same items, best first.
        worst: those whose readers did worse, worst first.
    """

    method: str
    entries: int
    ever_read: float
    reads: float
    distance: float | None
    with_entries: Readers
    without: Readers
    top: tuple[EntryUse, ...]
    worst: tuple[EntryUse, ...]


@dataclass
class _Life:
    written_by: str = ""
    written_step: int | None = None
    read: dict[int, Sample | None] = field(default_factory=dict[int, "Sample | None"])
    pruned: set[int] = field(default_factory=set[int])


def use_of(
    store: ResultsStore, method: str, runs: Sequence[Run], baseline: Sequence[Run]
) -> Use | None:
    """How a method used its entries; None where it wrote and read none, or no table is there."""
    events = {run.run_id: _events(store, run.run_id) for run in runs}
    if not any(events.values()):
        return None
    others = _by_item(samples_of(baseline))
    entries = _entries(method, runs, others, events)
    readers = {
        (run_id, stream, step)
        for run_id, found in events.items()
        for op, stream, step, *_ in found
        if op == "read"
    }
    rows = [one for one in samples_of(runs) if one.value is not None]
    with_entries = [one for one in rows if _moment(one) in readers]
    judged = [one for one in entries if one.advantage is not None]
    better = sorted(judged, key=lambda one: (-(one.own_solved - one.baseline_solved), *_name(one)))
    worse = sorted(judged, key=lambda one: (one.own_solved - one.baseline_solved, *_name(one)))
    distances = [steps for one in entries for steps in one.distances]
    return Use(
        method=method,
        entries=len(entries),
        ever_read=sum(one.readers > 0 for one in entries) / len(entries),
        reads=sum(one.readers for one in entries) / len(entries),
        distance=statistics.median(distances) if distances else None,
        with_entries=_readers(with_entries, others),
        without=_readers([one for one in rows if _moment(one) not in readers], others),
        top=tuple(one for one in better if one.own_solved > one.baseline_solved)[:SHOWN],
        worst=tuple(one for one in worse if one.own_solved < one.baseline_solved)[:SHOWN],
    )


def entry_uses(
    store: ResultsStore, method: str, runs: Sequence[Run], baseline: Sequence[Run]
) -> tuple[EntryUse, ...]:
    """Every entry that the runs of a method wrote or read.

    Args:
        store: where their memory tables are.
        method: its label.
        runs: of one setting, one for each seed.
        baseline: the baseline's runs in that setting; none leaves its figures at no items.
    """
    events = {run.run_id: _events(store, run.run_id) for run in runs}
    return _entries(method, runs, _by_item(samples_of(baseline)), events)


def _entries(
    method: str,
    runs: Sequence[Run],
    others: Mapping[tuple[str, str], Sequence[Sample]],
    events: Mapping[str, Sequence[Event]],
) -> tuple[EntryUse, ...]:
    found = list[EntryUse]()
    for run in runs:
        moments = {_moment(one): one for one in run.samples}
        lives = _lives(run.run_id, events[run.run_id], moments)
        for (stream, entry), life in sorted(lives, key=lambda one: one[0]):
            found.append(_use(method, run.run_id, stream, entry, life, others))
    return tuple(found)


def _use(
    method: str,
    run_id: str,
    stream: str,
    entry: str,
    life: _Life,
    others: Mapping[tuple[str, str], Sequence[Sample]],
) -> EntryUse:
    readers = [one for one in life.read.values() if one is not None and one.value is not None]
    common = [one for one in readers if (one.sample_id, one.sample_hash) in others]
    rates = [mean(map(float, map(solved, others[_item(one)]))) or 0.0 for one in common]
    written = life.written_step
    return EntryUse(
        method=method,
        run_id=run_id,
        stream_id=stream,
        entry_id=entry,
        written_by=life.written_by,
        written_step=written,
        readers=len(readers),
        solved=sum(map(solved, readers)),
        baseline_readers=len(common),
        baseline_solved=sum(rates),
        own_solved=sum(map(solved, common)),
        pruned=len(life.pruned),
        distances=() if written is None else tuple(step - written for step in life.read),
    )


def _lives(
    run_id: str, events: Sequence[Event], moments: Mapping[Moment, Sample]
) -> Iterable[tuple[tuple[str, str], _Life]]:
    """The life of each entry, by stream and id; an entry is written when it is first added."""
    lives = dict[tuple[str, str], _Life]()
    for op, stream, step, entry, sample in events:
        life = lives.setdefault((stream, entry), _Life())
        if op == "added" and life.written_step is None and not life.read:
            life.written_by, life.written_step = sample, step
        elif op == "read":
            life.read[step] = moments.get((run_id, stream, step))
        elif op == "pruned":
            life.pruned.add(step)
    return lives.items()


def _events(store: ResultsStore, run_id: str) -> list[Event]:
    """What happened to a run's memories, by step; nothing where the table cannot be read."""
    import pyarrow as pa

    try:
        rows = store.memory(run_id)
    except (ResultsError, OSError, pa.ArrowException):
        return []
    names = ("op", "stream_id", "step", "entry_id", "sample_id")
    columns: list[list[Any]] = [rows[name].tolist() for name in names]
    rank = {"read": 0, "pruned": 1}  # an item reads, then prunes, then writes
    events = [(a, b, int(c), d, e) for a, b, c, d, e in zip(*columns, strict=True)]
    return sorted(events, key=lambda one: (one[2], rank.get(one[0], 2)))


def _readers(rows: Sequence[Sample], others: Mapping[tuple[str, str], Sequence[Sample]]) -> Readers:
    known = [(one.stream_id, rates) for one in rows if (rates := others.get(_item(one)))]
    return Readers(
        estimate((one.stream_id, float(solved(one))) for one in rows),
        estimate((stream, mean(map(float, map(solved, found))) or 0.0) for stream, found in known),
    )


def _by_item(samples: Iterable[Sample]) -> dict[tuple[str, str], list[Sample]]:
    """The scored samples of each item, by its id and the hash of its content."""
    found = dict[tuple[str, str], list[Sample]]()
    for one in samples:
        if one.value is not None:
            found.setdefault(_item(one), []).append(one)
    return found


def _item(sample: Sample) -> tuple[str, str]:
    return sample.sample_id, sample.sample_hash


def _moment(sample: Sample) -> Moment:
    return sample.run_id, sample.stream_id, sample.step


def _name(one: EntryUse) -> tuple[str, str, str, str]:
    return one.method, one.run_id, one.stream_id, one.entry_id
