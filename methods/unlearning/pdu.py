"""`pdu`: flatten the logits of forget answers under a bound on the retain loss.

Entesari et al., "Constrained Entropic Unlearning: A Primal-Dual Framework for Large Language
Models", arXiv 2506.05314. Reference code: PDU of locuslab/open-unlearning.

L = gamma mean (max_v z_v - mean_v z_v)^2 + lambda (L_r - eps), and after each step lambda <-
max(0, lambda + step (L_r - eps)), once the warm-up epochs are over; alpha is lambda at the
beginning. Defaults are those of TOFU (eps 0.3, warm-up 5 epochs, step 1; its runs use 5 too). The
reference code requires eps; here TOFU's is the default. Not copied: its forget loss runs over
prompt and padding positions, and masks logits with labels that are not shifted, in versions that
mask them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.options import Options
from harness.protocols.edit.causal import CausalLM
from harness.protocols.edit.data import EditData
from harness.protocols.edit.gradient import GradientEditor, RetainOptions, Step, answer_logits
from harness.protocols.edit.method import Budget, State
from harness.registry import About

if TYPE_CHECKING:
    import torch


class PDUOptions(RetainOptions):
    """Options of `pdu`."""

    alpha: float = Field(default=1.0, gt=0)
    """The multiplier lambda at the beginning."""
    retain_eps: float = 0.3
    """The paper's eps: retain loss that is allowed."""
    dual_step: float = Field(default=1.0, ge=0)
    """Step size of lambda."""
    dual_warmup: float = Field(default=5.0, ge=0)
    """Epochs of the forget set before lambda changes."""


class PDU(GradientEditor):
    """Flat logits on the forget set, a bounded loss on the retain set."""

    about: ClassVar[About] = About(
        "Flat forget logits, the retain loss bounded by a multiplier.", "PDU, arXiv 2506.05314"
    )
    Options: ClassVar[type[Options]] = PDUOptions
    options: PDUOptions

    def begin(self, model: CausalLM, data: EditData, budget: Budget) -> None:
        """Start from alpha."""
        del model, data, budget
        self.multiplier = self.options.alpha

    def forget_loss(self, step: Step) -> torch.Tensor:
        """Squared margins of the logits that predict forget answers."""
        logits, _ = answer_logits(step.logits(step.forget), step.forget.labels)
        return flatness_loss(logits)

    def weights(self, step: Step) -> tuple[float, float]:
        """Gamma and lambda."""
        del step
        return self.options.gamma, self.multiplier

    def after(self, step: Step, forget_loss: float, retain_loss: float | None) -> None:
        """Raise lambda while the retain loss is above its bound, lower it below."""
        del forget_loss
        if (
            step.index >= self.options.dual_warmup * step.steps_per_epoch
            and retain_loss is not None
        ):
            rise = self.options.dual_step * (retain_loss - self.options.retain_eps)
            self.multiplier = max(0.0, self.multiplier + rise)

    def state(self) -> State:
        """Lambda."""
        return {"lambda": self.multiplier}

    def load(self, state: State) -> None:
        """Take up a saved lambda."""
        self.multiplier = float(state["lambda"])


def flatness_loss(logits: torch.Tensor) -> torch.Tensor:
    """Mean of (max - mean)^2 of logits, (tokens, vocabulary)."""
    logits = logits.float()
    return ((logits.max(dim=-1).values - logits.mean(dim=-1)) ** 2).mean()
