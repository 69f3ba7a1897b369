"""Corrupt one image: `corrupt` finds the corruption, its constants, and checks what it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from harness.errors import UnknownName, UsageError
from harness_tasks.imagenet_c.corruptions import blur, digital, levels, noise, spatter, weather
from harness_tasks.imagenet_c.corruptions.frost import FrostPictures, frosted
from harness_tasks.imagenet_c.corruptions.names import NAMES, SEVERITIES, Table
from harness_tasks.imagenet_c.corruptions.pixels import Image

Level = TypeVar("Level")


@dataclass(frozen=True)
class _Corruption(Generic[Level]):
    """A function of an image, one severity's constants and a generator; and those constants."""

    function: Callable[[Image, Level, np.random.Generator], Image]
    levels: levels.Levels[Level]

    def __call__(
        self, image: Image, table: Table, severity: int, generator: np.random.Generator
    ) -> Image:
        return self.function(image, self.levels.at(table, severity), generator)


_CORRUPTIONS: dict[str, _Corruption[Any]] = {
    "gaussian_noise": _Corruption(noise.gaussian_noise, levels.GAUSSIAN_NOISE),
    "shot_noise": _Corruption(noise.shot_noise, levels.SHOT_NOISE),
    "impulse_noise": _Corruption(noise.impulse_noise, levels.IMPULSE_NOISE),
    "defocus_blur": _Corruption(blur.defocus_blur, levels.DEFOCUS_BLUR),
    "glass_blur": _Corruption(blur.glass_blur, levels.GLASS_BLUR),
    "motion_blur": _Corruption(blur.motion_blur, levels.MOTION_BLUR),
    "zoom_blur": _Corruption(blur.zoom_blur, levels.ZOOM_BLUR),
    "snow": _Corruption(weather.snow, levels.SNOW),
    "fog": _Corruption(weather.fog, levels.FOG),
    "brightness": _Corruption(weather.brightness, levels.BRIGHTNESS),
    "contrast": _Corruption(digital.contrast, levels.CONTRAST),
    "elastic_transform": _Corruption(digital.elastic_transform, levels.ELASTIC_TRANSFORM),
    "pixelate": _Corruption(digital.pixelate, levels.PIXELATE),
    "jpeg_compression": _Corruption(digital.jpeg_compression, levels.JPEG_COMPRESSION),
    "speckle_noise": _Corruption(noise.speckle_noise, levels.SPECKLE_NOISE),
    "gaussian_blur": _Corruption(blur.gaussian_blur, levels.GAUSSIAN_BLUR),
    "spatter": _Corruption(spatter.spatter, levels.SPATTER),
    "saturate": _Corruption(digital.saturate, levels.SATURATE),
}
"""All but frost, which takes pictures as well."""


def corrupt(
    image: Image,
    name: str,
    severity: int,
    generator: np.random.Generator,
    *,
    table: Table = Table.IMAGENET,
    frost: FrostPictures | None = None,
) -> Image:
    """One image, corrupted.

    Args:
        image: 8-bit RGB, shape ``(height, width, 3)``; it is not changed.
        name: one of `names.NAMES`.
        severity: 1 to 5.
        generator: what every random number is drawn from; `draws.draws` makes one.
        table: whose constants to use.
        frost: pictures that frost is cropped from; the stand-in where none are given.

    Returns:
        8-bit RGB of the same shape.

    Raises:
        UsageError: no such corruption or severity, or an image that it is not defined for.
        MissingExtra: OpenCV or Pillow is needed and not installed.
    """
    if name not in NAMES:
        raise UnknownName("corruption", name, NAMES)
    if severity not in SEVERITIES:
        raise UsageError(f"there is no severity {severity}; severities are 1, 2, 3, 4 and 5.")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise UsageError(
            "corruptions need an 8-bit RGB image of shape (height, width, 3) with at least one "
            f"pixel; this one is {image.dtype} of shape {image.shape}."
        )
    if name == "frost":
        level = levels.FROST.at(table, severity)
        return frosted(image, level, generator, frost or FrostPictures.stand_in())
    return _CORRUPTIONS[name](image, table, severity, generator)
