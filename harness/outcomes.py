"""What executors tell: the progress of a run, and what became of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

from harness.plan import PlannedRun
from harness.results.schema import RunStatus, SampleRecord, Scored


class Progress(Protocol):
    """Who wants to know how far the work is."""

    def status(self, text: str) -> None:
        """Something that takes a while begins."""
        ...

    def begin(self, run_id: str, label: str, total: int, finished: Collection[Scored]) -> None:
        """A run begins, with samples that are already there."""
        ...

    def working(self, run_id: str, text: str) -> None:
        """How far a run is with something that comes before its samples."""
        ...

    def advance(self, run_id: str, record: SampleRecord) -> None:
        """A sample is finished."""
        ...

    def end(self, run_id: str) -> None:
        """A run is published, or given up."""
        ...


@dataclass(frozen=True)
class RunOutcome:
    """What became of a planned run."""

    run: PlannedRun
    run_id: str = ""
    status: RunStatus | None = None
    """None where nothing was executed."""
    n_done: int = 0
    n_failed: int = 0
    n_invalid: int = 0
    n_error: int = 0
    score: float | None = None
    note: str = ""
    """Why nothing was executed, or what went wrong first."""
    paid_input_tokens: int = 0
    """Tokens that were computed for a run that was finished before."""
    paid_output_tokens: int = 0

    @classmethod
    def of_row(cls, run: PlannedRun, row: Mapping[str, Any], note: str) -> Self:
        """What became of a run that was published just now."""
        return cls(
            run,
            row["run_id"],
            RunStatus(row["status"]),
            n_done=row["n_done"],
            n_failed=row["n_failed"],
            n_invalid=row["n_invalid"],
            n_error=row["n_error"],
            score=dict(row["metrics"]).get("score"),
            note="; ".join(one for one in (note, *_warnings(row)) if one),
        )

    @property
    def good(self) -> bool:
        """Whether the run is complete without failed samples, now or before."""
        return self.status is RunStatus.COMPLETE and self.n_failed == 0


def _warnings(row: Mapping[str, Any]) -> list[str]:
    """What a user should know of a run before trusting its score."""
    metrics = dict(row["metrics"])
    calls, unreadable = metrics.get("memory_calls", 0.0), metrics.get("memory_unreadable", 0.0)
    found = list[str]()
    if calls and unreadable >= calls / 2:
        share = f"{100 * unreadable / calls:.0f} %"
        found.append(f"{share} of what the memory had the model write could not be read")
    for name, words in _LOST.items():
        if metrics.get(name):
            found.append(f"{metrics[name]:.2g} {words} a sample")
    return found


_LOST = {
    "memory_empty_writes": "writes of the memory's package that kept nothing",
    "memory_swallowed_errors": "errors that the memory's package swallowed",
}


def run_title(run: PlannedRun) -> str:
    """A short name for a run in displays: the method, and what else varies."""
    spec = run.spec
    extras = [spec.order] if spec.order != "native" else []
    if spec.seed:
        extras.append(f"seed {spec.seed}")
    return " ".join([spec.label, *extras])


async def in_thread(work: Callable[[threading.Event], None]) -> None:
    """Run blocking work in a thread; when cancelled, ask it to stop and wait until it has."""
    stop = threading.Event()
    thread = asyncio.ensure_future(asyncio.to_thread(work, stop))
    try:
        await asyncio.shield(thread)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([thread])
        raise
