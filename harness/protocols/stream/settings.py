"""Settings of a stream, not of a method, because the sources disagree on them.

Evo-Memory (arXiv 2511.20857) shows four items, most similar first, of successes only; StreamBench
the last sixteen, most similar last; Dynamic Cheatsheet three, least similar first. Comparing
methods means holding these equal, so they belong to the task's options and every memory reads
them here.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

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


_LATER = {
    *("checkpoints", "holdout", "revisit", "memory_from", "frozen", "flip", "flip_until"),
    *("isolate", "memory_timeout"),
}


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
    checkpoints: int = Field(default=0, ge=0)
    """Points of each stream, evenly spread, at which the frozen memory is probed."""
    holdout: int = Field(default=0, ge=0)
    """Items of each stream that are held out of it and asked at every checkpoint."""
    revisit: bool = False
    """At every checkpoint ask the items met so far again, and all of them before the first."""
    memory_from: str = ""
    """Run whose final memories the streams begin with, of the same memory on any subset."""
    frozen: bool = False
    """Learn nothing, so that what a memory is worth is measured as it is."""
    flip: float = Field(default=0.0, ge=0, le=1)
    """Share of items whose feedback is the opposite of what is true."""
    flip_until: float = Field(default=1.0, ge=0, le=1)
    """Share of each stream behind which feedback is true again."""
    isolate: bool = False
    """Run every memory in a worker process of its own, with a time limit."""
    memory_timeout: float = Field(default=600.0, gt=0, allow_inf_nan=False)
    """Seconds of its own, the model's apart, that a hook of a memory in a worker may take."""

    def given(self) -> dict[str, Any]:
        """The settings as values; those that came later only where they differ from the default.

        Boards compare them, so that a new setting leaves earlier runs comparable.
        """
        values, changed = super().given(), self.model_dump(exclude_defaults=True)
        return {k: v for k, v in values.items() if k not in _LATER or k in changed}

    @model_validator(mode="after")
    def _store_needs_feedback(self) -> StreamSettings:
        if self.feedback is FeedbackLevel.NONE and self.store is not StorePolicy.ALL:
            raise ValueError(
                f"store={self.store} tells the memory which answers were right, "
                "which feedback=none does not grant; use store=all"
            )
        return self

    @model_validator(mode="after")
    def _probes_need_checkpoints(self) -> StreamSettings:
        if bool(self.checkpoints) != bool(self.holdout or self.revisit):
            raise ValueError(
                "checkpoints=N goes with holdout=N, revisit=true or both: they say when and what "
                "is asked of the frozen memory"
            )
        return self

    @model_validator(mode="after")
    def _flips_need_correctness(self) -> StreamSettings:
        told = self.feedback in (FeedbackLevel.CORRECTNESS, FeedbackLevel.SCORE)
        if self.flip and not told:
            raise ValueError(
                f"flip turns what feedback says around, and feedback={self.feedback} does not say "
                "it or gives the right answer away; use feedback=correctness"
            )
        return self
