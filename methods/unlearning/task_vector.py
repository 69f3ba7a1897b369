"""`task-vector`: learn the forget set, then go the other way.

Ilharco et al., "Editing Models with Task Arithmetic", arXiv 2212.04089 (negation); as unlearning in
MUSE (arXiv 2407.06460, "Task Vector"), whose reference code is jaechan-repo/muse_bench:
theta - a (theta_ft - theta), with theta_ft fine-tuned from the target model on the forget set. a is
5 as there; how long it is fine-tuned is the budget's (10 epochs at learning rate 1e-5 there). Each
checkpoint is evaluated as the model that its weights lead to.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field, model_validator

from harness.options import Options
from harness.protocols.edit.causal import CausalLM
from harness.protocols.edit.data import EditData
from harness.protocols.edit.gradient import GradientOptions
from harness.protocols.edit.method import Budget, EditProgress, ModelEditor
from harness.registry import About
from harness_methods.unlearning.finetune import Derived, Finetune


class TaskVectorOptions(GradientOptions):
    """Options of `task-vector`; those of gradients are of the fine-tuning."""

    a: float = Field(default=5.0, ge=0)
    """Scale of the negated task vector."""

    @model_validator(mode="after")
    def _whole_weights(self) -> TaskVectorOptions:
        if self.lora_rank:
            raise ValueError("differences are taken of whole weights; leave lora_rank at 0")
        return self


class TaskVector(ModelEditor):
    """Subtract what fine-tuning on the forget set adds."""

    about: ClassVar[About] = About(
        "Negated task vector of fine-tuning on the forget set.",
        "Task arithmetic, arXiv 2212.04089; MUSE 2407.06460",
    )
    Options: ClassVar[type[Options]] = TaskVectorOptions
    trajectory = True
    options: TaskVectorOptions

    def edit(
        self, model: CausalLM, data: EditData, budget: Budget, progress: EditProgress
    ) -> CausalLM:
        """Fine-tune, and negate at every checkpoint."""
        unlearned = model.copy()
        original = [one.detach().clone() for one in model.module.parameters()]
        unlearned.module.requires_grad_(False).eval()

        def derive(tuned: CausalLM) -> CausalLM:
            found = zip(
                unlearned.module.parameters(), original, tuned.module.parameters(), strict=True
            )
            for parameter, before, after in found:
                parameter.copy_(negated(before, after.detach(), self.options.a))
            return unlearned

        tuned = Finetune(self.options).edit(model, data, budget, Derived(progress, derive))
        return derive(tuned)


def negated(before: Any, after: Any, a: float) -> Any:
    """Before - a (after - before), tensors or numbers."""
    return before - a * (after - before)
