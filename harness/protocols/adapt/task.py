"""What an adapt task provides: labelled pictures in the order of a stream, and what reads them.

A stream is a list of stages. Between stages the method may be reset; inside one it sees nothing but
images. Labels stay in `Picture`, which no method gets.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pydantic import Field

from harness.options import Options
from harness.protocols.adapt.classifier import Classifier
from harness.protocols.task import Summary, Task
from harness.results.schema import SampleRecord

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Picture:
    """One image of a stream: a photograph under a corruption.

    Attributes:
        sample_id: photograph and corruption, such as ``fog/3/n01440764/10.JPEG``.
        source_id: the photograph; what comes from one is not independent.
        group: the corruption.
        severity: of it; 0 for a clean image.
        label: index of its class among the model's, kept from methods.
        content_hash: of what decides its bytes, as far as it is known without reading them.
        repeat: how often it came before in the stream.
        recipe: how it is made, for the reader.
    """

    sample_id: str
    source_id: str
    group: str
    severity: int
    label: int
    content_hash: str
    repeat: int = 0
    recipe: Any = None


@dataclass(frozen=True)
class Stage:
    """A part of a stream without a border inside.

    Attributes:
        name: what it is, such as ``fog/3``.
        pictures: in order.
        reset: whether the method returns to the source model before it.
        checkpoint: names rows that are no part of the stream proper, such as ``after``.
    """

    name: str
    pictures: tuple[Picture, ...]
    reset: bool
    checkpoint: str = ""


class Reader(Protocol):
    """Makes the bytes of pictures; it is sent to other processes, so it holds plain values."""

    def read(self, picture: Picture, size: int) -> Pixels:
        """Pixels, (size, size, 3), uint8, RGB.

        Raises:
            InvalidSample: the file is broken, empty or no image.
        """
        ...


class AdaptSettings(Options):
    """Options that every adapt task has."""

    batch_size: int = Field(default=64, ge=1)
    """Images that a method sees at once."""
    window: int | None = Field(default=None, ge=2)
    """One image at a time, each predicted among the last N: a sliding window; none: in batches."""
    pace: float | None = Field(default=None, gt=0)
    """The stream does not wait: it brings N batches in the time that the source model takes for
    one. A step that costs k forward passes misses the next ones, up to k N, which are predicted
    without adapting (Alfarra et al. 2024, arXiv 2304.04795). A backward pass counts as two forward
    passes, so that no clock decides. none: the stream waits."""
    workers: int | None = Field(default=None, ge=0)
    """Processes that make images; none: one less than there are cores; 0: a thread. No part of what
    a run is."""


OPERATIONAL = frozenset({"workers", "data", "clean_data", "frost"})
"""Options that say how fast or from where, not what: what was found there is in the data's hash and
in the task's version."""


class AdaptTask(Task):
    """A benchmark of adaptation at test time.

    Subclasses are registered under ``harness.tasks`` and constructed with their validated options.
    """

    protocol: ClassVar[str] = "adapt"
    Options: ClassVar[type[AdaptSettings]] = AdaptSettings
    default_model: ClassVar[str] = "efficientnet-lite0"
    default_methods: ClassVar[tuple[str, ...]] = ("source", "bn-adapt", "tent", "tent+panda")
    baseline: ClassVar[str] = "source"

    def __init__(self, options: AdaptSettings) -> None:
        self.options = options

    @property
    def subset(self) -> str:
        """The chosen subset: the option of that name, or ``default`` where a task has none."""
        return str(getattr(self.options, "subset", "default"))

    @abstractmethod
    def stages(self, classes: Sequence[str], seed: int, limit: int | None) -> Sequence[Stage]:
        """The stream, in order; cheap and repeatable.

        Args:
            classes: names of the model's classes, in the order of its scores.
            seed: decides orders and random corruptions.
            limit: take so many photographs of each corruption; none: all.

        Raises:
            UsageError: the data are not there, or their classes are not the model's.
        """

    @abstractmethod
    def reader(self, seed: int) -> Reader:
        """What makes the pixels."""

    @abstractmethod
    def clean(self, number: int, seed: int) -> Sequence[Picture]:
        """Clean pictures of the source data for methods that look at some beforehand.

        Raises:
            UsageError: there are none, or too few.
        """

    @abstractmethod
    def summarise(self, rows: Iterable[SampleRecord]) -> Summary:
        """The benchmark's metrics of a run's rows, ``score`` among them."""

    def check_model(self, model: Classifier) -> None:
        """Refuse a model that the task's images do not fit."""
        del model
