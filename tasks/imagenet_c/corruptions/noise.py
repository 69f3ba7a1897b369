"""Noise: Gaussian, shot, impulse and speckle. Every value of every channel is drawn by itself."""

from __future__ import annotations

import numpy as np

from harness_tasks.imagenet_c.corruptions.pixels import Image, eight_bit, unit


def gaussian_noise(image: Image, deviation: float, generator: np.random.Generator) -> Image:
    """``x + N(0, deviation)``."""
    noisy = generator.normal(0.0, deviation, image.shape)
    noisy += unit(image)
    return eight_bit(noisy)


def shot_noise(image: Image, photons: float, generator: np.random.Generator) -> Image:
    """``Poisson(x * photons) / photons``."""
    return eight_bit(generator.poisson(unit(image) * photons) / photons)


def impulse_noise(image: Image, amount: float, generator: np.random.Generator) -> Image:
    """Salt and pepper in equal parts: a share `amount` of the values becomes 255 or 0."""
    hit = generator.random(image.shape) <= amount
    salt = generator.random(image.shape) <= 0.5
    # A value that is not hit takes the original's way through [0, 1] and back, which truncates.
    kept = eight_bit(unit(np.arange(256, dtype=np.uint8))).take(image)
    return np.where(hit, salt * np.uint8(255), kept)


def speckle_noise(image: Image, deviation: float, generator: np.random.Generator) -> Image:
    """``x + x * N(0, deviation)``."""
    noisy = generator.normal(0.0, deviation, image.shape)
    clean = unit(image)
    noisy *= clean
    noisy += clean
    return eight_bit(noisy)
