"""Random views of images: crops and AugMix for one image, strong augmentation for a batch.

Images are float tensors (batch, 3, height, width) in [0, 1], and so are views, of the same size.
Every draw comes from the generator given, on the CPU, in a fixed order. Ranges are those of the
reference codes, which work on the 8-bit photograph; here views are made of the image as the model
gets it, which for ImageNet-C is the same file.
"""

from __future__ import annotations

from collections.abc import Callable
from math import cos, exp, log, pi, sin
from typing import TYPE_CHECKING

from harness_methods.adaptation.colour import (
    brightness,
    contrast,
    equalise,
    gamma,
    hue,
    posterise,
    saturation,
    solarise,
    stretch,
)

if TYPE_CHECKING:
    import torch

    Draws = torch.Generator
    Change = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


def uniform(draws: Draws, low: float = 0.0, high: float = 1.0) -> float:
    """A number between two."""
    import torch

    return low + (high - low) * torch.rand((), generator=draws, dtype=torch.float64).item()


def whole(draws: Draws, low: int, high: int) -> int:
    """A whole number from `low` to `high - 1`."""
    import torch

    return int(torch.randint(low, high, (), generator=draws).item())


# One image: crops, and AugMix.


def crop_and_flip(image: torch.Tensor, draws: Draws) -> torch.Tensor:
    """A part of 8 to 100 % of the area, aspect 3:4 to 4:3, at full size, mirrored half the time."""
    import torch

    height, width = image.shape[2:]
    top, left, rows, columns = _box(height, width, draws)
    part = image[:, :, top : top + rows, left : left + columns]
    view = torch.nn.functional.interpolate(
        part, (height, width), mode="bilinear", antialias=True, align_corners=False
    )
    return view.flip(3) if uniform(draws) < 0.5 else view


def _box(height: int, width: int, draws: Draws) -> tuple[int, int, int, int]:
    for _ in range(10):
        area = height * width * uniform(draws, 0.08, 1.0)
        aspect = exp(uniform(draws, log(3 / 4), log(4 / 3)))
        columns, rows = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
        if 0 < columns <= width and 0 < rows <= height:
            top, left = whole(draws, 0, height - rows + 1), whole(draws, 0, width - columns + 1)
            return top, left, rows, columns
    return 0, 0, height, width


def crops(image: torch.Tensor, number: int, draws: Draws) -> torch.Tensor:
    """The image itself and random crops of it, `number` in all; image (1, 3, height, width)."""
    import torch

    return torch.cat([image, *(crop_and_flip(image, draws) for _ in range(number - 1))])


def augmix(image: torch.Tensor, draws: Draws) -> torch.Tensor:
    """One AugMix view of a crop, at severity 1.

    Hendrycks et al., "AugMix", arXiv 1912.02781: three chains of one to three operations, mixed by
    Dirichlet(1, 1, 1), and that mixed with the crop by Beta(1, 1).
    """
    plain = crop_and_flip(image, draws)
    exponential = [-log(1 - uniform(draws)) for _ in range(3)]
    keep = uniform(draws)
    mixture = plain * 0
    for weight in exponential:
        chain = plain
        for _ in range(whole(draws, 1, 4)):
            chain = OPERATIONS[whole(draws, 0, len(OPERATIONS))](chain, draws)
        mixture = mixture + weight / sum(exponential) * chain
    return (keep * plain + (1 - keep) * mixture).clamp(0, 1)


def _level(draws: Draws) -> float:
    """Tenths of an operation's full strength."""
    return uniform(draws, 0.1, 1.0) / 10


def _signed(draws: Draws, most: float) -> float:
    strength = _level(draws) * most
    return strength if uniform(draws) < 0.5 else -strength


def _rotate(image: torch.Tensor, draws: Draws) -> torch.Tensor:
    return warp(image, rotation=_signed(draws, 30.0) * pi / 180)


def _shear_x(image: torch.Tensor, draws: Draws) -> torch.Tensor:
    return warp(image, shear=(_signed(draws, 0.3), 0.0))


def _shear_y(image: torch.Tensor, draws: Draws) -> torch.Tensor:
    return warp(image, shear=(0.0, _signed(draws, 0.3)))


def _shift_x(image: torch.Tensor, draws: Draws) -> torch.Tensor:
    return warp(image, shift=(_signed(draws, 1 / 3), 0.0))


