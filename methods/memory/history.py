"""`history`: previous tasks and answers, as many of the newest as the budget holds.

Evo-Memory (arXiv 2511.20857) does not define its History. For questions this is Dynamic
Cheatsheet's full-history appending (``FullHistoryAppending`` in suzgunmirac/dynamic-cheatsheet),
under the stream's store policy. For episodes with many turns History means the episode's own
history, which the agent shows; earlier tasks then come in only with ``across=always``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, cast

from harness.options import Options
from harness.protocols.stream import Context, Experience, Query, Retrieval
from harness.registry import About
from harness_methods.memory.store import ExperienceMemory, RetrievalOptions


class Across(StrEnum):
    """When earlier tasks are shown."""

    QUESTIONS = "questions"
    ALWAYS = "always"


class HistoryOptions(RetrievalOptions):
    """Options of `history`."""

    across: Across = Across.QUESTIONS
    """Show earlier tasks for questions only, or always."""


class History(ExperienceMemory):
    """All of the past that fits; `k` bounds it where given."""

    about: ClassVar[About] = About(
        "Previous tasks and answers, the newest that fit the budget.",
        "Evo-Memory's History (undefined there); Dynamic Cheatsheet's FullHistoryAppending",
    )
    Options: ClassVar[type[Options]] = HistoryOptions
    needs_similarity: ClassVar[bool] = False

    async def search(self, query: Query) -> Retrieval:
        """Return everything, newest first."""
        del query
        newest = list(reversed(self._entries))
        return Retrieval(self.hits(newest if self.options.k is None else newest[: self.options.k]))

    async def synthesize(self, query: Query, retrieval: Retrieval) -> Context:
        """Show what fits, in task order."""
        del query
        return self.oldest_first(retrieval.hits)

    async def evolve(self, experience: Experience) -> None:
        """Keep a question and its answer; an episode only if asked to."""
        options = cast("HistoryOptions", self.options)
        if experience.single_turn or options.across is Across.ALWAYS:
            await super().evolve(experience)
