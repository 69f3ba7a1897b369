"""Blur: defocus, glass, motion, zoom and Gaussian."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from harness_tasks.imagenet_c.corruptions.levels import Defocus, Glass, Line, Zooms
from harness_tasks.imagenet_c.corruptions.line_blur import line_blur
from harness_tasks.imagenet_c.corruptions.pixels import (
    Image,
    eight_bit,
    opencv,
    smoothed,
    unit,
    unit_single,
)
from harness_tasks.imagenet_c.corruptions.zooming import mean_of_zooms


def defocus_blur(image: Image, level: Defocus, _generator: np.random.Generator) -> Image:
    """Correlation with a softened disc; edges are mirrored about the outermost pixel."""
    return eight_bit(opencv().filter2D(unit(image), -1, _disc(level)))


@functools.lru_cache(maxsize=32)
def _disc(level: Defocus) -> NDArray[np.float32]:
    """The kernel, at least 17 pixels wide."""
    radius, window = (8, 3) if level.radius <= 8 else (int(level.radius), 5)
    along = np.arange(-radius, radius + 1)
    disc = (along**2 + along[:, None] ** 2 <= level.radius**2).astype(np.float32)
    disc /= disc.sum()
    return np.asarray(opencv().GaussianBlur(disc, (window, window), sigmaX=level.softening))


def gaussian_blur(image: Image, sigma: float, _generator: np.random.Generator) -> Image:
    """Gaussian filter."""
    return eight_bit(smoothed(unit(image), sigma))


def glass_blur(image: Image, level: Glass, generator: np.random.Generator) -> Image:
    """Gaussian filter, pixels replaced by near ones, Gaussian filter."""
    height, width = image.shape[:2]
    origin = np.arange(height * width)
    for _ in range(level.rounds):
        origin = origin[_sources(height, width, level.reach, generator)]
    soft = eight_bit(smoothed(unit(image), level.sigma))
    shuffled = soft.reshape(-1, 3)[origin].reshape(image.shape)
    return eight_bit(smoothed(unit(shuffled), level.sigma))


def _sources(
    height: int, width: int, reach: int, generator: np.random.Generator
) -> NDArray[np.intp]:
    """Where every pixel comes from after one round, as flat positions.

    A round visits the inner pixels from the last to the first, and each takes the present value of
    a neighbour up to `reach` pixels away. A neighbour further on has been replaced before, so its
    own source has to be followed; chains are short, and all are followed at once.
    """
    rows, columns = max(0, height - 2 * reach), max(0, width - 2 * reach)
    moves = generator.integers(-reach, reach, size=(rows * columns, 2))
    # Drawn for the last pixel first.
    across, down = moves[::-1].reshape(rows, columns, 2).transpose(2, 0, 1)
    source = np.arange(height * width)
    inner = source.reshape(height, width)[reach + 1 : height - reach + 1, reach + 1 :][:, :columns]
    inner += down * width + across
    further = source > np.arange(height * width)
    # A source that is not further on has not been replaced yet: its value is the one looked for.
    resolved = source.copy()
    pending = np.flatnonzero(further)
    while pending.size:
        via = resolved[pending]
        resolved[pending] = source[via]
        pending = pending[further[via]]
    return resolved


def motion_blur(image: Image, level: Line, generator: np.random.Generator) -> Image:
    """Blur along a line at most 45 degrees from the horizontal."""
    return line_blur(image, level, generator.uniform(-45, 45))


def zoom_blur(image: Image, level: Zooms, _generator: np.random.Generator) -> Image:
    """Mean of the image and its magnifications, of which the first is the image again."""
    factors = np.arange(level.start, level.stop, level.step).tolist()
    return eight_bit(mean_of_zooms(unit_single(image), factors))
