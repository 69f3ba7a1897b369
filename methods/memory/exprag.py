"""`exprag`: the most similar past experiences.

Evo-Memory (arXiv 2511.20857), section 3.2, "ExpRAG": an entry is the templated text S(x, y, f);
retrieval is the top k by embedding similarity; synthesis is plain in-context learning; the update
appends. k = 4, most similar first (section 4). What is embedded is not stated: here the question
(as StreamBench does), or with the stream's ``index_key=input_output`` the whole record (as
SeqMem-Eval does). The paper's encoder is BAAI/bge-base-en-v1.5 (``--embedder
hf:BAAI/bge-base-en-v1.5``); the embedded default is all-MiniLM-L6-v2.
"""

from __future__ import annotations

from typing import ClassVar

from harness.options import Options
from harness.protocols.stream import Hit, Query, Retrieval
from harness.registry import About
from harness_methods.memory.store import ExperienceMemory, RetrievalOptions


class ExpRAG(ExperienceMemory):
    """The k entries nearest to the goal; no threshold."""

    about: ClassVar[About] = About(
        "The k most similar past experiences.", "Evo-Memory, arXiv 2511.20857, section 3.2 (ExpRAG)"
    )
    Options: ClassVar[type[Options]] = RetrievalOptions

    async def search(self, query: Query) -> Retrieval:
        """Return the nearest entries, most similar first."""
        return await self.nearest(query.goal)

    async def nearest(self, text: str) -> Retrieval:
        """Return the entries nearest to a text, most similar first."""
        ranked = await self.context.similarity.nearest(self._entries, text, self.k)
        return Retrieval(tuple(Hit(one, self._entries[one].text, score) for one, score in ranked))
