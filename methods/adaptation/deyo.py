"""`deyo`: learn only from predictions that rest on the shape of the object.

Lee et al., "Entropy is not Enough for Test-Time Adaptation: From the Perspective of Disentangled
Factors", arXiv 2403.07366, equations 8 and 10. Reference code: Jhyun17/DeYO. For an image x and the
same with its patches shuffled x', PLPD = p(y | x) - p(y | x'), y the class predicted for x: how
much of the prediction goes when the shape does. Kept are images with H < tau_ent and
PLPD > tau_plpd; each counts exp(E0 - H) + exp(PLPD), without gradient; the loss is the mean of the
weighted entropies. Layers of the last stage are left alone, as by `sar`.

Defaults, of the reference code's `config.py`: tau_ent = 0.5 ln C, E0 = 0.4 ln C, tau_plpd = 0.2, 4
by 4 patches, SGD 2.5e-4 with momentum 0.9 at batches of 64. The shuffled images go through the
network on their own, with batch statistics of their own; if the side is no multiple of 4, images
are resized before and after.
"""

from __future__ import annotations

from enum import StrEnum
from math import log
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.options import Options
from harness.protocols.adapt import GradientMethod, GradientOptions, entropy, finite
from harness.registry import About
from harness_methods.adaptation.patches import join, split

if TYPE_CHECKING:
    import torch


class Destruction(StrEnum):
    """What is done to the shape of an object."""

    PATCH = "patch"
    PIXEL = "pixel"
    OCCLUSION = "occlusion"


class DeYOOptions(GradientOptions):
    """Options of `deyo`."""

    margin: float = Field(default=0.5, gt=0)
    """tau_ent / ln C: entropies below are kept, for C classes."""
    weight_margin: float = Field(default=0.4, gt=0)
    """E0 / ln C, in the weights."""
    plpd: float = Field(default=0.2, ge=-1, lt=1)
    """tau_plpd: differences of probabilities above are kept; -1: all."""
    destruction: Destruction = Destruction.PATCH
    """patch: patches shuffled; pixel: pixels shuffled, all images alike; occlusion: the middle half
    of the image covered by its mean."""
    patches: int = Field(default=4, ge=2)
    """Patches in a row and in a column."""


class DeYO(GradientMethod):
    """Make the model sure of what it sees in the shape."""

    about: ClassVar[About] = About(
        "Tent on samples whose prediction falls when patches are shuffled.",
        "DeYO, arXiv 2403.07366",
    )
    Options: ClassVar[type[Options]] = DeYOOptions
    options: DeYOOptions
    adapts: ClassVar[str] = "norm affine but for the last stage"

    def is_adapted(self, name: str) -> bool:
        """Whether a norm layer comes before the last stage."""
        return not self.model.late(name)

    def step(self, images: torch.Tensor) -> torch.Tensor:
        """One step on what is kept of a batch."""
        import torch

        logits = self.model.logits(images)
        finite(logits)
        entropies = entropy(logits)
        sure = entropies.detach() < self.options.margin * log(len(self.model.classes))
        self.count("reliable", int(sure.sum()))
        if bool(sure.any()):
            with torch.no_grad():
                destroyed = self.model.logits(self._destroy(images[sure]), images)
            difference = plpd(logits.detach()[sure], destroyed)
            kept = difference > self.options.plpd
            self.count("selected", int(kept.sum()))
            if bool(kept.any()):
                loss = self._loss(entropies[sure][kept], difference[kept])
                self.descend(loss, len(images))
        return logits.detach().log_softmax(1)

    def _loss(self, entropies: torch.Tensor, difference: torch.Tensor) -> torch.Tensor:
        margin = self.options.weight_margin * log(len(self.model.classes))
        return (entropies * ((margin - entropies.detach()).exp() + difference.exp())).mean()

    def _destroy(self, images: torch.Tensor) -> torch.Tensor:
        kind, draws = self.options.destruction, self.context.generator
        if kind is Destruction.PATCH:
            return shuffle_patches(images, self.options.patches, draws)
        if kind is Destruction.PIXEL:
            return shuffle_pixels(images, draws)
        return occlude(images)


def plpd(logits: torch.Tensor, destroyed: torch.Tensor) -> torch.Tensor:
    """p(y | x) - p(y | x'), y the class predicted for x, (batch,), of scores (batch, classes)."""
    predicted = logits.argmax(1, keepdim=True)
    return (logits.softmax(1) - destroyed.softmax(1)).gather(1, predicted)[:, 0]


def shuffle_patches(images: torch.Tensor, number: int, draws: torch.Generator) -> torch.Tensor:
    """Images with number x number patches in random order, another for each."""
    import torch

    side = images.shape[2]
    fitting = side // number * number
    patches = split(_resized(images, fitting), fitting // number)
    keys = torch.rand(patches.shape[:2], generator=draws)
    order = keys.argsort(1).to(images.device)
    rows = torch.arange(len(images), device=images.device)[:, None]
    return _resized(join(patches[rows, order], number), side)


def shuffle_pixels(images: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
    """Images with their pixels in random order, the same for all."""
    import torch

    flat = images.flatten(2)
    order = torch.randperm(flat.shape[2], generator=draws).to(images.device)
    return flat[:, :, order].view_as(images)


def occlude(images: torch.Tensor) -> torch.Tensor:
    """Images with the middle half of each side covered by the mean of each channel."""
    covered = images.clone()
    side = images.shape[2]
    middle = slice(side // 4, side // 4 + side // 2)
    covered[:, :, middle, middle] = images.mean((2, 3), keepdim=True)
    return covered


def _resized(images: torch.Tensor, side: int) -> torch.Tensor:
    import torch

    if images.shape[2] == side:
        return images
    return torch.nn.functional.interpolate(
        images, (side, side), mode="bilinear", antialias=True, align_corners=False
    )
