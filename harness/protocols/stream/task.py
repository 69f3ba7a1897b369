"""What a stream task provides: items in streams, and an episode for each.

An episode is a world with turns; a question is an episode of length one. Gold answers live in the
episode and leave it only through `Episode.score`, whose result stays with the harness.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from harness.protocols.stream.settings import StreamSettings
from harness.protocols.stream.types import Brief, Experience, Item, Observation, Score
from harness.protocols.task import MetricInfo, Task


class Episode(ABC):
    """One item being played."""

    blocking: ClassVar[bool] = True
    """Whether `reset`, `step` and `score` may take long, so that they are called in a thread."""

    @property
    @abstractmethod
    def brief(self) -> Brief:
        """What the method is told; valid after `reset`."""

    @abstractmethod
    def reset(self) -> Observation:
        """Start the episode and show the first observation (empty text for a question)."""

    @abstractmethod
    def step(self, action: str) -> Observation:
        """Take one action; `Observation.done` ends the episode."""

    @abstractmethod
    def score(self) -> Score:
        """Score what was done so far; called once, after the last turn."""

    def close(self) -> None:  # noqa: B027 - most episodes hold nothing
        """Release what the episode holds; called on every way out."""


class StreamTask(Task):
    """A benchmark whose items come one after another.

    Subclasses are registered under ``harness.tasks`` and constructed with their validated options.
    """

    protocol: ClassVar[str] = "stream"
    Options: ClassVar[type[StreamSettings]] = StreamSettings
    default_model: ClassVar[str] = "smollm2"
    default_methods: ClassVar[tuple[str, ...]] = ("baseline",)
    baseline: ClassVar[str] = "baseline"

    def __init__(self, options: StreamSettings) -> None:
        self.options = options

    @property
    def confidential(self) -> bool:
        """Whether no text of an item may stay in published results; default: it may."""
        return False

    @abstractmethod
    def items(self, data_seed: int) -> Sequence[Item]:
        """List the items in native order, those of a stream together; cheap and repeatable."""

    @abstractmethod
    def episode(self, item: Item) -> Episode:
        """Open an item."""

    def demonstrations(self, count: int, data_seed: int) -> Sequence[Experience]:
        """Solved examples that are disjoint from all items, at most `count`; default: none."""
        del count, data_seed
        return ()

    def sampling_defaults(self) -> dict[str, float | int]:
        """Sampling settings of the subset that ``-M`` overrides, such as ``max_tokens``."""
        return {}


__all__ = ["Episode", "MetricInfo", "StreamTask"]
