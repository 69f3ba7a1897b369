"""Magnify the middle of an image, value for value as `scipy.ndimage.zoom` of order 1 does.

scipy visits every output value with eight products in three dimensions. Here the weights of rows
and columns are computed once for a size, and the products are taken for whole rows.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness_tasks.imagenet_c.corruptions.pixels import Field


@dataclass(frozen=True)
class _Axis:
    """Both neighbours of every output position along one axis, and their weights."""

    lower: NDArray[np.intp]
    upper: NDArray[np.intp]
    lower_weight: Field
    upper_weight: Field


def magnified(values: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    """The middle of an image, so that it fills the size again, with linear interpolation.

    Args:
        values: shape ``(height, width)`` or ``(height, width, channels)``.
        factor: at least 1; 1 gives the image back.

    Returns:
        An array of the same shape, the argument itself for a factor of 1. Sums are taken in the
        order that scipy takes them.
    """
    if factor == 1:
        return values
    height, width = values.shape[:2]
    channels = math.prod(values.shape[2:])
    rows, columns = _axis(height, factor, 1), _axis(width, factor, channels)
    flat = values.reshape(height, width * channels)
    out = np.zeros(flat.shape)
    # Blocks of rows whose intermediate values stay in the processor's cache.
    for start in range(0, height, 32):
        block = slice(start, start + 32)
        part = out[block]
        for index, weight in (
            (rows.lower[block], rows.lower_weight[block]),
            (rows.upper[block], rows.upper_weight[block]),
        ):
            line = flat[index]
            line *= weight[:, None]
            for across, share in (
                (columns.lower, columns.lower_weight),
                (columns.upper, columns.upper_weight),
            ):
                term = line.take(across, axis=1)
                term *= share
                part += term
    return out.reshape(values.shape)


@functools.lru_cache(maxsize=512)
def _axis(length: int, factor: float, channels: int) -> _Axis:
    """Positions of one axis; with several channels, of the flattened last two axes."""
    crop = math.ceil(length / factor)
    size = round(crop * factor)
    trimmed = (size - length) // 2
    step = (crop - 1) / (size - 1) if size > 1 else 1.0
    position = np.arange(trimmed, trimmed + length) * step
    lower = np.floor(position)
    lower_weight = 1.0 - (position - lower)
    upper_weight = 1.0 - lower_weight
    # Rounding can put the last position past the last pixel, where scipy reads zeros.
    beyond = position > crop - 1
    lower_weight[beyond] = upper_weight[beyond] = 0.0
    first = (length - crop) // 2 + np.minimum(lower, crop - 1).astype(np.intp)
    second = np.minimum(first + 1, (length - crop) // 2 + crop - 1)
    channel = np.arange(channels)
    return _Axis(
        (first[:, None] * channels + channel).ravel(),
        (second[:, None] * channels + channel).ravel(),
        lower_weight.repeat(channels),
        upper_weight.repeat(channels),
    )


def mean_of_zooms(values: NDArray[np.float32], factors: Sequence[float]) -> Field:
    """Mean of an image and its magnifications, summed in single precision in the given order."""
    double = values.astype(np.float64)
    total = np.zeros_like(values)
    for factor in factors:
        total += magnified(double, factor).astype(np.float32)
    return (values + total) / (len(factors) + 1)
