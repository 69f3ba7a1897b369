"""What a subset of Evo-Memory provides; `harness_tasks.evo_memory.task` lists them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from harness.data import DataSource, MirrorFile
from harness.protocols.stream import Episode, Experience, Item, StreamSettings
from harness.registry import Need


class EvoMemoryOptions(StreamSettings):
    """Options of the task; what a subset does not know, it refuses."""

    subset: str = "reasoning"
    """reasoning (generated questions) or babyai (grid-world missions)."""
    streams: int | None = Field(default=None, ge=1)
    """Disjoint streams; none: the subset's own number."""
    items: int | None = Field(default=None, ge=1)
    """Items of each stream (reasoning only); none: 6."""
    families: tuple[str, ...] = ()
    """Question families (reasoning only); empty: those that the embedded model can do at times."""
    families_per_stream: int = Field(default=2, ge=1)
    """Different families in a stream (reasoning only), so that templates recur."""
    max_steps: int = Field(default=30, ge=1)
    """Most actions of an episode (babyai only; AgentBoard: 30)."""


class Subset(ABC):
    """One data set of the task."""

    options_used: ClassVar[frozenset[str]]
    """Options of `EvoMemoryOptions` that this subset knows beyond those of every stream."""
    max_tokens: ClassVar[int]
    """Default of the longest answer."""
    needs: ClassVar[tuple[Need, ...]] = ()
    mirror_files: ClassVar[tuple[MirrorFile, ...]] = ()
    """What it reads from the local mirror."""

    def __init__(self, options: EvoMemoryOptions) -> None:
        self.options = options

    @property
    @abstractmethod
    def version(self) -> str:
        """Version of the rules and of what the items depend on."""

    @abstractmethod
    def items(self, data_seed: int) -> Sequence[Item]:
        """All items in native order."""

    @abstractmethod
    def episode(self, item: Item) -> Episode:
        """Open an item."""

    @abstractmethod
    def demonstrations(self, count: int, data_seed: int) -> Sequence[Experience]:
        """Solved examples that are disjoint from all items."""

    @abstractmethod
    def data_sources(self) -> Sequence[DataSource]:
        """Where the items come from."""
