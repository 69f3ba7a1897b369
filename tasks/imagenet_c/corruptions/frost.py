"""Frost: a weighted sum with a crop of a picture of frost.

The original's five pictures are photographs that come without a licence. `FrostPictures` reads them
from a folder, or makes pictures of similar brightness and contrast.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import MissingData, UsageError
from harness_tasks.imagenet_c.corruptions.levels import Frost
from harness_tasks.imagenet_c.corruptions.pixels import Image, opencv

FILES = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg")
"""A sixth file, frost6.jpg, is listed in the original and never drawn."""


@dataclass(frozen=True, eq=False)
class FrostPictures:
    """The five pictures that frost is cropped from."""

    pictures: tuple[Image, ...]
    """RGB; each must be larger than the image on both sides."""

    version: str
    """Where they are from, and the start of a SHA-256 over sizes and pixels."""

    @classmethod
    def read(cls, folder: Path) -> FrostPictures:
        """The original's files from a folder.

        Raises:
            MissingData: one of `FILES` is not there or is no picture.
        """
        cv2 = opencv()
        pictures: list[Image] = []
        for name in FILES:
            found = cv2.imread(str(folder / name)) if (folder / name).is_file() else None
            if found is None:
                raise MissingData(
                    f"there is no picture {name} in {folder}; put the five of hendrycks/robustness "
                    "there, or leave the folder out for generated ones."
                )
            pictures.append(np.ascontiguousarray(found[..., ::-1]))
        return cls.of(pictures, "files")

    @classmethod
    def stand_in(cls) -> FrostPictures:
        """Generated pictures, equal everywhere: they are drawn with integers only."""
        return _stand_in()

    @classmethod
    def of(cls, pictures: Iterable[Image], source: str) -> FrostPictures:
        """Given pictures, their version made of `source` and a hash."""
        kept = tuple(pictures)
        digest = hashlib.sha256()
        for picture in kept:
            digest.update(repr(picture.shape).encode())
            digest.update(np.ascontiguousarray(picture).tobytes())
        return cls(kept, f"{source}-{digest.hexdigest()[:12]}")


def frosted(
    image: Image, level: Frost, generator: np.random.Generator, pictures: FrostPictures
) -> Image:
    """``image_weight * image + frost_weight * crop``, in levels, clipped to 255.

    Raises:
        UsageError: the drawn picture is not larger than the image.
    """
    height, width = image.shape[:2]
    choice = _scaled(pictures, level.scale)
    picture = choice[int(generator.integers(len(choice)))]
    rows, columns = picture.shape[0] - height, picture.shape[1] - width
    if rows < 1 or columns < 1:
        raise UsageError(
            f"frost takes a crop of {height}x{width} pixels out of pictures of which one has "
            f"{picture.shape[0]}x{picture.shape[1]}; give it larger pictures."
        )
    top, left = int(generator.integers(0, rows)), int(generator.integers(0, columns))
    out = level.frost_weight * picture[top : top + height, left : left + width]
    out += level.image_weight * image
    return np.minimum(out, 255, out=out).astype(np.uint8)


@functools.lru_cache(maxsize=8)
def _scaled(pictures: FrostPictures, scale: float) -> tuple[Image, ...]:
    if scale == 1:
        return pictures.pictures
    cv2 = opencv()
    return tuple(cv2.resize(each, (0, 0), fx=scale, fy=scale) for each in pictures.pictures)


_SIDE = 640
_TINTS = ((122, 142, 166), (200, 204, 212), (204, 202, 206), (138, 152, 166), (112, 122, 136))
"""Mean red, green and blue of each picture."""

_DEPTHS = (44, 52, 60, 68, 100)
"""How far each picture ranges about its mean, in levels."""


@functools.lru_cache(maxsize=1)
def _stand_in() -> FrostPictures:
    pictures: list[Image] = []
    for number, (tint, depth) in enumerate(zip(_TINTS, _DEPTHS, strict=True)):
        # Raw 64-bit output: the one stream that numpy promises not to change.
        bits = np.random.PCG64(number)
        total = np.zeros((_SIDE, _SIDE), dtype=np.int64)
        for octave, spacing in enumerate((64, 32, 16, 8, 4, 2)):
            heights = _lattice(bits, spacing)
            # Folding about the middle leaves sharp ridges, which read as needles of ice.
            total += (255 - np.abs(2 * heights - 255)) * (32 >> octave // 2)
        total -= total.sum() // total.size
        spread = int(np.abs(total).max())
        planes = [np.clip(mean + total * 2 * depth // spread, 0, 255) for mean in tint]
        pictures.append(np.stack(planes, axis=-1).astype(np.uint8))
    return FrostPictures.of(pictures, "stand-in-1")


def _lattice(bits: np.random.PCG64, spacing: int) -> NDArray[np.int64]:
    """Random heights from 0 to 255 on a lattice, filled in linearly; shape ``(640, 640)``."""
    count = _SIDE // spacing + 1
    raw = np.asarray(bits.random_raw(count * count)) >> np.uint64(56)
    heights = raw.astype(np.int64).reshape(count, count)
    for _ in range(2):
        # Rows are filled in, then the array is turned, so that columns are next.
        share = np.arange(spacing)[None, :, None]
        lower, upper = heights[:-1, None, :], heights[1:, None, :]
        filled = (lower * (spacing - share) + upper * share) // spacing
        heights = filled.reshape(_SIDE, -1).T
    return heights
