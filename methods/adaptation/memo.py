"""`memo`: for each image alone, agree with yourself over its views, predict, and forget.

Zhang et al., "MEMO: Test Time Robustness via Adaptation and Augmentation", arXiv 2110.09506,
algorithm 1. Reference code: zhangmarvin/memo. For an image: 64 AugMix views, L = H(mean_v p_v), the
entropy of the mean prediction, one step on all weights, prediction of the image itself, and back to
the source weights.

Defaults: SGD 2.5e-4 without momentum (ResNet-50); AdamW 1e-5 for RVT and ResNeXt; 32 views and SGD
0.005 for CIFAR. Batch norm mixes the source's statistics with those of what it sees, which counts
1 / (N + 1) with N = 16, for the views and for the one image. In the released ImageNet script that
mixture is asked for under a name that the script does not have, so it runs on the source's
statistics alone: ``prior=none``. No gradient flows through the statistics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.options import Options
from harness.protocols.adapt import GradientMethod, GradientOptions, Order, State, finite
from harness.registry import About
from harness_methods.adaptation.statistics import mix_statistics
from harness_methods.adaptation.views import augmix

if TYPE_CHECKING:
    import torch


class MEMOOptions(GradientOptions):
    """Options of `memo`."""

    momentum: float = Field(default=0.0, ge=0, lt=1)
    """Of SGD; beta1 of Adam."""
    views: int = Field(default=64, ge=2)
    """Augmentations of an image."""
    steps: int = Field(default=1, ge=1)
    """Steps for an image, each on new views."""
    prior: int | None = Field(default=16, ge=0)
    """N: the source's batch norm statistics count as N, what is seen as 1; none: the source's."""


class MEMO(GradientMethod):
    """Adapt to one image, and forget it."""

    about: ClassVar[About] = About(
        "Minimise the entropy of the mean prediction over views of one image.",
        "MEMO, arXiv 2110.09506",
    )
    Options: ClassVar[type[Options]] = MEMOOptions
    options: MEMOOptions
    order = Order.ADAPT_FIRST
    adapts: ClassVar[str] = "all weights"
    all_weights: ClassVar[bool] = True
    batch_statistics: ClassVar[bool] = False

    def prepare(self) -> None:
        """A fresh optimiser, and the mixture of statistics."""
        super().prepare()
        prior = self.options.prior
        if prior is not None:
            mix_statistics(self.model.module, lambda _: 1 / (prior + 1))

    def step(self, images: torch.Tensor) -> torch.Tensor:
        """Each image by itself; afterwards the model is the source's."""
        import torch

        predicted = [self._one(images[i : i + 1], images) for i in range(len(images))]
        return torch.cat(predicted)

    def _one(self, image: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        import torch

        for _ in range(self.options.steps):
            views = [augmix(image, self.context.generator) for _ in range(self.options.views)]
            logits = self.model.logits(torch.cat(views), batch)
            self.descend(marginal_entropy(logits), len(views))
        with torch.no_grad():
            logits = finite(self.model.logits(image, batch))
        self.reset()
        return logits.log_softmax(1)

    def predict(self, images: torch.Tensor) -> torch.Tensor:
        """The source model's prediction, each image by its own statistics."""
        import torch

        with torch.no_grad():
            return torch.cat([self.model.logits(one[None], images) for one in images]).log_softmax(
                1
            )

    def memory(self) -> State:
        """Nothing: no image leaves anything behind."""
        return {}

    def recall(self, memory: State) -> None:
        """Nothing."""
        del memory


def marginal_entropy(logits: torch.Tensor) -> torch.Tensor:
    """Entropy of the mean prediction in nats, of scores (views, classes)."""
    from math import log

    mean = logits.log_softmax(1).logsumexp(0) - log(len(logits))
    return -(mean.exp() * mean.clamp_min(-1e30)).sum()
