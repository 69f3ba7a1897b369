"""Settings of a stream, not of a method, because the sources disagree on them.

Evo-Memory (arXiv 2511.20857) shows four items, most similar first, of successes only; StreamBench
the last sixteen, most similar last; Dynamic Cheatsheet three, least similar first. Comparing
methods means holding these equal, so they belong to the task's options and every memory reads
them here.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field, model_validator

from harness.options import Options


class StorePolicy(StrEnum):
    """Which finished items a memory is offered."""

    SUCCESS_ONLY = "success_only"
    ALL = "all"
    FAILURES_ONLY = "failures_only"

    def admits(self, success: bool) -> bool:
        """Whether an item with this outcome is offered to the memory."""
        return self is StorePolicy.ALL or success == (self is StorePolicy.SUCCESS_ONLY)


class FeedbackLevel(StrEnum):
    """What a method learns about its own answer."""

    NONE = "none"
    CORRECTNESS = "correctness"
    SCORE = "score"
    GOLD = "gold"


class IndexKey(StrEnum):
    """What of a stored experience is compared with the query."""

    INPUT = "input"
    INPUT_OUTPUT = "input_output"


class ItemOrder(StrEnum):
    """How retrieved entries stand in the prompt."""

    MOST_SIMILAR_FIRST = "most_similar_first"
    LEAST_SIMILAR_FIRST = "least_similar_first"


class TieBreak(StrEnum):
    """Which of two entries with equal similarity comes first."""

    OLDER = "older"
    NEWER = "newer"


class StreamSettings(Options):
    """Options that every stream task has."""

    k: int = Field(default=4, ge=0)
    """Entries retrieved for an item (Evo-Memory: 4)."""
    store: StorePolicy = StorePolicy.SUCCESS_ONLY
    """Which finished items a memory may keep (Evo-Memory's main tables: successes only)."""
    feedback: FeedbackLevel = FeedbackLevel.CORRECTNESS
    """What a method learns about its answer (Evo-Memory: whether it was correct)."""
    index_key: IndexKey = IndexKey.INPUT
    """What of an experience is embedded: the question, or question and answer."""
    item_order: ItemOrder = ItemOrder.MOST_SIMILAR_FIRST
    """Order of retrieved entries in the prompt (Evo-Memory: most similar first)."""
    tie_break: TieBreak = TieBreak.OLDER
    """Which of two equally similar entries comes first."""
    experience_chars: int = Field(default=6000, ge=0)
    """Budget of the prompt's experience section in characters; the least similar go first."""
    isolate: bool = False
    """Run every memory in a worker process of its own, with a time limit."""
    memory_timeout: float = Field(default=600.0, gt=0, allow_inf_nan=False)
    """Seconds of its own, the model's apart, that a hook of a memory in a worker may take."""

    @model_validator(mode="after")
    def _store_needs_feedback(self) -> StreamSettings:
        if self.feedback is FeedbackLevel.NONE and self.store is not StorePolicy.ALL:
            raise ValueError(
                f"store={self.store} tells the memory which answers were right, "
                "which feedback=none does not grant; use store=all"
            )
        return self
