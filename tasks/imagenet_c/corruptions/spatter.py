"""Spatter: drops of water that lighten an image, or opaque mud."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness_tasks.imagenet_c.corruptions.levels import Spatter
from harness_tasks.imagenet_c.corruptions.pixels import (
    Image,
    eight_bit,
    opencv,
    smoothed,
    unit_single,
)

_WATER = (175 / 255, 238 / 255, 238 / 255)
"""Pale turquoise, by channel as the original adds it."""

_MUD = (63 / 255, 42 / 255, 20 / 255)
"""Brown."""


def spatter(image: Image, level: Spatter, generator: np.random.Generator) -> Image:
    """Smoothed noise above a threshold, rendered as water or as mud."""
    noise = generator.normal(level.mean, level.deviation, image.shape[:2])
    liquid = smoothed(noise, level.sigma)
    liquid[liquid < level.threshold] = 0
    out = unit_single(image)
    if level.mud:
        cover = smoothed((liquid > level.threshold).astype(np.float32), level.strength)
        cover[cover < 0.8] = 0
        clear = 1 - cover
        for channel, colour in enumerate(_MUD):
            out[..., channel] *= clear
            out[..., channel] += cover * np.float32(colour)
        return eight_bit(out)
    # Through a wider integer: a level past 255 wraps, whatever the processor makes of the cast.
    drops = _rim((liquid * 255).astype(np.int64).astype(np.uint8))
    highest = drops.max()
    if highest > 0:
        drops /= highest
        drops *= np.float32(level.strength)
        for channel, colour in enumerate(_WATER):
            out[..., channel] += drops * np.float32(colour)
    return eight_bit(out)


def _rim(liquid: Image) -> NDArray[np.float32]:
    """Thickness of drops, embossed by the distance to their edges.

    Args:
        liquid: 8-bit thickness, shape ``(height, width)``.
    """
    cv2 = opencv()
    edges = cv2.Canny(liquid, 50, 150)
    distance = np.minimum(cv2.distanceTransform(255 - edges, cv2.DIST_L2, 5), np.float32(20))
    relief = cv2.equalizeHist(cv2.blur(distance, (3, 3)).astype(np.uint8))
    emboss = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], dtype=np.float32)
    relief = cv2.filter2D(relief, cv2.CV_8U, emboss)
    return liquid * cv2.blur(relief, (3, 3)).astype(np.float32)
