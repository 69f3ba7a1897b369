"""`panda`: take away from features what the corruption alone puts there.

Deng et al., "Panda: Test-Time Adaptation with Negative Data Augmentation", arXiv 2511.10481.
Reference code: ruxideng/Panda, src/methods/shuffle.py. From a batch of B images M = ceil(B / 10)
negatives are assembled out of patches of 32 x 32 pixels: they show the corruption and no object.
Every feature loses beta times their mean feature, f' = f - beta mean_m f(n_m), and is not
normalised again; so scores lose beta times the mean scores of the negatives.

- ``assembly=random`` is the paper's: patches come from a pool of all patches of the batch, without
  replacement, and go anywhere. ``assembly=same-position`` is the released code's: a negative has a
  base image, and at each place the patch from that place of another image, drawn anew.
- In both, pixels beyond the last whole patch are those of a base image.
- beta: the released code has 0.6 for zero-shot CLIP, 0.4 for ZERO and 0.2 for Tent; for others it
  is in configurations that were not released, here 0.2.
- The gradient flows through the negatives, as in the released Tent and ETA; its DeYO, TPT and ZERO
  compute them without, as ``detach=true`` does.

The wrapper changes `encode` and so goes with every method and with any model that has a linear
head. The released code copies it into ten methods, and they differ: a batch of one loops for ever
(here it is predicted as it is, and counted as ``undebiased``); ETA loses its diversity filter; DeYO
makes negatives of the kept images only and returns scores that are not debiased; TPT normalises the
debiased features again. Images smaller than a patch become their own negatives there; here they are
refused, and so are those too small for two patches side by side.

Negatives go through the network on their own, so where batch norm is by the batch they have
statistics of their own, and where it is by an average, as in RoTTA, they move it too. Views of one
image are debiased by negatives of the batch that it came in, not of its views.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from math import ceil
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.errors import UsageError
from harness.options import Options
from harness.protocols.adapt import Classifier, Context, Requires, TextClassifier, Wrapper
from harness.registry import About
from harness_methods.adaptation.patches import join, split

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

BETAS = {"source": 0.6, "zero": 0.4}
"""Of the released code, by method."""
OTHER_BETA = 0.2
"""Of the released code's Tent."""


class Assembly(StrEnum):
    """Where a patch of a negative comes from."""

    RANDOM = "random"
    SAME_POSITION = "same-position"


class PandaOptions(Options):
    """Options of `panda`."""

    beta: float | None = Field(default=None, ge=0)
    """Share of the negatives' mean that features lose; none: 0.6 beside source, 0.4 beside zero,
    0.2 otherwise; 0: nothing, and no negatives are made."""
    share: float = Field(default=0.1, gt=0, le=1)
    """Negatives for each image of a batch, rounded up."""
    patch: int = Field(default=32, ge=1)
    """Side of a patch, in pixels."""
    assembly: Assembly = Assembly.RANDOM
    """random: from the patches of the whole batch, put anywhere; same-position: at each place the
    patch of another image from there."""
    detach: bool = False
    """Compute negatives without a gradient."""


class Panda(Wrapper):
    """Debias features by those of negatives made of the batch."""

    about: ClassVar[About] = About(
        "Features less the mean feature of shuffled patches of the batch.",
        "Panda, arXiv 2511.10481",
    )
    Options: ClassVar[type[Options]] = PandaOptions
    options: PandaOptions

    def requires(self) -> Requires:
        """A linear head, and another image to take patches from."""
        return Requires(class_weights=True, batch=2)

    def wrap(self, model: Classifier, context: Context) -> Classifier:
        """The model with debiased features.

        Raises:
            UsageError: its images hold no four patches.
        """
        patch = self.options.patch
        if model.size < 2 * patch:
            raise UsageError(
                f"panda cuts images into patches of {patch} pixels, and the model's images have "
                f"{model.size}, too few for two side by side: a negative would show an object. "
                f"Take panda with patch={max(1, model.size // 7)}, for example."
            )
        if isinstance(model, TextClassifier):
            return DebiasedText(model, self.options, context)
        return Debiased(model, self.options, context)


