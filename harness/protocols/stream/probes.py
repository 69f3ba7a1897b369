"""Probes: items asked at checkpoints of a stream with the memory as it is then, and frozen.

They tell what the score along the stream hides: what a memory is worth for items that it never
meets (hold-out accuracy), and what later items did to earlier ones (backward transfer and
forgetting). A probe is a row with a `checkpoint`; it changes no memory and is no part of the score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.protocols.stream.method import Memory
from harness.protocols.stream.types import Item
from harness.results.schema import PROBE


@dataclass(frozen=True)
class Probes:
    """What is asked at which states of a stream; a state is the number of items behind it."""

    items: tuple[Item, ...] = ()
    """Of the stream, in order."""
    holdout: tuple[Item, ...] = ()
    states: tuple[int, ...] = ()
    revisit: bool = False
    """Ask the items behind a state again, and all of them before the first."""

    @classmethod
    def planned(
        cls, items: Sequence[Item], holdout: Sequence[Item], checkpoints: int, *, revisit: bool
    ) -> Probes:
        """Checkpoints spread evenly over a stream, the empty memory before them."""
        size = len(items)
        states = {0, *(round(size * one / checkpoints) for one in range(1, checkpoints + 1))}
        return cls(tuple(items), tuple(holdout), tuple(sorted(states)), revisit)

    def at(self, state: int) -> tuple[Item, ...]:
        """What is asked at a state; nothing if it is no checkpoint."""
        if state not in self.states:
            return ()
        behind = self.items[: state or len(self.items)] if self.revisit else ()
        return (*self.holdout, *{one.sample_id: one for one in behind}.values())

    @property
    def empty_only(self) -> Probes:
        """Those of the empty memory: all that there is for a method without a state."""
        return Probes(self.items, self.holdout, self.states[:1], self.revisit)

    def __len__(self) -> int:
        return sum(len(self.at(state)) for state in self.states)


def checkpoint_name(state: int) -> str:
    """What rows call the state after so many items."""
    return f"{PROBE}{state:06d}"


class Frozen:
    """A memory as an agent sees it that must not change it: what it forgets is kept."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def __getattr__(self, name: str) -> Any:
        return getattr(self._memory, name)

    async def remove(self, ids: Sequence[str]) -> None:
        """Keep all."""
        del ids
