"""What a model of the adapt protocol is: a classifier of images, loaded anew for each run."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from harness.models.base import NO_HOST, Host, Model, ModelIdentity
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


class ClassifierModel(Model):
    """An image classifier. Registered as ``classifier.NAME``."""

    Options: ClassVar[type[Options]] = ClassifierOptions
    needs: ClassVar[tuple[Need, ...]] = (Need("torch", "vision"),)

    chosen: Any
    """Its engine arguments, a `ClassifierOptions`."""

    def engine_options(self) -> Mapping[str, str]:
        """The arguments that differ from their defaults."""
        return {name: str(value) for name, value in sorted(self.chosen.differing().items())}

    async def start(self, host: Host = NO_HOST) -> ModelIdentity:
        """Find out what the model is; weights are loaded by `load`."""
        del host
        return await asyncio.to_thread(self.identify)

    @abstractmethod
    def identify(self) -> ModelIdentity:
        """Id, revision and engine."""

    @abstractmethod
    def classes(self) -> tuple[str, ...]:
        """Names of its classes in the order of its scores: WordNet ids for ImageNet's."""

    @abstractmethod
    def load(self) -> Classifier:
        """The source model, fresh, on its device, in eval mode.

        Raises:
            UsageError: it cannot be loaded.
        """


def device_of(asked: str) -> str:
    """The device that an engine argument means."""
    import torch

    if asked != "auto":
        return asked
    return "cuda" if torch.cuda.is_available() else "cpu"
