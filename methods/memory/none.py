"""`none`: keeps nothing, shows nothing."""

from __future__ import annotations

from typing import ClassVar

from harness.protocols.stream import EntryMemory, Experience, Query, Retrieval
from harness.registry import About


class NoMemory(EntryMemory):
    """The memory of a method that has none."""

    about: ClassVar[About] = About("Keeps nothing.", "the control without a memory")
    stateful: ClassVar[bool] = False
    needs_similarity: ClassVar[bool] = False

    async def search(self, query: Query) -> Retrieval:
        """Find nothing."""
        del query
        return Retrieval()

    async def evolve(self, experience: Experience) -> None:
        """Learn nothing."""
        del experience
