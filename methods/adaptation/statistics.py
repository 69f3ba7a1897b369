"""Mean and variance in batch norm layers: the source's, the batch's, or something between.

What is put in place here replaces the `forward` of each layer object and keeps nothing of the one
before, so that doing it again, as every reset does, changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness.protocols.adapt import NormKind, norm_layers

if TYPE_CHECKING:
    import torch


def mix_statistics(module: torch.nn.Module, share: Callable[[int], float]) -> None:
    """Normalise by (1 - a) times the source's mean and variance plus a times the batch's.

    The buffers stay as they are, and no gradient flows through the statistics.

    Args:
        module: the network.
        share: a, for the number of images in the batch.
    """
    for layer in batch_norms(module):
        layer.forward = partial(_mixed, layer, share)


def keep_robust_statistics(module: torch.nn.Module, alpha: float) -> None:
    """Let layers in training mode move their buffers by `alpha` towards the batch, and use them.

    In eval mode they normalise by the buffers, as ever.

    Args:
        module: the network.
        alpha: share of the batch's statistics.
    """
    for layer in batch_norms(module):
        layer.forward = partial(_robust, layer, alpha)


def batch_norms(module: torch.nn.Module) -> list[Any]:
    """Batch norm layers, in the order of the network.

    Raises:
        UsageError: one has no statistics of the source data.
    """
    layers: list[Any] = [layer for _, layer in norm_layers(module, (NormKind.BATCH,))]
    if any(layer.running_mean is None for layer in layers):
        raise UsageError(
            "a batch norm layer of the model has no statistics of the source data to start from; "
            "take a method that uses the batch's alone, such as tent, or bn-adapt with alpha=1."
        )
    return layers


def _mixed(layer: Any, share: Callable[[int], float], inputs: torch.Tensor) -> torch.Tensor:
    import torch

    with torch.no_grad():
        mean, variance = _moments(inputs)
        a = share(len(inputs))
        mean = (1 - a) * layer.running_mean + a * mean
        variance = (1 - a) * layer.running_var + a * variance
    return torch.nn.functional.batch_norm(
        inputs, mean, variance, layer.weight, layer.bias, False, 0.0, layer.eps
    )


def _robust(layer: Any, alpha: float, inputs: torch.Tensor) -> torch.Tensor:
    mean, variance = layer.running_mean, layer.running_var
    if layer.training:
        of_batch = _moments(inputs)
        mean = (1 - alpha) * mean + alpha * of_batch[0]
        variance = (1 - alpha) * variance + alpha * of_batch[1]
        layer.running_mean.copy_(mean.detach())
        layer.running_var.copy_(variance.detach())
    shape = (1, -1, *[1] * (inputs.dim() - 2))
    scaled = (inputs - mean.view(shape)) / (variance.view(shape) + layer.eps).sqrt()
    if layer.weight is None:
        return scaled
    return scaled * layer.weight.view(shape) + layer.bias.view(shape)


def _moments(inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and biased variance of each channel."""
    import torch

    places = [place for place in range(inputs.dim()) if place != 1]
    variance, mean = torch.var_mean(inputs, places, correction=0)
    return mean, variance
