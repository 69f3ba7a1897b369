"""`identity`: the target model as it is; what every method starts from."""

from __future__ import annotations

from typing import ClassVar

from harness.protocols.edit.causal import CausalLM
from harness.protocols.edit.data import EditData
from harness.protocols.edit.method import Budget, EditProgress, ModelEditor
from harness.registry import About


class Identity(ModelEditor):
    """Change nothing."""

    about: ClassVar[About] = About("The target model, unchanged.", "the control without an edit")

    def edit(
        self, model: CausalLM, data: EditData, budget: Budget, progress: EditProgress
    ) -> CausalLM:
        """Have the model evaluated once, as at the end of the budget."""
        del data
        progress.checkpoint(budget.steps, model, lambda: {"step": budget.steps})
        return model
