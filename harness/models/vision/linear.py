"""A network with a linear head as a `Classifier`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.models.classifiers import ClassifierOptions
from harness.models.local import device_of
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
        encoder: gives features of normalised images; a method of the network, or of an object that
            holds it, so that it is copied with the classifier.
        head: the linear layer, a part of the network.
        late: names of the layers of the last stage; what lies in them belongs to it.
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
        self._encoder, self._head = encoder, head
        self._late = tuple(one.rstrip(".") for one in late)

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
        return is_in(name, self._late)


def is_in(name: str, layers: Sequence[str]) -> bool:
    """Whether a layer is one of some, or lies in one."""
    return any(name == one or name.startswith(f"{one}.") for one in layers)


def place(module: torch.nn.Module, chosen: ClassifierOptions) -> None:
    """Put a network on its device, ready to predict.

    Raises:
        UsageError: there is no such device.
    """
    import torch

    if chosen.threads is not None:
        torch.set_num_threads(chosen.threads)
    device = device_of(chosen.device)
    try:
        module.eval().to(device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(
            f"the model cannot be put on device={device} ({str(error).splitlines()[0]}); take "
            "--model-arg device=cpu, or one with room."
        ) from error
