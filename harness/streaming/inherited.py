"""Memories that a run begins with: the final ones of another run, on whatever subset it was.

The source has to be complete and of the same memory with the same options; its streams are dealt
out in turn where it has fewer than the run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.plan import StreamRun
from harness.protocols.stream.types import Entry
from harness.results import memory as memories
from harness.results.schema import RunStatus
from harness.results.store import ResultsStore
from harness.text import safe_name


@dataclass(frozen=True)
class Inherited:
    """What one stream begins with."""

    entries: Mapping[str, Entry]
    dump: Path | None
    """The state itself, of a memory that its entries cannot rebuild."""

    @property
    def steps(self) -> int:
        """Steps that lie behind it, so that new entries get ids of their own."""
        return 1 + max((entry.step for entry in self.entries.values()), default=-1)


NOTHING = Inherited({}, None)


def source_of(store: ResultsStore, run: StreamRun) -> str:
    """The run that a run inherits from; empty if from none.

    Raises:
        UsageError: there is no such run, it is not complete, or its memory is another one.
    """
    wanted = run.task.options.memory_from
    if not wanted or not run.method.right.type.stateful:
        return ""
    found = store.find(wanted)
    if found.run_id != wanted:
        raise UsageError(f"memory_from={wanted} has to be a whole id: {found.run_id}.")
    if found.status is not RunStatus.COMPLETE:
        raise UsageError(f"memory_from: run {wanted} is {found.status}; finish it first.")
    row, right = store.row(wanted), run.method.right
    mine = {"role": right.role, "name": right.name, "options": right.options.given()}
    if mine not in json.loads(row["method_parts"]):
        raise UsageError(
            f"memory_from: run {wanted} is of {row['method']}, whose memory is not that of "
            f"{run.spec.label}; name a run of the same memory with the same options."
        )
    return wanted


def inherited(store: ResultsStore, source: str, position: int) -> Inherited:
    """What the stream at a position begins with.

    Args:
        store: the results folder.
        source: the run.
        position: of the stream in its run, from 0.
    """
    rows = store.memory(source)
    folder = store.artifacts(source) / "memories"
    names = memories.streams(rows)
    if not names:
        return NOTHING
    name = names[position % len(names)]
    last = max(int(one) for one in rows[rows["stream_id"] == name]["step"].tolist())
    entries = {
        one.id: Entry(one.id, one.text, one.key, one.written_by, one.written_step or 0, one.meta)
        for one in memories.state_at(rows, name, last)
    }
    dump = folder / safe_name(name)
    return Inherited(entries, dump if dump.is_dir() else None)
