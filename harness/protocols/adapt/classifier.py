"""An image classifier as methods see it: images to features, features to class scores.

Images are float32 tensors of shape (batch, 3, height, width) in [0, 1]; each classifier has its own
normalisation, which is part of `encode`, because a wrong one costs many points and no method
should have to know it.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from harness.errors import MethodError

if TYPE_CHECKING:
    import torch


class NormKind(StrEnum):
    """Kinds of normalisation layers."""

    BATCH = "batch norm"
    LAYER = "layer norm"
    GROUP = "group norm"


@dataclass
class Work:
    """How many images went through a network, for overheads that no clock disturbs."""

    forwards: int = 0
    backwards: int = 0


class Classifier(ABC):
    """A classifier whose last step is linear in its features.

    Args:
        module: the network; what methods adapt.
        classes: names of the classes, in the order of the scores.
        size: side of the images that it takes, in pixels.
    """

    def __init__(self, module: torch.nn.Module, classes: Sequence[str], size: int) -> None:
        self.module = module
        self.classes = tuple(classes)
        self.size = size
        self.work = Work()

    def encode(self, images: torch.Tensor, batch: torch.Tensor | None = None) -> torch.Tensor:
        """Features of images.

        Args:
            images: (batch, 3, height, width) in [0, 1].
            batch: the images of the stream that these are views or a part of, for wrappers that
                look at a batch as a whole; none: the images themselves.

        Returns:
            (batch, dimensions).
        """
        del batch
        self.work.forwards += len(images)
        return self.features(images)

    @abstractmethod
    def features(self, images: torch.Tensor) -> torch.Tensor:
        """What `encode` gives, without counting; normalises the images first."""

    @abstractmethod
    def head(self, features: torch.Tensor) -> torch.Tensor:
        """Scores before the softmax, (batch, classes), of features (batch, dimensions)."""

    def logits(self, images: torch.Tensor, batch: torch.Tensor | None = None) -> torch.Tensor:
        """Scores before the softmax, (batch, classes); arguments as of `encode`."""
        return self.head(self.encode(images, batch))

    @abstractmethod
    def class_weights(self) -> torch.Tensor | None:
        """Rows of the linear head, (classes, dimensions); None where there is no linear head."""

    def late(self, name: str) -> bool:
        """Whether a layer belongs to the last stage of the network, which SAR leaves alone."""
        del name
        return False

    def copy(self) -> Mapping[str, torch.Tensor]:
        """All weights and buffers, copied."""
        return {name: one.detach().clone() for name, one in self.module.state_dict().items()}

    def restore(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Put copied weights and buffers back, in place."""
        self.module.load_state_dict(dict(weights), strict=True)

    def modes(self) -> dict[str, tuple[bool, bool]]:
        """Of each layer: whether it is in training mode, and whether it keeps statistics."""
        return {
            name: (one.training, bool(getattr(one, "track_running_stats", False)))
            for name, one in self.module.named_modules()
        }

    def fingerprint(self) -> str:
        """Hash of all weights and buffers, bit for bit."""
        digest = hashlib.sha256()
        for name, one in sorted(self.module.state_dict().items()):
            flat: Any = one.detach().cpu().contiguous()
            digest.update(f"{name}/{flat.dtype}/{tuple(flat.shape)}".encode())
            digest.update(flat.reshape(-1).view(_bytes()).numpy().tobytes())
        return digest.hexdigest()[:16]


class TextClassifier(Classifier):
    """A classifier whose class weights are features of texts, as CLIP's.

    `encode` gives features of length 1, and the scores are `scale` times their products with the
    class features, which have length 1 too.
    """

    scale: float

    @abstractmethod
    def context(self) -> torch.Tensor:
        """Embeddings of the words that precede a class's name, (words, width), copied."""

    @abstractmethod
    def class_features(self, context: torch.Tensor) -> torch.Tensor:
        """Class features, (classes, dimensions), of prompts that begin with a context.

        A gradient flows to the context.
        """


def _bytes() -> Any:
    import torch

    return torch.uint8


def norm_layers(
    module: torch.nn.Module, kinds: Iterable[NormKind] = tuple(NormKind)
) -> list[tuple[str, torch.nn.Module]]:
    """Normalisation layers of the given kinds by name, in the order of the network."""
    from torch import nn

    types: dict[NormKind, tuple[type[nn.Module], ...]] = {
        NormKind.BATCH: (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm),
        NormKind.LAYER: (nn.LayerNorm,),
        NormKind.GROUP: (nn.GroupNorm,),
    }
    wanted = tuple(one for kind in kinds for one in types[kind])
    return [(name, one) for name, one in module.named_modules() if isinstance(one, wanted)]


def use_batch_statistics(module: torch.nn.Module) -> None:
    """Let batch norm layers normalise by the batch's mean and variance; their buffers stay."""
    for _, layer in norm_layers(module, (NormKind.BATCH,)):
        one: Any = layer
        one.training = True
        one.track_running_stats = False


def finite(scores: torch.Tensor) -> torch.Tensor:
    """The scores.

    Raises:
        MethodError: one is no finite number.
    """
    if not bool(scores.isfinite().all()):
        raise MethodError("the adapted model's scores are no finite numbers any more: it diverged")
    return scores
