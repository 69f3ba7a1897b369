"""What a subset of Evo-Memory provides; `harness_tasks.evo_memory.task` lists them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from harness.data import DataSource, MirrorFile
from harness.errors import UsageError
from harness.protocols.stream import Episode, Experience, Item, StreamSettings
from harness.registry import Need


class EvoMemoryOptions(StreamSettings):
    """Options of the task; what a subset does not know, it refuses."""

    subset: str = "reasoning"
    """reasoning (generated questions), babyai (grid-world missions), scienceworld (experiments),
    pddl (planning problems), alfworld (household chores) or textworld (generated text games)."""
    streams: int | None = Field(default=None, ge=1)
    """Disjoint streams; none: the subset's own number."""
    items: int | None = Field(default=None, ge=1)
    """Items of each stream (reasoning only: 6, and textworld: 9)."""
    families: tuple[str, ...] = ()
    """Question families (reasoning only); empty: those that the embedded model can do at times."""
    families_per_stream: int = Field(default=2, ge=1)
    """Different families in a stream (reasoning only), so that templates recur."""
    rationale: bool = True
    """Let a question be answered with a rationale before the answer (published questions only)."""
    apis: int | None = Field(default=None, ge=1)
    """APIs to choose from (toolbench only), so that a small window holds them; none: all fifty."""
    max_steps: int = Field(default=30, ge=1)
    """Most actions of an episode (worlds only, since a question takes one; AgentBoard: 30)."""


class Subset(ABC):
    """One data set of the task."""

    options_used: ClassVar[frozenset[str]]
    """Options of `EvoMemoryOptions` that this subset knows beyond those of every stream."""
    max_tokens: ClassVar[int]
    """Default of the longest answer."""
    needs: ClassVar[tuple[Need, ...]] = ()
    confidential: ClassVar[bool] = False
    """Whether no text of an item may stay in results."""
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


def in_streams(count: int, streams: int, called: str) -> list[str]:
    """Cut items in native order into consecutive parts of nearly equal size.

    Args:
        count: how many items there are.
        streams: how many parts.
        called: subset and items in a message: ``babyai has 112 missions``, for instance.

    Returns:
        The stream id of each item.

    Raises:
        UsageError: there are more streams than items.
    """
    if streams > count:
        raise UsageError(f"{called}; streams must not exceed them.")
    return [f"{index * streams // count:03d}" for index in range(count)]
