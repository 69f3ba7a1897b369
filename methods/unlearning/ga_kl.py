"""`ga-kl`: gradient ascent on the forget set, held near the target model on the retain set.

"KL Minimization" of TOFU (arXiv 2401.06121) and GA_KLR of MUSE (arXiv 2407.06460). It is `graddiff`
with L_r = KL(target model || edited model). Not copied: MUSE's code gives raw logits to
``kl_div``; OpenUnlearning's mean runs over prompt and padding positions too, here it runs over
answer tokens alone.
"""

from __future__ import annotations

from typing import ClassVar

from harness.options import Options
from harness.protocols.edit.gradient import RetainLoss, RetainOptions
from harness.registry import About
from harness_methods.unlearning.graddiff import GradDiff


class GAKLOptions(RetainOptions):
    """Options of `ga-kl`."""

    retain_loss: RetainLoss = RetainLoss.KL
    """nll or kl."""


class GAKL(GradDiff):
    """Raise the loss on the forget set, keep the answers' distribution on the retain set."""

    about: ClassVar[About] = About(
        "Gradient ascent with a KL loss on the retain set.", "TOFU 2401.06121; MUSE 2407.06460"
    )
    Options: ClassVar[type[Options]] = GAKLOptions
