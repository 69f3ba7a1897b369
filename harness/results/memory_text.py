"""A memory on a terminal: its state, the difference of two states, its timeline.

Entries are texts of models and data: they are shown as they are, never as markup, with control
characters as escapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.results.memory import MemoryDiff, MemoryEntry, MemoryStep, Provenance, Touch
from harness.text import clean

if TYPE_CHECKING:
    from rich.console import Console


def print_state(entries: Sequence[MemoryEntry], console: Console) -> None:
    """Print the entries of a memory, oldest first."""
    _line(console, f"{len(entries)} entr{'y' if len(entries) == 1 else 'ies'}", "bold")
    for entry in entries:
        _entry(console, " ", entry, "")


def print_diff(changes: MemoryDiff, console: Console) -> None:
    """Print what was added (``+``), changed (``-`` then ``+`` under ``~``) and removed (``-``)."""
    counts = (len(changes.added), len(changes.changed), len(changes.removed))
    _line(console, "{} added, {} changed, {} removed".format(*counts), "bold")
    for entry in changes.added:
        _entry(console, "+", entry, "green")
    for before, after in changes.changed:
        _line(console, f"~ {after.id}", "yellow")
        _text(console, "-", before.text, "red")
        _text(console, "+", after.text, "green")
    for entry in changes.removed:
        _entry(console, "-", entry, "red")


def print_timeline(steps: Sequence[MemoryStep], console: Console) -> None:
    """Print one row for each step."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("step", "sample", "added", "changed", "removed", "read", "pruned", "entries"):
        right = name in ("step", "entries")
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    for one in steps:
        ids = (one.added, one.changed, one.removed, one.read, one.pruned)
        cells = [str(one.step), one.sample_id, *(" ".join(some) for some in ids), str(one.size)]
        table.add_row(*(Text(clean(cell)) for cell in cells))
    console.print(table)


def print_provenance(lives: Sequence[Provenance], console: Console) -> None:
    """Print who wrote each entry, and who read it later."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("entry", "written by", "read by", "pruned by", "removed by"):
        table.add_column(name, overflow="fold")
    for life in lives:
        written = _who((life.written,)) if life.written else "outside the stream"
        cells = [life.entry_id, written, *map(_who, (life.read, life.pruned, life.removed))]
        table.add_row(*(Text(clean(cell)) for cell in cells))
    console.print(table)


def _who(touches: Sequence[Touch]) -> str:
    return " ".join(touch.sample_id for touch in touches)


def _entry(console: Console, mark: str, entry: MemoryEntry, style: str) -> None:
    origin = f"from {entry.written_by}" if entry.written_by else "of unknown origin"
    step = "" if entry.written_step is None else f", step {entry.written_step}"
    _line(console, f"{mark} {entry.id}  ({origin}{step})", style or "bold")
    _text(console, " ", entry.text, style)


def _text(console: Console, mark: str, text: str, style: str) -> None:
    for line in text.split("\n"):
        _line(console, f"  {mark} {line}", style)


def _line(console: Console, text: str, style: str) -> None:
    from rich.text import Text

    console.print(Text(clean(text), style=style), soft_wrap=True)
