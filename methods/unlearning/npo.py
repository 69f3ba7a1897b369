"""`npo`: negative preference optimisation; forget answers as answers that lose.

Zhang et al., "Negative Preference Optimization: From Catastrophic Collapse to Effective
Unlearning", arXiv 2404.05868, equation 3. Reference code: licong-lin/negative-preference-
optimization; NPO of locuslab/open-unlearning. Defaults: beta 0.1, alpha = gamma = 1.

L_f = -(2 / beta) mean log sigmoid(beta (NLL_i - NLL_ref_i)), with the summed negative
log-likelihood of each answer. Not copied: MUSE's code, which takes differences of logits element by
element instead of those of log-likelihoods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.options import Options
from harness.protocols.edit.gradient import GradientEditor, RetainOptions, Step, sequence_nll
from harness.registry import About

if TYPE_CHECKING:
    import torch


class NPOOptions(RetainOptions):
    """Options of `npo`."""

    beta: float = Field(default=0.1, gt=0)
    """Inverse temperature; towards 0 the loss becomes gradient ascent."""


class NPO(GradientEditor):
    """Make forget answers less likely than the target model finds them, with bounded gradients."""

    about: ClassVar[About] = About(
        "Negative preference optimisation against the target model.", "NPO, arXiv 2404.05868"
    )
    Options: ClassVar[type[Options]] = NPOOptions
    options: NPOOptions
    uses_reference: ClassVar[bool] = True

    def forget_loss(self, step: Step) -> torch.Tensor:
        """The loss of the answers of the forget minibatch."""
        labels = step.forget.labels
        nll, _ = sequence_nll(step.logits(step.forget), labels)
        reference, _ = sequence_nll(step.reference_logits(step.forget), labels)
        return npo_loss(nll, reference, self.options.beta)


def npo_loss(nll: torch.Tensor, reference_nll: torch.Tensor, beta: float) -> torch.Tensor:
    """-(2 / beta) mean log sigmoid(beta (nll - reference_nll)).

    Args:
        nll: negative log-likelihood of each answer, summed over its tokens, (batch,).
        reference_nll: the same under the target model, (batch,).
        beta: inverse temperature.
    """
    import torch

    return -2 / beta * torch.nn.functional.logsigmoid(beta * (nll - reference_nll)).mean()
