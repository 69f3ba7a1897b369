"""A small world to try adaptation in without any download: handwritten digits, and a network.

The 1797 digits of scikit-learn (UCI Optical Recognition of Handwritten Digits, 8x8 pixels) are
enlarged to 32x32; the last 500, of other writers, are the stream's, the others teach `tiny-digits`,
a convolutional network with batch norm, in seconds. Scores are not comparable with any benchmark's.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from harness import options
from harness.data import DataSource, cache_dir, content_hash
from harness.errors import StorageError, UsageError
from harness.models.base import ModelIdentity, ModelRequest
from harness.models.classifiers import ClassifierModel, ClassifierOptions
from harness.models.local import device_of
from harness.protocols.adapt.task import Picture
from harness.registry import About, Need
from harness_tasks.imagenet_c.recipes import DIGITS, Recipe, digits
from harness_tasks.imagenet_c.sources import picture_of
from harness_tasks.imagenet_c.streams import Cell, Photograph

if TYPE_CHECKING:
    from harness.protocols.adapt.classifier import Classifier

CLASSES = tuple(str(digit) for digit in range(10))
TEST = 500
"""Images of the stream, at the end of the set."""
_SIZE = 32
_VERSION = 1
"""Of what decides the weights."""


@dataclass(frozen=True)
class Digits:
    """The test digits as photographs."""

    hashed: str

    @classmethod
    def read(cls, classes: Sequence[str]) -> Digits:
        """The set.

        Raises:
            UsageError: the model knows other classes.
        """
        if tuple(classes) != CLASSES:
            raise UsageError(
                f"data=digits has the classes 0 to 9, and the model has {len(classes)} others; "
                "take --model tiny-digits."
            )
        pixels, labels = digits()
        return cls(content_hash(pixels.tobytes().hex(), labels.tobytes().hex()))

    @property
    def photographs(self) -> Sequence[Photograph]:
        """The last 500."""
        return self._every()[-TEST:]

    @property
    def training(self) -> Sequence[Photograph]:
        """Those that the model was taught."""
        return self._every()[:-TEST]

    def _every(self) -> list[Photograph]:
        _, labels = digits()
        return [
            Photograph(f"{row:04d}", int(label), content_hash(self.hashed, row))
            for row, label in enumerate(labels)
        ]

    @property
    def source(self) -> DataSource:
        """scikit-learn's."""
        return DataSource("sklearn/digits", "scikit-learn", self.hashed)

    def picture(self, photograph: Photograph, cell: Cell) -> Picture:
        """The digit, with what is to be done to it."""
        recipe = Recipe(DIGITS, photograph.image_id, int(photograph.image_id), cell)
        return picture_of(photograph, cell, recipe, photograph.content_hash)


class TinyDigitsOptions(ClassifierOptions):
    """Engine arguments of `tiny-digits` (``--model-arg``)."""

    epochs: int = Field(default=8, ge=1)
    """Passes over the 1297 digits that it is taught."""
    width: int = Field(default=16, ge=4)
    """Channels of the first layer."""
    seed: int = Field(default=0, ge=0)
    """Of its weights and minibatches."""


class TinyDigits(ClassifierModel):
    """``tiny-digits``."""

    about: ClassVar[About] = About(
        "a small convolutional network with batch norm, taught scikit-learn's digits in seconds",
        "architecture of this project; digits of scikit-learn (UCI, 1998)",
    )
    Options: ClassVar[type[options.Options]] = TinyDigitsOptions
    needs: ClassVar[tuple[Need, ...]] = (*ClassifierModel.needs, Need("sklearn", "vision"))

    def __init__(self, request: ModelRequest) -> None:
        if request.target or request.revision:
            raise UsageError("tiny-digits takes no name after ':' and has one revision.")
        self.chosen: Any = options.build(
            TinyDigitsOptions, dict(request.args), "model 'tiny-digits'"
        )

    def identify(self) -> ModelIdentity:
        """What decides its weights is the revision."""
        import torch

        return ModelIdentity(
            "tiny-digits",
            self._key,
            f"torch/{device_of(self.chosen.device)}",
            torch.__version__,
            options=self.engine_options(),
        )

    def classes(self) -> tuple[str, ...]:
        """The digits."""
        return CLASSES

    @property
    def _key(self) -> str:
        chosen = self.chosen
        return f"{_VERSION}-{chosen.epochs}-{chosen.width}-{chosen.seed}"

    def load(self) -> Classifier:
        """The weights, out of the cache or taught now."""
        import torch

        from harness.models.vision.linear import LinearHead, place

        path = cache_dir() / "models" / f"tiny-digits-{self._key}.pt"
        module = _network(self.chosen.width, self.chosen.seed)
        if not path.is_file():
            self._teach(module)
            fresh = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                torch.save(module.state_dict(), fresh)
                os.replace(fresh, path)
            except (OSError, RuntimeError) as error:
                with contextlib.suppress(OSError):
                    fresh.unlink()
                raise StorageError(
                    f"cannot keep the taught model in {path.parent} ({error}); make room or set "
                    "HARNESS_CACHE."
                ) from error
        module.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        place(module, self.chosen)
        return LinearHead(
            module,
            CLASSES,
            _SIZE,
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
            encoder=module[0],
            head=module[1],
            late=("0.8", "0.9"),
        )

    def _teach(self, module: Any) -> None:
        import torch

        pixels, labels = digits()
        images = torch.from_numpy(pixels[:-TEST].copy()).permute(0, 3, 1, 2).float() / 255
        wanted = torch.from_numpy(labels[:-TEST].copy())
        generator = torch.Generator().manual_seed(self.chosen.seed)
        optimiser = torch.optim.AdamW(module.parameters(), 3e-3)
        for _ in range(self.chosen.epochs):
            order = torch.randperm(len(images), generator=generator)
            for batch in order[: len(order) // 32 * 32].split(32):
                scores = module((images[batch] - 0.5) / 0.5)
                loss = torch.nn.functional.cross_entropy(scores, wanted[batch])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()


def _network(width: int, seed: int) -> Any:
    import torch
    from torch import nn

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = list[nn.Module]()
        channels = 3
        for number in range(3):
            wide = width * 2**number
            layers += [
                nn.Conv2d(channels, wide, 3, padding=1, bias=False),
                nn.BatchNorm2d(wide),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
            channels = wide
        encoder = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return nn.Sequential(encoder, nn.Linear(channels, len(CLASSES)))
