"""`static`: the same k solved examples for every item: what few-shot prompting alone gives.

The examples come from the task's own demonstrations, which are disjoint from its items and solved
with the right answers; nothing is learned from the stream.
"""

from __future__ import annotations

from typing import ClassVar

from harness.options import Options
from harness.protocols.stream import EntryMemory, Experience, Hit, Query, Retrieval
from harness.registry import About
from harness_methods.memory.prompts import experience_text
from harness_methods.memory.store import RetrievalOptions


class Static(EntryMemory):
    """Fixed few-shot examples."""

    about: ClassVar[About] = About(
        "Control: the same k solved examples for every item.", "few-shot prompting as a control"
    )
    Options: ClassVar[type[Options]] = RetrievalOptions
    options: RetrievalOptions
    stateful: ClassVar[bool] = False
    needs_similarity: ClassVar[bool] = False

    async def search(self, query: Query) -> Retrieval:
        """Return the examples, always the same."""
        del query
        own = self.options.k
        examples = self.context.demonstrations(self.context.settings.k if own is None else own)
        return Retrieval(
            tuple(Hit(f"demo-{n}", experience_text(one)) for n, one in enumerate(examples))
        )

    async def evolve(self, experience: Experience) -> None:
        """Learn nothing."""
        del experience
