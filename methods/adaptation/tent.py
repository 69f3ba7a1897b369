"""`tent`: minimise the entropy of the predictions over scales and shifts of norm layers.

Wang et al., "Tent: Fully Test-Time Adaptation by Entropy Minimization", arXiv 2006.10726. Reference
code: DequanWang/tent. For each batch one step on L = mean_i H(p_i), H = -sum_k p_k log p_k, with
batch norm by the batch's statistics; the prediction is the one that gave the gradient, before the
step. Defaults: ImageNet's, SGD 2.5e-4 with momentum 0.9 at batches of 64; for CIFAR the paper takes
Adam 1e-3 at batches of 200.

The reference code adapts batch norm only; here layer and group norm are adapted too, as its
successors do. Panda's code predicts again after the step, which costs a second forward pass:
``predict=after``. When to reset is the task's affair.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from harness.options import Options
from harness.protocols.adapt import GradientMethod, GradientOptions, Order, entropy, finite
from harness.registry import About

if TYPE_CHECKING:
    import torch


class Moment(StrEnum):
    """When a batch is predicted."""

    BEFORE = "before"
    AFTER = "after"


class TentOptions(GradientOptions):
    """Options of `tent`."""

    predict: Moment = Moment.BEFORE
    """before: with the weights before the step, as the paper; after: again, with those after it."""


class Tent(GradientMethod):
    """Make the model sure of its predictions."""

    about: ClassVar[About] = About(
        "Minimise the entropy of predictions over norm layers.", "Tent, arXiv 2006.10726"
    )
    Options: ClassVar[type[Options]] = TentOptions
    options: TentOptions

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        if self.options.predict is Moment.AFTER:
            self.order = Order.ADAPT_FIRST

    def step(self, images: torch.Tensor) -> torch.Tensor:
        """One step on the mean entropy of a batch."""
        logits = self.model.logits(images)
        self.descend(entropy(logits).mean(), len(images))
        if self.options.predict is Moment.AFTER:
            return finite(self.predict(images))
        return finite(logits.detach()).log_softmax(1)
