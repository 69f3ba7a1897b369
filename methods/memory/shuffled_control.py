"""`shuffled`: what `exprag` would retrieve for another task: experience without relevance.

Control for similarity: the same store and the same search, but the query is the goal of a
randomly chosen earlier item of the stream instead of the current one.
"""

from __future__ import annotations

from typing import ClassVar

from harness.protocols.stream import Query, Retrieval
from harness.registry import About
from harness_methods.memory.exprag import ExpRAG


class Shuffled(ExpRAG):
    """The k entries nearest to somebody else's goal."""

    about: ClassVar[About] = About(
        "Control: the experiences that exprag would retrieve for another task.",
        "control for relevance",
    )

    async def search(self, query: Query) -> Retrieval:
        """Search with the key of a random entry."""
        keys = [entry.key for entry in self._entries.values()]
        if not keys:
            return Retrieval()
        return await self.nearest(self.context.rng("shuffled", query.step).choice(keys))
