"""`wga`: gradient ascent in which a token counts the less, the less likely it is already.

Wang et al., "Rethinking LLM Unlearning Objectives: A Gradient Perspective and Go Beyond", arXiv
2502.19301 (Weighted Gradient Ascent). Reference code: tmlr-group/G-effect; WGA of
locuslab/open-unlearning, whose beta 1 and alpha = gamma = 1 are the defaults.

L_f = -mean over tokens of p_t^beta NLL_t, the weight p_t^beta taken as a constant: the weight
undoes the 1 / p_t in the gradient of gradient ascent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.options import Options
from harness.protocols.edit.gradient import GradientEditor, RetainOptions, Step, token_nll
from harness.registry import About

if TYPE_CHECKING:
    import torch


class WGAOptions(RetainOptions):
    """Options of `wga`."""

    beta: float = Field(default=1.0, ge=0)
    """Exponent of a token's probability; 0 is gradient ascent."""


class WGA(GradientEditor):
    """Gradient ascent weighted by the tokens' probabilities."""

    about: ClassVar[About] = About(
        "Gradient ascent weighted by token probability.", "WGA, arXiv 2502.19301"
    )
    Options: ClassVar[type[Options]] = WGAOptions
    options: WGAOptions

    def forget_loss(self, step: Step) -> torch.Tensor:
        """The weighted loss of the forget minibatch."""
        nll, mask = token_nll(step.logits(step.forget), step.forget.labels)
        return wga_loss(nll[mask], self.options.beta)


def wga_loss(nll: torch.Tensor, beta: float) -> torch.Tensor:
    """-mean p^beta nll with p = exp(-nll) held constant.

    Args:
        nll: negative log-likelihood of each answer token, (tokens,).
        beta: exponent.
    """
    weight = (-nll.detach()).exp() ** beta
    return -(weight * nll).sum() / max(1, nll.numel())