class Debiased(Classifier):
    """A classifier with debiased features; everything else is the wrapped one's."""

    def __init__(self, inner: Classifier, options: PandaOptions, context: Context) -> None:
        super().__init__(inner.module, inner.classes, inner.size)
        self.work = inner.work
        self.inner = inner
        self._options, self._context = options, context
        beta = options.beta
        self.beta = BETAS.get(context.method, OTHER_BETA) if beta is None else beta

    def encode(self, images: torch.Tensor, batch: torch.Tensor | None = None) -> torch.Tensor:
        """Debiased features, (batch, dimensions)."""
        return self._debiased(self.inner.encode, images, images if batch is None else batch)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """What `encode` gives, without counting."""
        return self._debiased(self.inner.features, images, images)

    def _debiased(
        self,
        encode: Callable[[torch.Tensor], torch.Tensor],
        images: torch.Tensor,
        batch: torch.Tensor,
    ) -> torch.Tensor:
        import torch

        features = encode(images)
        if self.beta == 0:
            return features
        if len(batch) < 2:
            self._context.count("undebiased", len(images))
            return features
        negatives = assemble(batch, self._options, self._context.generator)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self._options.detach):
            mean = encode(negatives).mean(0, keepdim=True)
        return features - self.beta * mean

    def head(self, features: torch.Tensor) -> torch.Tensor:
        """Scores, (batch, classes)."""
        return self.inner.head(features)

    def class_weights(self) -> torch.Tensor | None:
        """Rows of the linear head."""
        return self.inner.class_weights()

    def late(self, name: str) -> bool:
        """Whether a layer is of the last stage."""
        return self.inner.late(name)

    def copy(self) -> Mapping[str, torch.Tensor]:
        """All weights and buffers, copied."""
        return self.inner.copy()

    def restore(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Put copied weights and buffers back, in place."""
        self.inner.restore(weights)

    def fingerprint(self) -> str:
        """Hash of all weights and buffers."""
        return self.inner.fingerprint()


class DebiasedText(Debiased, TextClassifier):
    """A text classifier with debiased image features; those of texts stay."""

    inner: TextClassifier

    def __init__(self, inner: TextClassifier, options: PandaOptions, context: Context) -> None:
        super().__init__(inner, options, context)
        self.scale = inner.scale

    def context(self) -> torch.Tensor:
        """Embeddings of the words before a class's name."""
        return self.inner.context()

    def class_features(self, context: torch.Tensor) -> torch.Tensor:
        """Class features, (classes, dimensions)."""
        return self.inner.class_features(context)


def number_of_negatives(images: int, share: float) -> int:
    """ceil(images * share), proof against 30 * 0.1 > 3."""
    return ceil(round(images * share, 9))


def assemble(
    images: torch.Tensor, options: PandaOptions, generator: torch.Generator
) -> torch.Tensor:
    """Negatives of a batch.

    Args:
        images: (batch, 3, height, width), two or more.
        options: number, patches, assembly.
        generator: of the draws.

    Returns:
        (negatives, 3, height, width).
    """
    import torch

    number = number_of_negatives(len(images), options.share)
    patches = split(images, options.patch)
    bases = torch.randint(len(images), (number,), generator=generator)
    if options.assembly is Assembly.RANDOM:
        drawn = _from_pool(patches, number, generator)
    else:
        drawn = _from_same_place(patches, bases, generator)
    region = join(drawn, images.shape[3] // options.patch)
    negatives = images[bases.to(images.device)].clone()
    negatives[:, :, : region.shape[2], : region.shape[3]] = region
    return negatives


def _from_pool(patches: torch.Tensor, number: int, generator: torch.Generator) -> torch.Tensor:
    import torch

    pool = patches.flatten(0, 1)
    order = torch.randperm(len(pool), generator=generator)[: number * patches.shape[1]]
    return pool[order.to(pool.device)].unflatten(0, (number, patches.shape[1]))


def _from_same_place(
    patches: torch.Tensor, bases: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    import torch

    images, places = patches.shape[:2]
    others = torch.randint(images - 1, (len(bases), places), generator=generator)
    others += others >= bases[:, None]  # any image but the base
    return patches[others.to(patches.device), torch.arange(places, device=patches.device)]
