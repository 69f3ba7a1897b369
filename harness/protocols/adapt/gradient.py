"""What methods share that follow a gradient: which weights, which optimiser, one step."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from harness.errors import MethodError, UsageError
from harness.options import Options
from harness.protocols.adapt.classifier import NormKind, norm_layers, use_batch_statistics
from harness.protocols.adapt.method import Requires, State, TestTimeMethod

if TYPE_CHECKING:
    import torch


def entropy(logits: torch.Tensor) -> torch.Tensor:
    """Entropy of each prediction in nats, (batch,), of scores (batch, classes)."""
    return -(logits.softmax(1) * logits.log_softmax(1)).sum(1)


class Optimiser(StrEnum):
    """Optimisers of torch."""

    SGD = "sgd"
    ADAM = "adam"
    ADAMW = "adamw"


class GradientOptions(Options):
    """Options of every method that follows a gradient."""

    lr: float = Field(default=2.5e-4, gt=0)
    """Learning rate; 2.5e-4 is for SGD on ImageNet models with batches of 64."""
    optimiser: Optimiser = Optimiser.SGD
    """sgd, adam or adamw."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Of SGD."""
    beta1: float = Field(default=0.9, ge=0, lt=1)
    """Of Adam and AdamW: decay of the first moment."""
    nesterov: bool = False
    """Nesterov's momentum, of SGD."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Decay of the adapted weights."""


class GradientMethod(TestTimeMethod):
    """A method that makes optimiser steps.

    By default the scales and shifts of norm layers are adapted and batch norm layers take the
    batch's statistics, as Tent does.
    """

    Options: ClassVar[type[Options]] = GradientOptions
    options: Any
    """A `GradientOptions`."""
    adapts: ClassVar[str] = "norm affine"
    batch_statistics: ClassVar[bool] = True
    """Whether batch norm layers normalise by the batch."""
    all_weights: ClassVar[bool] = False
    """Whether every weight is adapted, of a model with norm layers or without."""

    def requires(self) -> Requires:
        """Some norm layer, unless all weights are adapted."""
        return Requires() if self.all_weights else Requires(norms=frozenset(NormKind))

    def parameters(self) -> Iterator[torch.nn.Parameter]:
        """What is adapted; called after `reset` too."""
        if self.all_weights:
            yield from self.model.module.parameters()
            return
        for name, layer in norm_layers(self.model.module):
            if self.is_adapted(name):
                yield from layer.parameters(recurse=False)

    def is_adapted(self, name: str) -> bool:
        """Whether a norm layer is."""
        del name
        return True

    def prepare(self) -> None:
        """Freeze everything else and make a fresh optimiser."""
        module = self.model.module
        module.eval()
        if self.batch_statistics:
            use_batch_statistics(module)
        module.requires_grad_(False)
        chosen = list(self.parameters())
        if not chosen:
            raise UsageError("the model has no weights that this method adapts.")
        for one in chosen:
            one.requires_grad_(True)
        self.optimiser = self._optimiser(chosen)

    def _optimiser(self, chosen: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
        import torch

        given: GradientOptions = self.options
        if given.optimiser is Optimiser.SGD:
            return torch.optim.SGD(
                chosen,
                given.lr,
                momentum=given.momentum,
                weight_decay=given.weight_decay,
                nesterov=given.nesterov and given.momentum > 0,
            )
        kind = torch.optim.Adam if given.optimiser is Optimiser.ADAM else torch.optim.AdamW
        return kind(chosen, given.lr, betas=(given.beta1, 0.999), weight_decay=given.weight_decay)

    def backward(self, loss: torch.Tensor, images: int) -> None:
        """Gradients of a loss over so many images.

        Raises:
            MethodError: the loss is no finite number.
        """
        if not bool(loss.isfinite()):
            raise MethodError(f"the loss is {loss.item()}: the model diverged")
        self.model.work.backwards += images
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()

    def descend(self, loss: torch.Tensor, images: int) -> None:
        """One optimiser step on a loss over so many images."""
        self.backward(loss, images)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.count("updates")

    def memory(self) -> State:
        """The optimiser's averages."""
        return {"optimiser": self.optimiser.state_dict()}

    def recall(self, memory: State) -> None:
        """Take them back."""
        given: Any = memory["optimiser"]
        self.optimiser.load_state_dict(given)