def _shift_y(image: torch.Tensor, draws: Draws) -> torch.Tensor:
    return warp(image, shift=(0.0, _signed(draws, 1 / 3)))


OPERATIONS: tuple[Change, ...] = (
    lambda image, _: stretch(image),
    lambda image, _: equalise(image),
    lambda image, draws: posterise(image, 4 - int(4 * _level(draws))),
    _rotate,
    lambda image, draws: solarise(image, 1 - _level(draws)),
    _shear_x,
    _shear_y,
    _shift_x,
    _shift_y,
)
"""AugMix's, without those that resemble corruptions of ImageNet-C."""


# A batch: the strong augmentation of CoTTA and RoTTA.


def strong(images: torch.Tensor, draws: Draws) -> torch.Tensor:
    """The augmentation of CoTTA and RoTTA; one draw for the batch, but noise for each pixel.

    Colour jitter in random order (brightness 0.6 to 1.4, contrast 0.7 to 1.3, saturation 0.5 to
    1.5, hue +-0.06, gamma 0.7 to 1.3), rotation of +-15 degrees, shift of an eighth of the side at
    most, scale 0.9 to 1.1, edges repeated, blur of 5 pixels with sigma 0.001 to 0.5, mirrored half
    the time, noise of 0.005.
    """
    import torch

    for place in torch.randperm(len(JITTER), generator=draws).tolist():
        images = JITTER[place](images, draws)
    images = warp(
        images,
        rotation=uniform(draws, -15, 15) * pi / 180,
        shift=(uniform(draws, -1 / 8, 1 / 8), uniform(draws, -1 / 8, 1 / 8)),
        scale=uniform(draws, 0.9, 1.1),
        edges="border",
    )
    images = _blur(images, uniform(draws, 0.001, 0.5))
    if uniform(draws) < 0.5:
        images = images.flip(3)
    noise = torch.randn(images.shape, generator=draws).to(images.device)
    return (images + 0.005 * noise).clamp(0, 1)


JITTER: tuple[Change, ...] = (
    lambda images, draws: brightness(images, uniform(draws, 0.6, 1.4)),
    lambda images, draws: contrast(images, uniform(draws, 0.7, 1.3)),
    lambda images, draws: saturation(images, uniform(draws, 0.5, 1.5)),
    lambda images, draws: hue(images, uniform(draws, -0.06, 0.06)),
    lambda images, draws: gamma(images, uniform(draws, 0.7, 1.3)),
)
"""Of `strong`."""


def warp(
    images: torch.Tensor,
    *,
    rotation: float = 0.0,
    shear: tuple[float, float] = (0.0, 0.0),
    shift: tuple[float, float] = (0.0, 0.0),
    scale: float = 1.0,
    edges: str = "zeros",
) -> torch.Tensor:
    """Images turned, sheared, shifted and scaled about their centre, bilinear.

    Args:
        images: (batch, 3, side, side).
        rotation: in radians.
        shear: along x and along y.
        shift: to the right and down, in sides.
        scale: above 1 enlarges.
        edges: ``zeros`` for black, ``border`` to repeat the last pixels.
    """
    import torch

    c, s = cos(rotation) / scale, sin(rotation) / scale
    # Where each pixel of the result comes from, in coordinates from -1 to 1.
    matrix = [
        [c + shear[0] * -s, s + shear[0] * c, -2 * shift[0]],
        [-s + shear[1] * c, c + shear[1] * s, -2 * shift[1]],
    ]
    theta = torch.tensor([matrix], dtype=images.dtype, device=images.device)
    grid = torch.nn.functional.affine_grid(
        theta.expand(len(images), -1, -1), list(images.shape), align_corners=False
    )
    return torch.nn.functional.grid_sample(
        images, grid, mode="bilinear", padding_mode=edges, align_corners=False
    )


def _blur(images: torch.Tensor, sigma: float) -> torch.Tensor:
    import torch

    places = torch.arange(-2, 3, dtype=images.dtype, device=images.device)
    line = (-0.5 * (places / sigma) ** 2).exp()
    line = line / line.sum()
    kernel = (line[:, None] * line[None]).expand(images.shape[1], 1, 5, 5)
    padded = torch.nn.functional.pad(images, (2, 2, 2, 2), mode="reflect")
    return torch.nn.functional.conv2d(padded, kernel, groups=images.shape[1])
