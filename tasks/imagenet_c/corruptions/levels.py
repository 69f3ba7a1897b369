"""Constants of every corruption for severities 1 to 5, ImageNet-C's and CIFAR-C's.

Lengths are in pixels and brightness in [0, 1] unless a field says otherwise. The values are those
of ``make_imagenet_c.py`` and ``make_cifar_c.py`` in hendrycks/robustness.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from harness_tasks.imagenet_c.corruptions.names import Table

T = TypeVar("T")


@dataclass(frozen=True)
class Levels(Generic[T]):
    """One corruption's constants by table and severity."""

    imagenet: tuple[T, T, T, T, T]
    cifar: tuple[T, T, T, T, T]

    def at(self, table: Table, severity: int) -> T:
        """The constants of a severity from 1 to 5."""
        return (self.imagenet if table is Table.IMAGENET else self.cifar)[severity - 1]


class Defocus(NamedTuple):
    """A disc, softened by a Gaussian."""

    radius: float
    softening: float


class Glass(NamedTuple):
    """Blur, pixels replaced by neighbours, blur."""

    sigma: float
    reach: int
    rounds: int


class Line(NamedTuple):
    """A one-sided Gaussian along a line of ``2 * radius + 1`` pixels."""

    radius: int
    sigma: float


class Zooms(NamedTuple):
    """Magnifications ``start, start + step, ...`` below `stop`, as `numpy.arange` counts them."""

    stop: float
    step: float
    start: float = 1


class Snow(NamedTuple):
    """Normal noise, magnified, cut off below a threshold and blurred along a line."""

    mean: float
    deviation: float
    zoom: float
    threshold: float
    line: Line
    image_share: float


class Frost(NamedTuple):
    """Weighted sum of the image and a crop of a picture, which is scaled first."""

    image_weight: float
    frost_weight: float
    scale: float = 1


class Fog(NamedTuple):
    """Amount of a plasma fractal, and what its roughness is divided by at each halving."""

    amount: float
    decay: float


class Elastic(NamedTuple):
    """A random affine map, then displacements smoothed with a Gaussian."""

    alpha: float
    sigma: float
    affine: float


class Spatter(NamedTuple):
    """Smoothed normal noise above a threshold; `strength` is a factor (water) or a sigma (mud)."""

    mean: float
    deviation: float
    sigma: float
    threshold: float
    strength: float
    mud: bool


class Saturation(NamedTuple):
    """``factor * saturation + offset``."""

    factor: float
    offset: float


GAUSSIAN_NOISE = Levels((0.08, 0.12, 0.18, 0.26, 0.38), (0.04, 0.06, 0.08, 0.09, 0.10))
"""Standard deviation."""

SHOT_NOISE = Levels((60, 25, 12, 5, 3), (500, 250, 100, 75, 50))
"""Photons of a white value."""

IMPULSE_NOISE = Levels((0.03, 0.06, 0.09, 0.17, 0.27), (0.01, 0.02, 0.03, 0.05, 0.07))
"""Share of values replaced."""

SPECKLE_NOISE = Levels((0.15, 0.2, 0.35, 0.45, 0.6), (0.06, 0.1, 0.12, 0.16, 0.2))
"""Standard deviation, relative to the value."""

GAUSSIAN_BLUR = Levels((1.0, 2.0, 3.0, 4.0, 6.0), (0.4, 0.6, 0.7, 0.8, 1.0))
"""Sigma."""

DEFOCUS_BLUR = Levels(
    (Defocus(3, 0.1), Defocus(4, 0.5), Defocus(6, 0.5), Defocus(8, 0.5), Defocus(10, 0.5)),
    (Defocus(0.3, 0.4), Defocus(0.4, 0.5), Defocus(0.5, 0.6), Defocus(1, 0.2), Defocus(1.5, 0.1)),
)

GLASS_BLUR = Levels(
    (Glass(0.7, 1, 2), Glass(0.9, 2, 1), Glass(1, 2, 3), Glass(1.1, 3, 2), Glass(1.5, 4, 2)),
    (Glass(0.05, 1, 1), Glass(0.25, 1, 1), Glass(0.4, 1, 1), Glass(0.25, 1, 2), Glass(0.4, 1, 2)),
)

MOTION_BLUR = Levels(
    (Line(10, 3), Line(15, 5), Line(15, 8), Line(15, 12), Line(20, 15)),
    (Line(6, 1), Line(6, 1.5), Line(6, 2), Line(8, 2), Line(9, 2.5)),
)

ZOOM_BLUR = Levels(
    (Zooms(1.11, 0.01), Zooms(1.16, 0.01), Zooms(1.21, 0.02), Zooms(1.26, 0.02), Zooms(1.31, 0.03)),
    (Zooms(1.06, 0.01), Zooms(1.11, 0.01), Zooms(1.16, 0.01), Zooms(1.21, 0.01), Zooms(1.26, 0.01)),
)

