"""Fine-tuning on the forget set: the first half of `task-vector` and `whp`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar

from harness.options import Options
from harness.protocols.edit.causal import CausalLM
from harness.protocols.edit.gradient import GradientEditor, GradientOptions, Step, mean_nll
from harness.protocols.edit.method import EditProgress, State
from harness.registry import About

if TYPE_CHECKING:
    import torch


class Finetune(GradientEditor):
    """Lower the loss on the forget set. Not registered: it is the first half of other methods."""

    about: ClassVar[About] = About("Fine-tuning on the forget set.", "")
    Options: ClassVar[type[Options]] = GradientOptions

    def forget_loss(self, step: Step) -> torch.Tensor:
        """Mean negative log-likelihood of the answer tokens."""
        return mean_nll(step.logits(step.forget), step.forget.labels)


class Derived:
    """Progress of fine-tuning, each checkpoint of which is evaluated as the model made from it.

    Args:
        progress: of the whole edit.
        derive: the unlearned model of a fine-tuned one.
    """

    def __init__(self, progress: EditProgress, derive: Callable[[CausalLM], CausalLM]) -> None:
        self._progress = progress
        self._derive = derive

    def resume(self) -> State | None:
        """What the fine-tuning has saved."""
        return self._progress.resume()

    def step(self, step: int, report: Mapping[str, float]) -> None:
        """A step of the fine-tuning."""
        self._progress.step(step, report)

    def checkpoint(self, step: int, model: CausalLM, state: Callable[[], State]) -> None:
        """Evaluate what the fine-tuned model leads to."""
        self._progress.checkpoint(step, self._derive(model), state)
