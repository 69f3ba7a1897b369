"""Progress on stderr: live bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.results.schema import Scored, Status

if TYPE_CHECKING:
    from rich.progress import Progress as RichBars

_LINE_EVERY_S = 10.0


@dataclass
class _Counts:
    label: str
    total: int
    done: int = 0
    score: float = 0.0
    scored: int = 0
    statuses: Counter[str] = field(default_factory=Counter[str])

    def add(self, record: Scored) -> None:
        self.statuses[str(record.status)] += 1
        if record.status is not Status.ERROR:
            self.done += 1
        if record.score is not None:
            self.score += record.score
            self.scored += 1

    def text(self) -> str:
        mean = f" score {self.score / self.scored:.2f}" if self.scored else ""
        bad = [f"{n} {s}" for s, n in self.statuses.items() if s != Status.OK]
        return f"{mean}{' (' + ', '.join(bad) + ')' if bad else ''}".strip()


class PlainProgress:
    """One line every ten seconds and one when a run ends."""

    def __init__(self) -> None:
        self._runs: dict[str, _Counts] = {}
        self._last = time.monotonic()

    def status(self, text: str) -> None:
        """Say what begins."""
        print(text, file=sys.stderr)  # noqa: T201

    def begin(self, run_id: str, label: str, total: int, finished: Collection[Scored]) -> None:
        """Note a run; say so if it continues."""
        counts = self._runs[run_id] = _Counts(label, total)
        for record in finished:
            counts.add(record)
        if finished:
            there = f"{len(finished)} of {total} samples are there"
            self.status(f"{label}: continuing run {run_id}, {there}")

    def working(self, run_id: str, text: str) -> None:
        """Print a line if it is time."""
        if time.monotonic() - self._last >= _LINE_EVERY_S:
            self._last = time.monotonic()
            self.status(f"{self._runs[run_id].label}: {text}")

    def advance(self, run_id: str, record: Scored) -> None:
        """Count a sample."""
        self._runs[run_id].add(record)
        self.show(run_id)

    def show(self, run_id: str) -> None:
        """Print a line if it is time."""
        del run_id
        if time.monotonic() - self._last < _LINE_EVERY_S:
            return
        self._last = time.monotonic()
        parts = [f"{one.label} {one.done}/{one.total}" for one in self._runs.values()]
        self.status("  ".join(parts))

    def end(self, run_id: str) -> None:
        """Print how a run ended."""
        counts = self._runs.pop(run_id)
        self.status(f"{counts.label}: {counts.done} of {counts.total} {counts.text()}".rstrip())

    def __enter__(self) -> PlainProgress:
        return self

    def __exit__(self, *_error: object) -> None:
        return


class LiveProgress(PlainProgress):
    """A bar for each run."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._bars: RichBars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[info]}", markup=False),
            console=Console(stderr=True),
        )
        self._tasks = dict[str, int]()

    def status(self, text: str) -> None:
        """Print above the bars."""
        self._bars.console.print(text, markup=False, highlight=False)

    def begin(self, run_id: str, label: str, total: int, finished: Collection[Scored]) -> None:
        """Add a bar."""
        super().begin(run_id, label, total, finished)
        self._tasks[run_id] = self._bars.add_task(
            label, total=total, completed=len(finished), info=self._runs[run_id].text()
        )

    def working(self, run_id: str, text: str) -> None:
        """Say it beside the bar."""
        self._bars.update(self._tasks[run_id], info=text)  # pyright: ignore[reportArgumentType]

    def show(self, run_id: str) -> None:
        """Move a bar."""
        counts = self._runs[run_id]
        self._bars.update(self._tasks[run_id], completed=counts.done, info=counts.text())  # pyright: ignore[reportArgumentType]

    def end(self, run_id: str) -> None:
        """Leave the bar as it is."""
        self._runs.pop(run_id)

    def __enter__(self) -> LiveProgress:
        self._bars.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._bars.stop()


def open_progress() -> PlainProgress:
    """Live bars where stderr is a terminal."""
    return LiveProgress() if sys.stderr.isatty() else PlainProgress()
