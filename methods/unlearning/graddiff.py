"""`graddiff`: gradient ascent on the forget set, descent on the retain set.

Liu et al., "Continual Learning and Private Unlearning", arXiv 2203.12817 (Gradient Difference);
TOFU (arXiv 2401.06121). Reference code: GradDiff of locuslab/open-unlearning.
L = -gamma NLL(forget) + alpha L_r, with gamma = alpha = 1 and L_r the mean negative log-likelihood
of retain answers. With ``retain_loss=kl`` it is `ga-kl`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from harness.options import Options
from harness.protocols.edit.gradient import GradientEditor, RetainOptions, Step, mean_nll
from harness.registry import About

if TYPE_CHECKING:
    import torch


class GradDiff(GradientEditor):
    """Raise the loss on the forget set, lower it on the retain set."""

    about: ClassVar[About] = About(
        "Gradient ascent on the forget set, descent on the retain set.",
        "arXiv 2203.12817; TOFU 2401.06121",
    )
    Options: ClassVar[type[Options]] = RetainOptions

    def forget_loss(self, step: Step) -> torch.Tensor:
        """Negated mean negative log-likelihood of the answer tokens."""
        return -mean_nll(step.logits(step.forget), step.forget.labels)
