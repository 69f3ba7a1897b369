"""What a memory is told of an outcome: what the settings grant, or the opposite of the truth."""

from __future__ import annotations

import random

from harness.protocols.stream.settings import FeedbackLevel, StreamSettings
from harness.protocols.stream.types import Feedback, Item, Score


def is_wrong(settings: StreamSettings, item: Item, part: float) -> bool:
    """Whether the feedback on an item is turned around: of the same items for every method.

    Args:
        settings: of the stream.
        item: the item.
        part: of the stream that lies behind, in [0, 1).
    """
    drawn = random.Random(f"flip/{item.sample_id}").random()
    return drawn < settings.flip and part < settings.flip_until


def granted(settings: StreamSettings, score: Score, *, wrong: bool = False) -> Feedback | None:
    """What a memory is told of an outcome; None where it is not offered the item.

    Args:
        settings: of the stream.
        score: the outcome.
        wrong: turn it around.
    """
    success, value = score.success, score.value
    if wrong:
        success, value = not success, 1.0 - value
    if not settings.store.admits(success):
        return None
    level = settings.feedback
    return Feedback(
        correct=None if level is FeedbackLevel.NONE else success,
        score=value if level in (FeedbackLevel.SCORE, FeedbackLevel.GOLD) else None,
        gold=score.gold if level is FeedbackLevel.GOLD else None,
    )
