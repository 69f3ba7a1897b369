"""Change the saturation or the value of HSV.

The arithmetic is that of ``skimage.color.rgb2hsv`` and ``hsv2rgb`` in the same order, on planes
instead of masked copies: three quarters of what those compute is thrown away.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from harness_tasks.imagenet_c.corruptions.pixels import Image, eight_bit

Plane: TypeAlias = NDArray[np.float64]


class _Hsv(NamedTuple):
    """Planes in [0, 1], shape ``(height, width)``."""

    hue: Plane
    saturation: Plane
    value: Plane


def saturation_changed(image: Image, change: Callable[[Plane], Plane]) -> Image:
    """The image with another saturation, which is clipped to [0, 1]."""
    hsv = _hsv(image)
    return _rgb(hsv._replace(saturation=np.clip(change(hsv.saturation), 0, 1)))


def value_changed(image: Image, change: Callable[[Plane], Plane]) -> Image:
    """The image with another value, which is clipped to [0, 1]."""
    hsv = _hsv(image)
    return _rgb(hsv._replace(value=np.clip(change(hsv.value), 0, 1)))


def _hsv(image: Image) -> _Hsv:
    """Hue 0 and saturation 0 where all channels are equal."""
    red, green, blue = np.ascontiguousarray(image.transpose(2, 0, 1)) / 255.0
    value = np.maximum(np.maximum(red, green), blue)
    range_ = value - np.minimum(np.minimum(red, green), blue)
    grey = range_ == 0
    divisor = np.where(grey, 1.0, range_)
    # Where two channels are largest, the later one decides.
    by_blue, by_green = blue == value, green == value
    hue = np.where(by_blue, red - green, np.where(by_green, blue - red, green - blue))
    hue /= divisor
    hue += np.where(by_blue, 4.0, np.where(by_green, 2.0, 0.0))
    hue /= 6.0
    hue += hue < 0
    hue[grey] = 0.0
    saturation = range_ / np.where(grey, 1.0, value)
    return _Hsv(hue, saturation, value)


_HIGH, _MIDDLE, _LOW = range(3)
_SEXTANTS = (
    (_HIGH, _MIDDLE, _LOW),
    (_MIDDLE, _HIGH, _LOW),
    (_LOW, _HIGH, _MIDDLE),
    (_LOW, _MIDDLE, _HIGH),
    (_MIDDLE, _LOW, _HIGH),
    (_HIGH, _LOW, _MIDDLE),
)
"""Which of the three levels red, green and blue take in each sixth of the hues."""


def _rgb(hsv: _Hsv) -> Image:
    """8-bit levels; each of the three distinct ones is computed once and placed by the hue."""
    hue, saturation, value = hsv
    angle = hue * 6
    sextant = np.floor(angle)
    rest = angle - sextant
    sextant = sextant.astype(np.uint8)
    fall = np.where(sextant & 1, rest, 1 - rest)
    low = eight_bit(value * (1 - saturation))
    middle = eight_bit(value * (1 - fall * saturation))
    high = eight_bit(value.copy())
    planes = (high, middle, low)
    out = np.empty((*hue.shape, 3), dtype=np.uint8)
    for channel in range(3):
        out[..., channel] = np.choose(sextant, [planes[order[channel]] for order in _SEXTANTS])
    return out
