"""A network with a linear head as a `Classifier`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from harness.protocols.adapt.classifier import Classifier

if TYPE_CHECKING:
    import torch


class LinearHead(Classifier):
    """A network that ends in a linear layer.

    Args:
        module: the whole network.
        classes: names of its classes.
        size: side of the images.
        mean: of each channel, that images are normalised by.
        std: likewise.
        encoder: gives features of normalised images; a method of the network, or of a part.
        head: the linear layer, a part of the network.
        late: beginnings of the names of layers of the last stage.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        classes: Sequence[str],
        size: int,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        encoder: Callable[[torch.Tensor], torch.Tensor],
        head: torch.nn.Module,
        late: tuple[str, ...] = (),
    ) -> None:
        import torch

        super().__init__(module, classes, size)
        device = next(module.parameters()).device
        self._mean = torch.tensor(mean, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(std, device=device).view(1, 3, 1, 1)
        self._encoder, self._head, self._late = encoder, head, late

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Features, (batch, dimensions)."""
        return self._encoder((images - self._mean) / self._std)

    def head(self, features: torch.Tensor) -> torch.Tensor:
        """Scores, (batch, classes)."""
        return self._head(features)

    def class_weights(self) -> torch.Tensor | None:
        """Rows of the linear layer."""
        import torch

        return self._head.weight if isinstance(self._head, torch.nn.Linear) else None

    def late(self, name: str) -> bool:
        """Whether a layer is of the last stage."""
        return name.startswith(self._late) if self._late else False
