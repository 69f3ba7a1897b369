"""How a picture of the stream is made, and what makes it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import InfrastructureError, InvalidSample
from harness.protocols.adapt.task import Picture
from harness_tasks.imagenet_c.corruptions.names import Table

if TYPE_CHECKING:
    from harness.protocols.adapt.task import Pixels

_RESIZE, _CROP = 256, 224
"""Of ImageNet's evaluation: the shorter side, then the square in the middle."""
_THINNEST = 50
"""Times that one side may be as long as the other: resizing makes a thinner image enormous."""
_LEAST = 3
"""Pixels of a side that every corruption can work with."""


@dataclass(frozen=True)
class Recipe:
    """Where an image comes from and what is done to it.

    Attributes:
        path: an image file, or an array of images.
        image_id: what random corruptions depend on, with corruption, severity and seed.
        row: place in the array; -1 for a file.
        corruptions: (name, severity), one after another; none for a file that is corrupted already.
        crop: whether the file has to be brought to the size of ImageNet's evaluation.
    """

    path: str
    image_id: str
    row: int = -1
    corruptions: tuple[tuple[str, int], ...] = ()
    crop: bool = False


@dataclass(frozen=True)
class RecipeReader:
    """Makes pictures of recipes.

    Attributes:
        seed: of random corruptions.
        table: whose constants they use.
        jpeg: quality of the round trip after them; none: none.
        frost: folder of frost pictures; empty: the stand-in.
    """

    seed: int = 0
    table: Table = Table.IMAGENET
    jpeg: int | None = 85
    frost: str = ""

    def read(self, picture: Picture, size: int) -> Pixels:
        """Pixels, (size, size, 3), uint8.

        Raises:
            InvalidSample: the file is broken, empty, no image or too small to be corrupted.
            InfrastructureError: the file cannot be read.
        """
        recipe: Recipe = picture.recipe
        pixels = _row(recipe.path, recipe.row) if recipe.row >= 0 else _file(recipe)
        if recipe.corruptions and min(pixels.shape[:2]) < _LEAST:
            height, width = pixels.shape[:2]
            raise InvalidSample(
                f"{recipe.image_id} has {width}x{height} pixels, too few to be corrupted"
            )
        for name, severity in recipe.corruptions:
            pixels = self._corrupted(pixels, recipe.image_id, name, severity)
        if recipe.corruptions and self.jpeg is not None:
            from harness_tasks.imagenet_c.corruptions.digital import jpeg_round_trip

            pixels = jpeg_round_trip(pixels, self.jpeg)
        return _sized(pixels, size)

    def _corrupted(self, pixels: Pixels, image_id: str, name: str, severity: int) -> Pixels:
        from harness_tasks.imagenet_c.corruptions.corrupt import corrupt
        from harness_tasks.imagenet_c.corruptions.draws import draws

        generator = draws(self.seed, image_id, name, severity)
        frost = _frost(self.frost) if name == "frost" else None
        return corrupt(pixels, name, severity, generator, table=self.table, frost=frost)


@cache
def _frost(folder: str) -> Any:
    from harness_tasks.imagenet_c.corruptions.frost import FrostPictures

    return FrostPictures.read(Path(folder)) if folder else FrostPictures.stand_in()


DIGITS = "digits"
"""Path of the digits, which are no file."""


@cache
def digits() -> tuple[Any, Any]:
    """scikit-learn's digits: pixels (1797, 32, 32, 3), uint8, and labels (1797,)."""
    import numpy as np
    from sklearn.datasets import load_digits

    found: Any = load_digits()
    small = (found.images * 255 / 16).round().astype(np.uint8)
    large = small.repeat(4, axis=1).repeat(4, axis=2)
    return np.repeat(large[..., None], 3, axis=3), found.target.astype(np.int64)


@cache
def _array(path: str) -> Any:
    import numpy as np

    return digits()[0] if path == DIGITS else np.load(path, mmap_mode="r")


def _row(path: str, row: int) -> Pixels:
    import numpy as np

    return np.array(_array(path)[row])


def _file(recipe: Recipe) -> Pixels:
    """An image file as RGB; gray, CMYK and palettes are converted, transparency dropped."""
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    path = Path(recipe.path)
    try:
        data = path.read_bytes()
    except OSError as error:  # a disk or a network that may be there again later
        raise InfrastructureError(
            f"{path} cannot be read ({error.strerror}); see to it and run the same command again"
        ) from error
    if not data:
        raise InvalidSample(f"{path.name} is empty (0 bytes)")
    try:
        with Image.open(io.BytesIO(data)) as image:
            if max(image.size) > _THINNEST * min(image.size):
                width, height = image.size
                raise InvalidSample(f"{path.name} has {width}x{height} pixels: too thin")
            image.load()
            whole = _rgb(image)
    except UnidentifiedImageError as error:
        raise InvalidSample(f"{path.name} is no image") from error
    # Pillow raises many kinds of errors for broken files.
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InvalidSample(f"{path.name} is broken ({error})") from error
    if recipe.crop:
        short = min(whole.size)
        if short != _RESIZE:
            sides = [max(1, round(side * _RESIZE / short)) for side in whole.size]
            whole = whole.resize((sides[0], sides[1]), Image.Resampling.BILINEAR)
    side = min(_CROP, *whole.size)
    left, top = ((length - side) // 2 for length in whole.size)
    return np.asarray(whole.crop((left, top, left + side, top + side)))


def _rgb(image: Any) -> Any:
    """An image as 8-bit RGB; one of 16 bits is scaled, where Pillow would cut at 255."""
    import numpy as np
    from PIL import Image

    if image.mode == "P":  # with transparency it would warn on its way to RGB
        return image.convert("RGBA").convert("RGB")
    if image.mode.startswith("I"):
        deep = np.asarray(image).astype(np.float64)
        return Image.fromarray((deep / 257).round().clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ValueError("it holds fractions, of a range that is not told")
    return image.convert("RGB")


def _sized(pixels: Pixels, size: int) -> Pixels:
    """Pixels at the size that the model takes."""
    import numpy as np
    from PIL import Image

    if pixels.shape[:2] == (size, size):
        return pixels
    image = Image.fromarray(pixels)
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
