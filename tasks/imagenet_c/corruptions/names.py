"""Names of the corruptions in the order of the paper, and the two tables of constants."""

from __future__ import annotations

from enum import StrEnum

VERSION = "1"
"""Raised when a corruption's bytes change for the same image and the same random numbers."""

NOISE = ("gaussian_noise", "shot_noise", "impulse_noise")
BLUR = ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur")
WEATHER = ("snow", "frost", "fog", "brightness")
DIGITAL = ("contrast", "elastic_transform", "pixelate", "jpeg_compression")

BENCHMARK = NOISE + BLUR + WEATHER + DIGITAL
"""The 15 that mean corruption error is taken over."""

EXTRA = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
"""The four meant for validation."""

NAMES = BENCHMARK + EXTRA

SEVERITIES = (1, 2, 3, 4, 5)


class Table(StrEnum):
    """Whose constants the severities stand for."""

    IMAGENET = "imagenet"
    """ImageNet-C, made for 224x224 pixels."""

    CIFAR = "cifar"
    """CIFAR-10-C and CIFAR-100-C, made for 32x32 pixels."""
