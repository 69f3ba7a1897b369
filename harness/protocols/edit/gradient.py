"""Editors that follow gradients: what their loss is; the loop is in `training`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, final

from pydantic import Field

from harness.options import Options
from harness.protocols.edit.causal import IGNORED, Batch, CausalLM
from harness.protocols.edit.data import EditData
from harness.protocols.edit.method import Budget, EditProgress, ModelEditor, State

if TYPE_CHECKING:
    import torch


class Optimiser(StrEnum):
    """What makes a step of a gradient."""

    ADAMW = "adamw"
    SGD = "sgd"


class Schedule(StrEnum):
    """How the learning rate changes after its warm-up."""

    LINEAR = "linear"
    """Falls to 0 at the last step."""
    CONSTANT = "constant"


class GradientOptions(Options):
    """Options that every gradient editor has. Defaults: OpenUnlearning's runs of TOFU."""

    lr: float | None = Field(default=None, gt=0)
    """Learning rate; none: what the model recommends (1e-5 for published checkpoints)."""
    gamma: float = Field(default=1.0, ge=0)
    """Weight of the forget loss."""
    optimiser: Optimiser = Optimiser.ADAMW
    """adamw or sgd."""
    beta1: float = Field(default=0.9, ge=0, lt=1)
    """Adam's decay of the first moment."""
    beta2: float = Field(default=0.999, ge=0, lt=1)
    """Adam's decay of the second moment."""
    eps: float = Field(default=1e-8, gt=0)
    """Adam's epsilon."""
    weight_decay: float = Field(default=0.01, ge=0)
    """AdamW's decoupled weight decay."""
    schedule: Schedule = Schedule.LINEAR
    """Learning rate after the warm-up."""
    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Share of the steps in which the learning rate rises from 0."""
    max_grad_norm: float | None = Field(default=1.0, gt=0)
    """Longest gradient handed to the optimiser; longer ones are scaled."""
    lora_rank: int = Field(default=0, ge=0)
    """Rank of LoRA adapters on all linear layers; 0 edits all weights."""
    lora_alpha: float = Field(default=16.0, gt=0)
    """Scale of the adapters is lora_alpha / lora_rank."""


class RetainLoss(StrEnum):
    """What holds the model on the retain set."""

    NLL = "nll"
    """Mean negative log-likelihood of the answer tokens."""
    KL = "kl"
    """KL(target model || edited model) on the answer tokens, mean over tokens."""


class RetainOptions(GradientOptions):
    """Options of gradient editors with a retain loss."""

    alpha: float = Field(default=1.0, ge=0)
    """Weight of the retain loss."""
    retain_loss: RetainLoss = RetainLoss.NLL
    """nll or kl."""


@dataclass
class Step:
    """One step as an editor sees it: minibatches, the model, and the frozen target model."""

    index: int
    """From 0."""
    steps: int
    steps_per_epoch: float
    """Steps in which the forget set is seen once."""
    model: CausalLM
    reference: CausalLM | None
    """The target model, frozen; for editors with `uses_reference`."""
    forget: Batch
    retain: Batch
    refusal: Batch | None = None
    """The questions of `forget` with answers that decline; for editors with `uses_refusals`."""
    _logits: dict[tuple[int, bool], tuple[Batch, Any]] = field(
        default_factory=dict[tuple[int, bool], "tuple[Batch, Any]"]
    )
    """With the batch itself, so that no later one can have its identity."""

    def logits(self, batch: Batch) -> torch.Tensor:
        """Logits of the edited model, (batch, length, vocabulary); computed once for a batch."""
        key = (id(batch), False)
        if key not in self._logits:
            found = self.model.module(input_ids=batch.ids, attention_mask=batch.mask)
            self._logits[key] = (batch, found.logits)
        return self._logits[key][1]

    def reference_logits(self, batch: Batch) -> torch.Tensor:
        """The same of the frozen target model, without gradient."""
        import torch

        key = (id(batch), True)
        if key not in self._logits:
            if self.reference is None:
                raise RuntimeError("this editor does not declare uses_reference")
            with torch.no_grad():
                found = self.reference.module(input_ids=batch.ids, attention_mask=batch.mask)
            self._logits[key] = (batch, found.logits)
        return self._logits[key][1]

    def hidden(self, batch: Batch, layer: int, *, frozen: bool = False) -> torch.Tensor:
        """Hidden states after a layer (0: embeddings), (batch, length, width)."""
        import torch

        model = self.reference if frozen else self.model
        if model is None:
            raise RuntimeError("this editor does not declare uses_reference")
        with torch.set_grad_enabled(not frozen):
            found = model.module(
                input_ids=batch.ids, attention_mask=batch.mask, output_hidden_states=True
            )
        return found.hidden_states[layer]


class GradientEditor(ModelEditor):
    """An editor that minimises gamma * forget loss + alpha * retain loss.

    Subclasses give the forget loss, and what differs from the defaults below. All of it is called
    by the loop in `harness.protocols.edit.training`.
    """

    Options = RetainOptions
    options: Any
    takes_surgery = True
    trajectory = True
    uses_reference: ClassVar[bool] = False
    """Whether its losses need the frozen target model (a KL retain loss does in any case)."""
    lr_scale: ClassVar[float] = 1.0
    """Its learning rate by default, relative to the model's."""

    def begin(self, model: CausalLM, data: EditData, budget: Budget) -> None:
        """Prepare what lasts over the steps."""
        del model, data, budget

    def trainable(self, module: Any) -> Iterable[tuple[str, Any]]:
        """The named parameters that are edited; all by default."""
        return module.named_parameters()

    @abstractmethod
    def forget_loss(self, step: Step) -> torch.Tensor:
        """The forget loss, a scalar."""

    def retain_loss(self, step: Step) -> torch.Tensor | None:
        """The retain loss, a scalar; None where the method has none."""
        if not isinstance(self.options, RetainOptions) or self.options.alpha == 0:
            return None
        if self.options.retain_loss is RetainLoss.KL:
            return kl_to_reference(step, step.retain)
        return mean_nll(step.logits(step.retain), step.retain.labels)

    def weights(self, step: Step) -> tuple[float, float]:
        """Weights of forget loss and retain loss: gamma and alpha."""
        del step
        return self.options.gamma, getattr(self.options, "alpha", 0.0)

    def after(self, step: Step, forget_loss: float, retain_loss: float | None) -> None:
        """Called when a step was made; for multipliers and the like."""
        del step, forget_loss, retain_loss

    def state(self) -> State:
        """What has to be saved for a killed edit to go on."""
        return {}

    def load(self, state: State) -> None:
        """Take up a saved state; called after `begin`."""
        del state

    @final
    def edit(
        self, model: CausalLM, data: EditData, budget: Budget, progress: EditProgress
    ) -> CausalLM:
        """Follow the gradient for the steps of the budget."""
        from harness.protocols.edit.training import train

        return train(self, model, data, budget, progress)


