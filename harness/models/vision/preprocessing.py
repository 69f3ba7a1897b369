"""What an image processor's configuration says a classifier's images have to be like.

The configuration is read as the JSON that it is: the processors of transformers need torchvision,
which is not everywhere, and do what a task has done already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import UsageError

_WHITE = 255.0
_SIDES = ("height", "width", "shortest_edge")


@dataclass(frozen=True)
class Preprocessing:
    """Size and normalisation of images in [0, 1].

    How the images were brought to their size, by which interpolation and crop, is not here: tasks
    hand in images of the right size.

    Attributes:
        size: side, in pixels.
        mean: of each channel.
        std: of each channel.
    """

    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def read(cls, given: Mapping[str, Any], what: str) -> Preprocessing:
        """Read an image processor's configuration.

        Args:
            given: ``preprocessor_config.json``.
            what: the model as the user named it.

        Raises:
            UsageError: something is missing or unknown.
        """
        if given.get("do_flip_channel_order"):
            raise UsageError(
                f"{what} takes images with blue first, which is not supported; take another."
            )
        mean, std = _normalisation(given, what)
        # Of what the processor makes of a pixel value between 0 and 255 before it normalises.
        scale = given.get("rescale_factor", 1 / _WHITE) if given.get("do_rescale", True) else 1.0
        offset = 1.0 if given.get("rescale_offset") else 0.0
        scale *= _WHITE
        return cls(
            _side(given, what),
            tuple((one + offset) / scale for one in mean),
            tuple(one / scale for one in std),
        )


def _normalisation(given: Mapping[str, Any], what: str) -> tuple[list[float], list[float]]:
    if not given.get("do_normalize", True):
        return [0.0] * 3, [1.0] * 3
    mean, std = _three(given.get("image_mean")), _three(given.get("image_std"))
    if not mean or not std:
        raise UsageError(
            f"{what} does not say how its images are normalised: preprocessor_config.json needs "
            "image_mean and image_std, three numbers each."
        )
    if given.get("include_top"):  # EfficientNet's processor divides twice
        std = [one * one for one in std]
    return mean, std


def _three(value: Any) -> list[float]:
    """A number for each channel; empty if it is none."""
    return [float(one) for one in value] if isinstance(value, list) and len(value) == 3 else []


def _side(given: Mapping[str, Any], what: str) -> int:
    cropped = given.get("do_center_crop") and given.get("crop_size") is not None
    size: Any = given.get("crop_size" if cropped else "size")
    sides = {size[name] for name in _SIDES if size.get(name)} if isinstance(size, dict) else {size}
    if len(sides) != 1 or not isinstance(side := sides.pop(), int):
        raise UsageError(
            f"{what} does not say that its images are squares: preprocessor_config.json has "
            f"size {size}."
        )
    return side
