"""Blur along a line, with the values of ImageMagick's ``MotionBlurImage``."""

from __future__ import annotations

import math

import numpy as np

from harness_tasks.imagenet_c.corruptions.levels import Line
from harness_tasks.imagenet_c.corruptions.pixels import Image, opencv


def line_blur(image: Image, line: Line, angle: float) -> Image:
    """Weighted mean of the pixels along a line that starts at each pixel.

    Args:
        image: shape ``(height, width)`` or ``(height, width, 3)``.
        line: its length and its Gaussian.
        angle: degrees from the horizontal.

    Returns:
        An image of the same shape. Pixels beyond the edge repeat it, and sums are rounded to the
        nearest level, half up, as ImageMagick's 16-bit pixels are.
    """
    cv2 = opencv()
    weights = [math.exp(-(i * i) / (2 * line.sigma**2)) for i in range(2 * line.radius + 1)]
    total = math.fsum(weights)
    down, across = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    steps = [(math.ceil(i * down - 0.5), math.ceil(i * across - 0.5)) for i in range(len(weights))]
    above, below = -min(dy for dy, _ in steps), max(dy for dy, _ in steps)
    left, right = -min(dx for _, dx in steps), max(dx for _, dx in steps)
    padded = cv2.copyMakeBorder(image, above, below, left, right, cv2.BORDER_REPLICATE)
    padded = padded.astype(np.float64)
    height, width = image.shape[:2]
    blurred = np.zeros(image.shape)
    for weight, (dy, dx) in zip(weights, steps, strict=True):
        there = padded[above + dy : above + dy + height, left + dx : left + dx + width]
        cv2.scaleAdd(there, weight / total, blurred, blurred)
    blurred += 0.5
    return blurred.astype(np.uint8)