def token_nll(logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Negative log-likelihood of each label under the logits of the position before it.

    Args:
        logits: (batch, length, vocabulary).
        labels: (batch, length), `IGNORED` where no loss is taken; not shifted.

    Returns:
        Natural logs (batch, length - 1), 0 where ignored, and the mask of labels, likewise.
    """
    import torch

    targets = labels[:, 1:]
    mask = targets != IGNORED
    losses = torch.nn.functional.cross_entropy(
        logits[:, :-1].transpose(1, 2).float(), targets, ignore_index=IGNORED, reduction="none"
    )
    return losses, mask


def mean_nll(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean over all label tokens of the batch, as causal language models compute their loss."""
    losses, mask = token_nll(logits, labels)
    return losses.sum() / mask.sum().clamp(min=1)


def sequence_nll(logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Sum over label tokens, and their number, of each example: (batch,) each."""
    losses, mask = token_nll(logits, labels)
    return losses.sum(dim=1), mask.sum(dim=1)


def answer_logits(logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that predict label tokens, (tokens, vocabulary), and the labels, (tokens,)."""
    targets = labels[:, 1:]
    mask = targets != IGNORED
    return logits[:, :-1][mask], targets[mask]


def kl_to_reference(step: Step, batch: Batch) -> torch.Tensor:
    """KL(target model || edited model) on the label tokens, mean over tokens, natural log.

    OpenUnlearning's mean runs over prompt and padding too; here it does not.
    """
    import torch

    current, _ = answer_logits(step.logits(batch), batch.labels)
    frozen, _ = answer_logits(step.reference_logits(batch), batch.labels)
    return torch.nn.functional.kl_div(
        torch.log_softmax(current.float(), dim=-1),
        torch.log_softmax(frozen.float(), dim=-1),
        log_target=True,
        reduction="batchmean",
    )


def layers_of(module: Any) -> Iterator[tuple[str, Any]]:
    """The transformer blocks of a model, in order, by name.

    The longest `ModuleList` is taken, which is where every causal model of `transformers` keeps
    them.
    """
    import torch

    lists = [
        (name, child)
        for name, child in module.named_modules()
        if isinstance(child, torch.nn.ModuleList)
    ]
    name, blocks = max(lists, key=lambda one: len(one[1]))
    for number, block in enumerate(blocks):
        yield f"{name}.{number}", block
