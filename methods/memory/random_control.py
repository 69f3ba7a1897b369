"""`random`: k of the stored experiences, drawn at random: what is gained without any retrieval.

Control for `exprag`: the same entries, the same number, in random order.
"""

from __future__ import annotations

from typing import ClassVar

from harness.options import Options
from harness.protocols.stream import Query, Retrieval
from harness.registry import About
from harness_methods.memory.store import ExperienceMemory, RetrievalOptions


class Random(ExperienceMemory):
    """k random entries, another draw for each item, the same in every execution."""

    about: ClassVar[About] = About(
        "Control: k stored experiences at random.", "control for retrieval"
    )
    Options: ClassVar[type[Options]] = RetrievalOptions
    needs_similarity: ClassVar[bool] = False

    async def search(self, query: Query) -> Retrieval:
        """Draw entries."""
        ids = list(self._entries)
        drawn = self.context.rng("random", query.step).sample(ids, min(self.k, len(ids)))
        return Retrieval(self.hits(drawn))
