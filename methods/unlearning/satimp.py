"""`satimp`: gradient ascent weighted by saturation and importance of tokens.

Yang et al., "Exploring Criteria of Loss Reweighting to Enhance LLM Unlearning", arXiv 2505.11953
(SatImp). Reference code: tmlr-group/SatImp; SatImp of locuslab/open-unlearning, whose beta1 5,
beta2 1, gamma 0.1 and alpha 1 are the defaults. The paper's beta1 and beta2 are `saturation` and
`importance` here, for `beta1` and `beta2` are Adam's.

L_f = -mean over tokens of p_t^beta1 (1 - p_t)^beta2 NLL_t, the weight taken as a constant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.options import Options
from harness.protocols.edit.gradient import GradientEditor, RetainOptions, Step, token_nll
from harness.registry import About

if TYPE_CHECKING:
    import torch


class SatImpOptions(RetainOptions):
    """Options of `satimp`."""

    saturation: float = Field(default=5.0, ge=0)
    """The paper's beta1: exponent of a token's probability p."""
    importance: float = Field(default=1.0, ge=0)
    """The paper's beta2: exponent of 1 - p."""
    gamma: float = Field(default=0.1, ge=0)
    """Weight of the forget loss."""


class SatImp(GradientEditor):
    """Gradient ascent that leaves out what is forgotten and what is certain."""

    about: ClassVar[About] = About(
        "Gradient ascent weighted by saturation and importance.", "SatImp, arXiv 2505.11953"
    )
    Options: ClassVar[type[Options]] = SatImpOptions
    options: SatImpOptions

    def forget_loss(self, step: Step) -> torch.Tensor:
        """The weighted loss of the forget minibatch."""
        nll, mask = token_nll(step.logits(step.forget), step.forget.labels)
        return satimp_loss(nll[mask], self.options.saturation, self.options.importance)


def satimp_loss(nll: torch.Tensor, beta1: float, beta2: float) -> torch.Tensor:
    """-mean p^beta1 (1 - p)^beta2 nll with p = exp(-nll) held constant.

    Args:
        nll: negative log-likelihood of each answer token, (tokens,).
        beta1: exponent of p.
        beta2: exponent of 1 - p.
    """
    p = (-nll.detach()).exp()
    weight = p**beta1 * (1 - p).clamp(min=0) ** beta2
    return -(weight * nll).sum() / max(1, nll.numel())
