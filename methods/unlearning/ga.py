"""`ga`: gradient ascent on the forget set, and nothing that holds the model elsewhere.

Jang et al., "Knowledge Unlearning for Mitigating Privacy Risks in Language Models", arXiv
2210.01504; TOFU (arXiv 2401.06121, "Gradient Ascent"). Reference code:
GradAscent of locuslab/open-unlearning. L_f = -NLL, mean over the answer tokens of the minibatch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from harness.options import Options
from harness.protocols.edit.gradient import GradientEditor, GradientOptions, Step, mean_nll
from harness.registry import About

if TYPE_CHECKING:
    import torch


class GA(GradientEditor):
    """Raise the loss on the forget set."""

    about: ClassVar[About] = About(
        "Gradient ascent on the forget set; no retain loss.", "arXiv 2210.01504; TOFU 2401.06121"
    )
    Options: ClassVar[type[Options]] = GradientOptions

    def forget_loss(self, step: Step) -> torch.Tensor:
        """Negated mean negative log-likelihood of the answer tokens."""
        return -mean_nll(step.logits(step.forget), step.forget.labels)
