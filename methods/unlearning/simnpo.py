"""`simnpo`: negative preference optimisation without a reference model, normalised by length.

Fan et al., "Simplicity Prevails: Rethinking Negative Preference Optimization for LLM Unlearning",
arXiv 2410.07163, the SimNPO loss (the paper's margin gamma is delta here, as in OpenUnlearning;
gamma is the weight of the forget loss). Reference code: OPTML-Group/Unlearn-Simple; SimNPO of
locuslab/open-unlearning.

L_f = -(2 / beta) mean log sigmoid(beta (NLL_i / n_i - delta)) with n_i answer tokens. Defaults are
those of TOFU forget10 (beta 4.5, delta 0, gamma 0.125, alpha 1); forget05 has beta 2.5 and gamma
0.1375, MUSE News beta 0.7 and delta 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.options import Options
from harness.protocols.edit.gradient import GradientEditor, RetainOptions, Step, sequence_nll
from harness.registry import About

if TYPE_CHECKING:
    import torch


class SimNPOOptions(RetainOptions):
    """Options of `simnpo`."""

    beta: float = Field(default=4.5, gt=0)
    """Inverse temperature."""
    delta: float = 0.0
    """Mean negative log-likelihood that the forget answers shall pass."""
    gamma: float = Field(default=0.125, ge=0)
    """Weight of the forget loss."""


class SimNPO(GradientEditor):
    """Make forget answers unlikely per token."""

    about: ClassVar[About] = About(
        "Length-normalised NPO without a reference model.", "SimNPO, arXiv 2410.07163"
    )
    Options: ClassVar[type[Options]] = SimNPOOptions
    options: SimNPOOptions

    def forget_loss(self, step: Step) -> torch.Tensor:
        """The loss of the answers of the forget minibatch."""
        nll, lengths = sequence_nll(step.logits(step.forget), step.forget.labels)
        return simnpo_loss(nll, lengths, self.options.beta, self.options.delta)


def simnpo_loss(
    nll: torch.Tensor, lengths: torch.Tensor, beta: float, delta: float
) -> torch.Tensor:
    """-(2 / beta) mean log sigmoid(beta (nll / lengths - delta)).

    Args:
        nll: negative log-likelihood of each answer, summed over its tokens, (batch,).
        lengths: answer tokens of each, (batch,); an answer that was cut away counts as one.
        beta: inverse temperature.
        delta: margin of the mean negative log-likelihood.
    """
    import torch

    margin = nll / lengths.clamp(min=1) - delta
    return -2 / beta * torch.nn.functional.logsigmoid(beta * margin).mean()
