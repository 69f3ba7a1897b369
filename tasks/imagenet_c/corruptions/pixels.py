"""What the corruptions share: conversion of 8-bit images, Gaussian smoothing, optional packages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from harness.errors import MissingExtra

Image: TypeAlias = NDArray[np.uint8]
"""RGB, shape ``(height, width, 3)``, unless a docstring names another."""

Field: TypeAlias = NDArray[np.floating[Any]]


def unit(image: Image) -> NDArray[np.float64]:
    """Values in [0, 1], double precision."""
    return image / 255.0


def unit_single(image: Image) -> NDArray[np.float32]:
    """Values in [0, 1], single precision throughout."""
    return image.astype(np.float32) / 255.0


def eight_bit(values: Field) -> Image:
    """8-bit levels of values in [0, 1]: clipped, then truncated. Overwrites its argument."""
    np.clip(values, 0, 1, out=values)
    values *= 255
    return values.astype(np.uint8)


def smoothed(values: Field, sigma: float) -> Field:
    """Gaussian filter over the first two axes; edges are repeated, four sigmas are kept."""
    from scipy import ndimage

    sigmas: Sequence[float] = (sigma, sigma, 0)[: values.ndim]
    return np.asarray(ndimage.gaussian_filter(values, sigmas, mode="nearest", truncate=4.0))


def opencv() -> Any:
    """The module ``cv2``.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        raise MissingExtra("corrupting images", "opencv-python-headless", "vision") from error
    return cv2


def pillow() -> Any:
    """The module ``PIL.Image``.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtra("corrupting images", "Pillow", "vision") from error
    return Image
