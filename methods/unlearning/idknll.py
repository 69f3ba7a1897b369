"""`idknll`: learn answers that decline, for the questions of the forget set.

"Preference Optimization" of TOFU (arXiv 2401.06121) with its loss "idk": the negative
log-likelihood of answers such as "I don't know", and that of the retain answers. The reference code
(locuslab/tofu) takes one token mean over both minibatches together; here each has its own, weighted
by gamma and alpha, so that the weights do not depend on the lengths of answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from harness.options import Options
from harness.protocols.edit.gradient import GradientEditor, RetainOptions, Step, mean_nll
from harness.registry import About

if TYPE_CHECKING:
    import torch


class IdkNLL(GradientEditor):
    """Fine-tune on answers that decline."""

    about: ClassVar[About] = About(
        "Fine-tuning on answers that decline.", "TOFU, arXiv 2401.06121 (idk)"
    )
    Options: ClassVar[type[Options]] = RetainOptions
    uses_refusals: ClassVar[bool] = True

    def forget_loss(self, step: Step) -> torch.Tensor:
        """Mean negative log-likelihood of the refusals' tokens."""
        if step.refusal is None:
            raise RuntimeError("the loop gives no refusals")
        return mean_nll(step.logits(step.refusal), step.refusal.labels)
