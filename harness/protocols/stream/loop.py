"""The loop of a stream: one item after another, each committed before the next, probes between.

`run_lane` plays the items of one lane one after another: a stream of a stateful method, or a
single item of a stateless one. A commit is one journal record: when it is written the item is
finished, and not before. After a kill, `restore_memory` rebuilds the memory of the last commit
from the journal (or its dump) and checks its fingerprint; the unfinished item is played again
with its answered calls replayed.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.errors import (
    MethodError,
)
from harness.hooks import call_hook
from harness.models.client import StreamClient
from harness.protocols.stream.dumps import Dumps, blamed
from harness.protocols.stream.method import Agent, Memory
from harness.protocols.stream.playing import Turnout, play_item
from harness.protocols.stream.probes import Probes, checkpoint_name
from harness.protocols.stream.record import Committed, Played
from harness.protocols.stream.task import StreamTask
from harness.protocols.stream.types import (
    Entry,
    Item,
)
from harness.results.schema import SampleRecord, Status


@dataclass
class Lane:
    """Items that are played one after another with one agent and one memory."""

    task: StreamTask
    items: Sequence[tuple[int, Item]]
    """(step, item) that remain, in order."""
    agent: Agent
    memory: Memory
    client: StreamClient
    answered: Mapping[str, Sequence[Mapping[str, Any]]]
    """Journalled calls of unfinished samples, by their key."""
    attempts: Mapping[str, int]
    """How often a sample was tried before, by its key."""
    commit: Callable[[SampleRecord], None]
    dumps: Dumps
    """States of a memory that its entries cannot rebuild."""
    probes: Probes = field(default_factory=Probes)
    finished: Container[str] = ()
    """Keys of the samples that need not be played again."""
    behind: int = 0
    """Items of the stream that were played before."""
    length: int = 1
    """Items of the whole stream."""
    offset: int = 0
    """Steps that the memory has behind it from another run."""

    async def play(self) -> None:
        """Play what remains; see `run_lane`."""
        await run_lane(self)


async def run_lane(lane: Lane) -> None:
    """Play the remaining items; returns early at an infrastructure error of a stateful memory.

    Raises:
        StorageError: a commit could not be written; the whole command has to stop.
        CeilingReached: no more may be asked; the item under way stays unfinished.
        MethodError: the memory cannot say what it holds, or cannot return to its last commit.
    """
    memory = lane.memory
    try:
        with blamed(memory):
            committed = Committed.of(memory)
        if lane.items:
            await lane.dumps.begin(lane.items[0][0] - 1)
        if not await _probe(lane, lane.behind, committed):
            return
        for step, item in lane.items:
            turnout, played = Turnout(item, step), Played()
            record, committed = await play_item(lane, turnout, committed, played)
            if record.status is not Status.ERROR:
                await lane.dumps.commit(step, played.lesson)
            lane.commit(record)
            if record.status is not Status.ERROR:
                lane.dumps.committed(step)
                if await _probe(lane, step + 1, committed):
                    continue
            if memory.stateful:
                return
        if memory.stateful and lane.items:
            await lane.dumps.finish(lane.items[-1][0])
    finally:
        with blamed(memory):
            await call_hook(memory.close)


async def _probe(lane: Lane, state: int, committed: Committed) -> bool:
    """Ask what is asked at a state; returns whether all of it was answered."""
    checkpoint = checkpoint_name(state)
    for item in lane.probes.at(state):
        turnout = Turnout(item, state, checkpoint)
        if turnout.key in lane.finished:
            continue
        record, _ = await play_item(lane, turnout, committed, Played())
        lane.commit(record)
        if record.status is Status.ERROR:
            return False
    return True


async def restore_memory(
    memory: Memory, dumps: Dumps, entries: Mapping[str, Entry], step: int, expected: str
) -> None:
    """Return a fresh memory to its last commit and check that it is the same.

    Raises:
        MethodError: the memory does not come back as it was, so that going on would mix two.
    """
    with blamed(memory):
        await dumps.back(step, entries)
        found = memory.fingerprint()
    if found != expected:
        raise MethodError(
            f"{type(memory).__name__} is not the same after being restored (fingerprint {found}, "
            f"was {expected}); its entries() must not depend on clocks or random ids. "
            "Start over with --fresh."
        )