SNOW = Levels(
    (
        Snow(0.1, 0.3, 3, 0.5, Line(10, 4), 0.8),
        Snow(0.2, 0.3, 2, 0.5, Line(12, 4), 0.7),
        Snow(0.55, 0.3, 4, 0.9, Line(12, 8), 0.7),
        Snow(0.55, 0.3, 4.5, 0.85, Line(12, 8), 0.65),
        Snow(0.55, 0.3, 2.5, 0.85, Line(12, 12), 0.55),
    ),
    (
        Snow(0.1, 0.2, 1, 0.6, Line(8, 3), 0.95),
        Snow(0.1, 0.2, 1, 0.5, Line(10, 4), 0.9),
        Snow(0.15, 0.3, 1.75, 0.55, Line(10, 4), 0.9),
        Snow(0.25, 0.3, 2.25, 0.6, Line(12, 6), 0.85),
        Snow(0.3, 0.3, 1.25, 0.65, Line(14, 12), 0.8),
    ),
)

FROST = Levels(
    (Frost(1, 0.4), Frost(0.8, 0.6), Frost(0.7, 0.7), Frost(0.65, 0.7), Frost(0.6, 0.75)),
    (
        Frost(1, 0.2, 0.2),
        Frost(1, 0.3, 0.2),
        Frost(0.9, 0.4, 0.2),
        Frost(0.85, 0.4, 0.2),
        Frost(0.75, 0.45, 0.2),
    ),
)

FOG = Levels(
    (Fog(1.5, 2), Fog(2, 2), Fog(2.5, 1.7), Fog(2.5, 1.5), Fog(3, 1.4)),
    (Fog(0.2, 3), Fog(0.5, 3), Fog(0.75, 2.5), Fog(1, 2), Fog(1.5, 1.75)),
)

BRIGHTNESS = Levels((0.1, 0.2, 0.3, 0.4, 0.5), (0.05, 0.1, 0.15, 0.2, 0.3))
"""Added to the value of HSV."""

CONTRAST = Levels((0.4, 0.3, 0.2, 0.1, 0.05), (0.75, 0.5, 0.4, 0.3, 0.15))
"""Factor of the distance to the channel's mean."""

ELASTIC_TRANSFORM = Levels(
    # In units of 244 pixels, as published, although the images have 224.
    (
        Elastic(244 * 2, 244 * 0.7, 244 * 0.1),
        Elastic(244 * 2, 244 * 0.08, 244 * 0.2),
        Elastic(244 * 0.05, 244 * 0.01, 244 * 0.02),
        Elastic(244 * 0.07, 244 * 0.01, 244 * 0.02),
        Elastic(244 * 0.12, 244 * 0.01, 244 * 0.02),
    ),
    (
        Elastic(0, 0, 32 * 0.08),
        Elastic(32 * 0.05, 32 * 0.2, 32 * 0.07),
        Elastic(32 * 0.08, 32 * 0.06, 32 * 0.06),
        Elastic(32 * 0.1, 32 * 0.04, 32 * 0.05),
        Elastic(32 * 0.1, 32 * 0.03, 32 * 0.03),
    ),
)

PIXELATE = Levels((0.6, 0.5, 0.4, 0.3, 0.25), (0.95, 0.9, 0.85, 0.75, 0.65))
"""Share of the side that is left."""

JPEG_COMPRESSION = Levels((25, 18, 15, 10, 7), (80, 65, 58, 50, 40))
"""Quality, as Pillow counts it."""

SPATTER = Levels(
    (
        Spatter(0.65, 0.3, 4, 0.69, 0.6, mud=False),
        Spatter(0.65, 0.3, 3, 0.68, 0.6, mud=False),
        Spatter(0.65, 0.3, 2, 0.68, 0.5, mud=False),
        Spatter(0.65, 0.3, 1, 0.65, 1.5, mud=True),
        Spatter(0.67, 0.4, 1, 0.65, 1.5, mud=True),
    ),
    (
        Spatter(0.62, 0.1, 0.7, 0.7, 0.5, mud=False),
        Spatter(0.65, 0.1, 0.8, 0.7, 0.5, mud=False),
        Spatter(0.65, 0.3, 1, 0.69, 0.5, mud=False),
        Spatter(0.65, 0.1, 0.7, 0.69, 0.6, mud=True),
        Spatter(0.65, 0.1, 0.5, 0.68, 0.6, mud=True),
    ),
)

SATURATE = Levels(
    (
        Saturation(0.3, 0),
        Saturation(0.1, 0),
        Saturation(2, 0),
        Saturation(5, 0.1),
        Saturation(20, 0.2),
    ),
    (
        Saturation(0.3, 0),
        Saturation(0.1, 0),
        Saturation(1.5, 0),
        Saturation(2, 0.1),
        Saturation(2.5, 0.2),
    ),
)
