"""What a stream task provides: items in streams, and an episode for each.

An episode is a world with turns; a question is an episode of length one. Gold answers live in the
episode and leave it only through `Episode.score`, whose result stays with the harness.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from harness.data import DataSource, MirrorFile
from harness.protocols.stream.settings import StreamSettings
from harness.protocols.stream.types import Brief, Experience, Item, Observation, Score
from harness.registry import About, Need


@dataclass(frozen=True)
class MetricInfo:
    """A metric that a task reports for each sample."""

    name: str
    help: str
    higher_is_better: bool = True


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


class StreamTask(ABC):
    """A benchmark whose items come one after another.

    Subclasses are registered under ``harness.tasks`` and constructed with their validated options.
    """

    protocol: ClassVar[str] = "stream"
    about: ClassVar[About]
    Options: ClassVar[type[StreamSettings]] = StreamSettings
    metrics: ClassVar[tuple[MetricInfo, ...]] = ()
    default_model: ClassVar[str] = "smollm2"
    default_methods: ClassVar[tuple[str, ...]] = ("baseline",)
    baseline: ClassVar[str] = "baseline"
    """The method that gains are measured against."""
    min_effect: ClassVar[float] = 0.01
    """Smallest difference of the primary metric that matters."""

    subsets: ClassVar[tuple[str, ...]] = ()
    """Values of its option ``subset``; empty where it has no such option."""

    def __init__(self, options: StreamSettings) -> None:
        self.options = options

    @property
    @abstractmethod
    def version(self) -> str:
        """Version of the task's rules; scores of different versions are not comparable."""

    @property
    @abstractmethod
    def subset(self) -> str:
        """The chosen subset."""

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

    def code(self) -> Sequence[type[Any]]:
        """Classes whose modules decide the samples: their change starts a new attempt.

        Imports are followed; what is loaded by a name in a string has to be listed.
        """
        return (type(self),)

    def data_sources(self) -> Sequence[DataSource]:
        """What data the items come from, with revisions and content hashes."""
        return ()

    @classmethod
    def needs(cls, options: StreamSettings) -> tuple[Need, ...]:
        """Packages that these options need."""
        del options
        return ()

    @classmethod
    def mirror_files(cls, options: StreamSettings) -> tuple[MirrorFile, ...]:
        """Files of the local mirror that these options read."""
        del options
        return ()
