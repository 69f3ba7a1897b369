"""Weather: snow, fog and brightness. Frost, which needs pictures, is in `frost`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness_tasks.imagenet_c.corruptions.colour import value_changed
from harness_tasks.imagenet_c.corruptions.levels import Fog, Snow
from harness_tasks.imagenet_c.corruptions.line_blur import line_blur
from harness_tasks.imagenet_c.corruptions.pixels import (
    Image,
    eight_bit,
    opencv,
    unit,
    unit_single,
)
from harness_tasks.imagenet_c.corruptions.zooming import magnified


def snow(image: Image, level: Snow, generator: np.random.Generator) -> Image:
    """Flakes and the same flakes turned by 180 degrees, over a whitened image."""
    noise = generator.normal(level.mean, level.deviation, image.shape[:2])
    flakes = magnified(noise, level.zoom)
    flakes[flakes < level.threshold] = 0
    fallen = line_blur(eight_bit(flakes), level.line, generator.uniform(-135, -45))
    clear = unit_single(image)
    cv2 = opencv()
    grey = cv2.cvtColor(clear, cv2.COLOR_RGB2GRAY)
    share = level.image_share
    white = share * clear + (1 - share) * np.maximum(clear, (grey * 1.5 + 0.5)[..., None])
    layer = unit(fallen)[..., None]
    return eight_bit(white + layer + np.rot90(layer, k=2))


def fog(image: Image, level: Fog, generator: np.random.Generator) -> Image:
    """A plasma fractal added, and the sum scaled so that the lightest value stays."""
    height, width = image.shape[:2]
    clear = unit(image)
    lightest = clear.max()
    side = 1 << max(1, (max(height, width) - 1).bit_length())
    layer = level.amount * plasma(side, level.decay, generator)[:height, :width]
    clear += layer.repeat(3, axis=1).reshape(image.shape)
    clear *= lightest
    clear /= lightest + level.amount
    return eight_bit(clear)


def plasma(side: int, decay: float, generator: np.random.Generator) -> NDArray[np.float64]:
    """A height map by the diamond-square algorithm, repeating at its edges.

    Args:
        side: a power of two, at least 2.
        decay: what the random part is divided by from one size to the next.
        generator: draws of every size: centres of squares first, then the points above or below
            them, then those beside them.

    Returns:
        Heights from 0 to 1, shape ``(side, side)``.
    """

    def wobbled(total: NDArray[np.float64]) -> NDArray[np.float64]:
        # The random part is scaled twice, as in the original.
        return total / 4 + wobble * generator.uniform(-wobble, wobble, total.shape)

    wobble = 100.0
    corners = np.zeros((1, 1))
    while len(corners) < side:
        pairs = corners + _next(corners, 0)
        centres = wobbled(pairs + _next(pairs, 1))
        rows = wobbled((centres + _previous(centres, 0)) + (corners + _next(corners, 1)))
        columns = wobbled((centres + _previous(centres, 1)) + (corners + _next(corners, 0)))
        finer = np.empty((2 * len(corners), 2 * len(corners)))
        finer[::2, ::2], finer[::2, 1::2] = corners, rows
        finer[1::2, ::2], finer[1::2, 1::2] = columns, centres
        corners = finer
        wobble /= decay
    corners -= corners.min()
    return corners / corners.max()


def _next(heights: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Each point's next neighbour along an axis."""
    return np.roll(heights, -1, axis)


def _previous(heights: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Each point's previous neighbour along an axis."""
    return np.roll(heights, 1, axis)


def brightness(image: Image, amount: float, _generator: np.random.Generator) -> Image:
    """The value of HSV raised."""
    return value_changed(image, lambda value: value + amount)
