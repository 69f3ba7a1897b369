"""Images to square patches and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def split(images: torch.Tensor, side: int) -> torch.Tensor:
    """Patches of images, row by row; what remains at the right and below is left out.

    Args:
        images: (batch, channels, height, width).
        side: of a patch, in pixels.

    Returns:
        (batch, patches, channels, side, side).
    """
    batch, channels, height, width = images.shape
    rows, columns = height // side, width // side
    whole = images[:, :, : rows * side, : columns * side]
    parts = whole.reshape(batch, channels, rows, side, columns, side)
    return parts.permute(0, 2, 4, 1, 3, 5).reshape(batch, rows * columns, channels, side, side)


def join(patches: torch.Tensor, columns: int) -> torch.Tensor:
    """What `split` took apart, with so many patches in a row."""
    batch, number, channels, side, _ = patches.shape
    rows = number // columns
    parts = patches.reshape(batch, rows, columns, channels, side, side)
    return parts.permute(0, 3, 1, 4, 2, 5).reshape(batch, channels, rows * side, columns * side)
