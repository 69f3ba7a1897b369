"""`dpo`: direct preference optimisation; an answer that declines wins, the forget answer loses.

Rafailov et al., "Direct Preference Optimization: Your Language Model is Secretly a Reward Model",
arXiv 2305.18290, equation 7; as unlearning with answers such as "I don't know" in Zhang et al.,
arXiv 2404.05868, and as IdkDPO in locuslab/open-unlearning, whose factor 2 / beta is kept so that
`npo` is this loss without the winning answer. Defaults: beta 0.1, alpha = gamma = 1.

L_f = -(2 / beta) mean log sigmoid(beta ((NLL_lose - NLL_lose_ref) - (NLL_win - NLL_win_ref))).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.options import Options
from harness.protocols.edit.causal import Batch
from harness.protocols.edit.gradient import GradientEditor, RetainOptions, Step, sequence_nll
from harness.registry import About

if TYPE_CHECKING:
    import torch


class DPOOptions(RetainOptions):
    """Options of `dpo`."""

    beta: float = Field(default=0.1, gt=0)
    """Inverse temperature."""


class DPO(GradientEditor):
    """Prefer answers that decline to the forget answers."""

    about: ClassVar[About] = About(
        "Preference for answers that decline, against the target model.",
        "DPO, arXiv 2305.18290; IdkDPO of OpenUnlearning",
    )
    Options: ClassVar[type[Options]] = DPOOptions
    options: DPOOptions
    uses_reference: ClassVar[bool] = True
    uses_refusals: ClassVar[bool] = True

    def forget_loss(self, step: Step) -> torch.Tensor:
        """The loss of the forget answers and the refusals drawn for them."""
        if step.refusal is None:
            raise RuntimeError("the loop gives no refusals")
        win, win_reference = _nlls(step, step.refusal)
        lose, lose_reference = _nlls(step, step.forget)
        return dpo_loss(lose - lose_reference, win - win_reference, self.options.beta)


def dpo_loss(lose_rise: torch.Tensor, win_rise: torch.Tensor, beta: float) -> torch.Tensor:
    """-(2 / beta) mean log sigmoid(beta (lose_rise - win_rise)).

    Args:
        lose_rise: negative log-likelihood of each losing answer, summed over its tokens, minus that
            under the target model, (batch,).
        win_rise: the same of the winning answers, (batch,).
        beta: inverse temperature.
    """
    import torch

    return -2 / beta * torch.nn.functional.logsigmoid(beta * (lose_rise - win_rise)).mean()


def _nlls(step: Step, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Summed negative log-likelihoods under the edited and the target model."""
    nll, _ = sequence_nll(step.logits(batch), batch.labels)
    reference, _ = sequence_nll(step.reference_logits(batch), batch.labels)
    return nll, reference
