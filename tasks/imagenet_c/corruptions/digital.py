"""Digital: contrast, elastic transform, pixelate, JPEG; and saturate, one of the extra four."""

from __future__ import annotations

import functools
import io

import numpy as np
from numpy.typing import NDArray

from harness.errors import UsageError
from harness_tasks.imagenet_c.corruptions.colour import saturation_changed
from harness_tasks.imagenet_c.corruptions.levels import Elastic, Saturation
from harness_tasks.imagenet_c.corruptions.pixels import (
    Image,
    eight_bit,
    opencv,
    pillow,
    unit,
    unit_single,
)


def contrast(image: Image, factor: float, _generator: np.random.Generator) -> Image:
    """Distances to each channel's mean multiplied by a factor below 1."""
    means = unit(image).mean(axis=(0, 1))
    # A channel has 256 levels at most, so each is mapped once.
    each = unit(np.arange(256, dtype=np.uint8))[:, None]
    mapped = eight_bit((each - means) * factor + means)
    out = np.empty_like(image)
    for channel in range(3):
        out[..., channel] = mapped[:, channel].take(image[..., channel])
    return out


def saturate(image: Image, level: Saturation, _generator: np.random.Generator) -> Image:
    """The saturation of HSV multiplied and raised; grey pixels, of hue 0, become reddish."""
    return saturation_changed(image, lambda share: share * level.factor + level.offset)


def pixelate(image: Image, share: float, _generator: np.random.Generator) -> Image:
    """Averaged over boxes down to a share of each side, and every average drawn as a box again."""
    module = pillow()
    height, width = image.shape[:2]
    small = (max(1, int(width * share)), max(1, int(height * share)))
    boxes = np.asarray(module.fromarray(image).resize(small, module.BOX))
    return boxes.take(_boxes(small[0], width), axis=1).take(_boxes(small[1], height), axis=0)


@functools.lru_cache(maxsize=64)
def _boxes(count: int, length: int) -> NDArray[np.intp]:
    """Which of `count` pixels each of `length` shows, when Pillow enlarges with its box filter.

    The filter then covers one pixel. Asking Pillow keeps its rounding where two are equally near,
    and indexing is several times faster than filtering.
    """
    module = pillow()
    ramp = module.fromarray(np.arange(count, dtype=np.float32)[None])
    return np.asarray(ramp.resize((length, 1), module.BOX))[0].astype(np.intp)


def jpeg_compression(image: Image, quality: int, _generator: np.random.Generator) -> Image:
    """Saved as JPEG and read back."""
    return _through_jpeg(image, quality, optimize=False)


def jpeg_round_trip(image: Image, quality: int = 85) -> Image:
    """What a corrupted image becomes in the published ImageNet-C: a JPEG file, read back.

    Args:
        image: 8-bit RGB.
        quality: Pillow's quality; 85, with optimised Huffman tables, is the published set's.

    Raises:
        MissingExtra: Pillow is not installed.
    """
    return _through_jpeg(image, quality, optimize=True)


def _through_jpeg(image: Image, quality: int, *, optimize: bool) -> Image:
    module = pillow()
    file = io.BytesIO()
    module.fromarray(image).save(file, "JPEG", quality=quality, optimize=optimize)
    return np.array(module.open(file, formats=("JPEG",)))


def elastic_transform(image: Image, level: Elastic, generator: np.random.Generator) -> Image:
    """A random affine map of three points, then smooth random displacements.

    Raises:
        UsageError: a side is below three pixels, which leaves the three points on one spot.
    """
    height, width = image.shape[:2]
    reach = min(height, width) // 3
    if not reach:
        raise UsageError(
            f"elastic_transform needs at least 3x3 pixels; this image has {height}x{width}."
        )
    cv2 = opencv()
    # Height comes first although OpenCV reads points as (x, y), as in the original.
    middle = np.array([height // 2, width // 2], dtype=np.float32)
    before = middle + np.array([[reach, reach], [reach, -reach], [-reach, -reach]], np.float32)
    moved = before + generator.uniform(-level.affine, level.affine, (3, 2)).astype(np.float32)
    warped = cv2.warpAffine(
        unit_single(image),
        cv2.getAffineTransform(before, moved),
        (width, height),
        borderMode=cv2.BORDER_REFLECT_101,
    )
    across, down = (
        (_smooth(generator.uniform(-1, 1, (height, width)), level.sigma) * level.alpha)
        for _ in range(2)
    )
    return eight_bit(_displaced(warped, down.astype(np.float32), across.astype(np.float32)))


def _smooth(field: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Gaussian filter with mirrored edges, three sigmas kept.

    A cosine transform turns that filter into a product, at a cost that does not grow with sigma,
    which at severity 1 is most of the image's width.
    """
    from scipy import fft

    if not sigma:
        return field
    height, width = field.shape
    product = np.asarray(fft.dctn(field))
    product *= _response(height, sigma)[:, None]
    product *= _response(width, sigma)
    return np.asarray(fft.idctn(product))


@functools.lru_cache(maxsize=64)
def _response(length: int, sigma: float) -> NDArray[np.float64]:
    """What the filter multiplies each cosine by, shape ``(length,)``."""
    radius = int(3 * sigma + 0.5)
    offsets = np.arange(1, radius + 1)
    weights = np.exp(-0.5 / sigma**2 * offsets**2)
    cosines = np.cos(np.pi / length * np.outer(np.arange(length), offsets))
    return (1 + 2 * (cosines * weights).sum(axis=1)) / (1 + 2 * weights.sum())


def _displaced(
    image: NDArray[np.float32], down: NDArray[np.float32], across: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Each pixel read from elsewhere, as `scipy.ndimage.map_coordinates` of order 1 interpolates.

    Args:
        image: shape ``(height, width, 3)``.
        down: distance in rows, shape ``(height, width)``.
        across: distance in columns, same shape.
    """
    height, width = down.shape
    row = _mirrored(np.arange(height)[:, None] + down, height)
    column = _mirrored(np.arange(width) + across, width)
    top, left = np.floor(row), np.floor(column)
    below, beside = row - top, column - left
    rows = [np.clip(top + step, 0, height - 1).astype(np.intp) * width for step in (0, 1)]
    columns = [np.clip(left + step, 0, width - 1).astype(np.intp) for step in (0, 1)]
    corners = [
        (rows[y] + columns[x], (1 - below, below)[y], (1 - beside, beside)[x])
        for y in (0, 1)
        for x in (0, 1)
    ]
    out = np.empty_like(image)
    for channel in range(3):
        plane = np.ascontiguousarray(image[..., channel])
        total = np.zeros((height, width))
        for position, row_weight, column_weight in corners:
            term = plane.take(position) * row_weight
            term *= column_weight
            total += term
        out[..., channel] = total
    return out


def _mirrored(position: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Positions folded into the image, whose edges are half a pixel outside its outermost ones."""
    folded = np.mod(position + 0.5, 2 * length) - 0.5
    folded = np.where(folded > length - 0.5, 2 * length - 1 - folded, folded)
    # Half a pixel past an edge reads the outermost pixel.
    return np.clip(folded, 0, length - 1)
