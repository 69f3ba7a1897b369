"""What the experience memories share: each finished item becomes one entry.

Entries are numbered by stream position, so that a memory is the same in every execution.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from harness.options import Options
from harness.protocols.stream import (
    Context,
    Entry,
    EntryMemory,
    Experience,
    Hit,
    IndexKey,
    MemoryContext,
)
from harness.protocols.stream.method import within_budget
from harness_methods.memory.prompts import experience_text


class RetrievalOptions(Options):
    """Options of the memories that show some of their entries."""

    k: int | None = Field(default=None, ge=0)
    """Entries shown for an item; none: the stream's k."""


def shown_entries(own: int | None, context: MemoryContext) -> int:
    """How many entries a memory shows for an item: its own number, or the stream's."""
    return context.settings.k if own is None else own


def experience_entry(experience: Experience, context: MemoryContext) -> Entry:
    """A finished item as one entry, found by what the stream says that entries are found by."""
    text = experience_text(experience)
    by_goal = context.settings.index_key is IndexKey.INPUT
    return Entry(
        id=f"e{experience.step}",
        text=text,
        key=experience.goal if by_goal else text,
        sample_id=experience.sample_id,
        step=experience.step,
    )


class ExperienceMemory(EntryMemory):
    """Append one entry for each experience that the store policy admits; never prune by itself."""

    options: RetrievalOptions

    @property
    def k(self) -> int:
        """Entries shown for an item."""
        return shown_entries(self.options.k, self.context)

    async def evolve(self, experience: Experience) -> None:
        """Store the experience as one entry."""
        self.put(experience_entry(experience, self.context))

    def hits(self, ids: Iterable[str]) -> tuple[Hit, ...]:
        """Entries as hits without a similarity."""
        return tuple(Hit(one, self._entries[one].text) for one in ids)

    def oldest_first(self, hits: Iterable[Hit]) -> Context:
        """Show hits that come newest first in task order, dropping the oldest beyond the budget."""
        shown = within_budget(hits, self.context.settings.experience_chars)
        return Context(tuple(reversed(shown)))
