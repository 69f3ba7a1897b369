"""`exprecent`: the records of the last finished tasks, in task order.

Evo-Memory (arXiv 2511.20857), "ExpRecent": condensed records of recent tasks, append only, no
pruning, no model call. The window is not stated there (SeqMem-Eval uses 3); here it is the
stream's k, so that all memories show equally many.
"""

from __future__ import annotations

from typing import ClassVar

from harness.options import Options
from harness.protocols.stream import Context, Query, Retrieval
from harness.registry import About
from harness_methods.memory.store import ExperienceMemory, RetrievalOptions


class ExpRecent(ExperienceMemory):
    """The newest k entries."""

    about: ClassVar[About] = About(
        "The last k finished tasks, in task order.", "Evo-Memory, arXiv 2511.20857 (ExpRecent)"
    )
    Options: ClassVar[type[Options]] = RetrievalOptions
    needs_similarity: ClassVar[bool] = False

    async def search(self, query: Query) -> Retrieval:
        """Return the newest entries, newest first."""
        del query
        newest = list(reversed(self._entries))
        return Retrieval(self.hits(newest[: self.k]))

    async def synthesize(self, query: Query, retrieval: Retrieval) -> Context:
        """Show them in task order."""
        del query
        return self.oldest_first(retrieval.hits)
