"""Changes of colour, as PIL and torchvision make them.

Images are (batch, 3, height, width) in [0, 1].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

LUMA = (0.299, 0.587, 0.114)
"""Share of red, green and blue in grey, ITU-R 601."""


def brightness(images: torch.Tensor, factor: float) -> torch.Tensor:
    """Images times a factor."""
    return (images * factor).clamp(0, 1)


def contrast(images: torch.Tensor, factor: float) -> torch.Tensor:
    """Images moved from the mean of their grey, each, or towards it."""
    mean = _grey(images).mean((1, 2, 3), keepdim=True)
    return (factor * images + (1 - factor) * mean).clamp(0, 1)


def saturation(images: torch.Tensor, factor: float) -> torch.Tensor:
    """Images moved from their grey, or towards it."""
    return (factor * images + (1 - factor) * _grey(images)).clamp(0, 1)


def gamma(images: torch.Tensor, power: float) -> torch.Tensor:
    """Images to a power."""
    return images.clamp(1e-8, 1.0) ** power


def hue(images: torch.Tensor, turn: float) -> torch.Tensor:
    """Images with the hue turned by a share of the circle."""
    import torch

    high, low = images.amax(1, keepdim=True), images.amin(1, keepdim=True)
    chroma = high - low
    red, green, blue = images.split(1, 1)
    safe = torch.where(chroma == 0, torch.ones_like(chroma), chroma)
    sector = torch.where(
        high == red,
        (green - blue) / safe,
        torch.where(high == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    angle = (sector / 6 + turn) % 1.0
    # Each channel falls from high to low with its distance from the hue, on a circle of six.
    offsets = torch.tensor([5.0, 3.0, 1.0], dtype=images.dtype, device=images.device)
    k = (offsets.view(1, 3, 1, 1) + 6 * angle) % 6
    return high - chroma * torch.minimum(k, 4 - k).clamp(0, 1)


def stretch(images: torch.Tensor) -> torch.Tensor:
    """Each channel of each image stretched to [0, 1]; even channels stay."""
    import torch

    low = images.amin((2, 3), keepdim=True)
    span = images.amax((2, 3), keepdim=True) - low
    return torch.where(span > 0, (images - low) / span.clamp_min(1e-12), images)


def posterise(images: torch.Tensor, bits: int) -> torch.Tensor:
    """The highest bits of each 8-bit value."""
    step = 2 ** (8 - bits)
    return ((images * 255).round() / step).floor() * step / 255


def solarise(images: torch.Tensor, threshold: float) -> torch.Tensor:
    """Values from a threshold on inverted."""
    import torch

    return torch.where(images < threshold, images, 1 - images)


def equalise(images: torch.Tensor) -> torch.Tensor:
    """The histogram of each channel of each image made even, over 256 values."""
    import torch

    values = (images * 255).round().long()
    planes = values.flatten(0, 1).flatten(1)
    counts = torch.zeros(len(planes), 256, dtype=torch.long, device=images.device)
    counts.scatter_add_(1, planes, torch.ones_like(planes))
    last = counts.gather(1, planes.amax(1, keepdim=True))
    step = (planes.shape[1] - last) // 255
    table = (step // 2 + counts.cumsum(1) - counts) // step.clamp_min(1)
    even = table.clamp(0, 255).gather(1, planes)
    even = torch.where(step == 0, planes, even)
    return even.view_as(values).to(images.dtype) / 255


def _grey(images: torch.Tensor) -> torch.Tensor:
    import torch

    weights = torch.tensor(LUMA, dtype=images.dtype, device=images.device)
    return (images * weights.view(1, 3, 1, 1)).sum(1, keepdim=True)
