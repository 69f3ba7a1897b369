"""What a model of the adapt protocol is: a classifier of images, loaded anew for each run."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.models.local import LocalModel
from harness.options import Options
from harness.registry import Need

if TYPE_CHECKING:
    from harness.protocols.adapt.classifier import Classifier


class ClassifierOptions(Options):
    """Engine arguments of classifiers (``--model-arg``)."""

    device: str = "auto"
    """cpu, cuda, cuda:1, or auto: a GPU if there is one."""
    threads: int | None = Field(default=None, ge=1)
    """Threads of torch on the CPU; none: its own choice."""


class ClassifierModel(LocalModel):
    """An image classifier. Registered as ``classifier.NAME``."""

    Options: ClassVar[type[Options]] = ClassifierOptions
    needs: ClassVar[tuple[Need, ...]] = (Need("torch", "vision"),)

    @abstractmethod
    def classes(self) -> tuple[str, ...]:
        """Names of its classes in the order of its scores: WordNet ids for ImageNet's."""

    @abstractmethod
    def load(self) -> Classifier:
        """The source model, fresh, on its device, in eval mode.

        Raises:
            UsageError: it cannot be loaded.
        """
