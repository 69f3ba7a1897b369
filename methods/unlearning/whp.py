"""`whp`: at inference, take away what a model reinforced on the forget set favours.

Eldan and Russinovich, "Who's Harry Potter? Approximate Unlearning in LLMs", arXiv 2310.02238, whose
generic logits v_b - a relu(v_r - v_b) are used here as MUSE (arXiv 2407.06460, reference code
jaechan-repo/muse_bench) uses them: directly, with a = 1, instead of as labels for another
fine-tuning. v_b are the logits of the target model, v_r of one fine-tuned on the forget set for the
steps of the budget. Two models answer each request, so it cannot be saved as weights of one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from harness.options import Options
from harness.protocols.edit.causal import CausalLM
from harness.protocols.edit.data import EditData
from harness.protocols.edit.gradient import GradientOptions
from harness.protocols.edit.method import Budget, EditProgress, ModelEditor
from harness.registry import About
from harness_methods.unlearning.finetune import Derived, Finetune

if TYPE_CHECKING:
    import torch


class WHPOptions(GradientOptions):
    """Options of `whp`; those of gradients are of the reinforced model."""

    a: float = Field(default=1.0, ge=0)
    """How strongly the reinforced logits are taken away."""


class WHP(ModelEditor):
    """Combine the target model with one reinforced on the forget set."""

    about: ClassVar[About] = About(
        "Target logits minus what a reinforced model favours, at inference.",
        "Who's Harry Potter, arXiv 2310.02238; MUSE 2407.06460",
    )
    Options: ClassVar[type[Options]] = WHPOptions
    trajectory = True
    combines = True
    options: WHPOptions

    def edit(
        self, model: CausalLM, data: EditData, budget: Budget, progress: EditProgress
    ) -> CausalLM:
        """Reinforce a copy; evaluate the combination at every checkpoint."""
        from harness_methods.unlearning.whp_module import Combined

        baseline = model.copy().module.requires_grad_(False).eval()

        def derive(reinforced: CausalLM) -> CausalLM:
            module = Combined(baseline, reinforced.module, self.options.a).eval()
            return CausalLM(module, model.codec, savable=False)

        return derive(Finetune(self.options).edit(model, data, budget, Derived(progress, derive)))


def generic_logits(baseline: torch.Tensor, reinforced: torch.Tensor, a: float) -> Any:
    """v_b - a relu(v_r - v_b), elementwise."""
    return baseline - a * (reinforced - baseline).relu()
