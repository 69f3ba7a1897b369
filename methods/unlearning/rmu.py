"""`rmu`: steer the hidden states of forget texts to a random direction, keep those of retain texts.

Li et al., "The WMDP Benchmark: Measuring and Reducing Malicious Use With Unlearning", arXiv
2403.03218, section 4 (Representation Misdirection for Unlearning). Reference code:
centerforaisafety/wmdp; RMU of locuslab/open-unlearning, whose layer 7, c 2 and alpha 1 are the
defaults (WMDP's run on Zephyr-7B: down projections of layers 5 to 7, c 6.5, alpha 1200).

L_f = mse(h_l(forget), c u) and L_r = mse(h_l(retain), h_l of the target model(retain)) at the
states of answer tokens; u is uniform in [0, 1)^d, scaled to length 1, drawn once from the seed.
Both means run over those tokens and the width. Not copied: the official mean over padding too, and
OpenUnlearning's quotient of per-example sums, whose shapes broadcast examples against one another.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from harness.errors import UsageError
from harness.options import Options
from harness.protocols.edit.causal import IGNORED, CausalLM
from harness.protocols.edit.data import EditData
from harness.protocols.edit.gradient import GradientEditor, GradientOptions, Step, layers_of
from harness.protocols.edit.method import Budget
from harness.registry import About

if TYPE_CHECKING:
    import torch

LAYER = 7
DOWN = ("down_proj", "mlp.c_proj", "fc2", "dense_4h_to_h")
"""How models name the last projection of a feed-forward layer."""


class Trained(StrEnum):
    """Which weights are edited."""

    ALL = "all"
    """All of the blocks up to the layer, and the input embeddings; later ones get no gradient."""
    DOWN = "down"
    """The down projections of the layer and the two before it, as for WMDP."""


class RMUOptions(GradientOptions):
    """Options of `rmu`."""

    layer: int | None = Field(default=None, ge=0)
    """The block l whose output is steered, from 0; none: 7, or the lower middle block of models
    with fewer than 15. The output of the last block is taken after the final norm."""
    c: float = Field(default=2.0, gt=0)
    """Steering coefficient: the length that hidden states are steered to."""
    alpha: float = Field(default=1.0, ge=0)
    """Weight of the retain loss."""
    trained: Trained = Trained.ALL
    """all or down."""


class RMU(GradientEditor):
    """Misdirect the representation of the forget set."""

    about: ClassVar[About] = About(
        "Hidden states of the forget set steered to a random direction.", "RMU, arXiv 2403.03218"
    )
    Options: ClassVar[type[Options]] = RMUOptions
    options: RMUOptions
    uses_reference: ClassVar[bool] = True

    def begin(self, model: CausalLM, data: EditData, budget: Budget) -> None:
        """Fix layer and seed."""
        del data
        self._layer = steered_layer(self.options.layer, len(list(layers_of(model.module))))
        self._seed = budget.seed
        self._control: Any = None

    def trainable(self, module: Any) -> Iterable[tuple[str, Any]]:
        """Parameters of the blocks that the options choose."""
        blocks = [name for name, _ in layers_of(module)]
        layer = steered_layer(self.options.layer, len(blocks))
        if self.options.trained is Trained.DOWN:
            chosen = tuple(f"{name}." for name in blocks[max(0, layer - 2) : layer + 1])
            for name, parameter in module.named_parameters():
                if name.startswith(chosen) and any(f".{one}." in name for one in DOWN):
                    yield name, parameter
            return
        chosen = tuple(f"{name}." for name in blocks[: layer + 1])
        embedded = {id(one) for one in module.get_input_embeddings().parameters()}
        for name, parameter in module.named_parameters():
            if name.startswith(chosen) or id(parameter) in embedded:
                yield name, parameter

    def forget_loss(self, step: Step) -> torch.Tensor:
        """Distance of forget states to the control vector."""
        hidden = _states(step.hidden(step.forget, self._layer + 1), step.forget.labels)
        if self._control is None:
            self._control = control_vector(hidden.shape[-1], self._seed).to(hidden.device)
        return state_loss(hidden, self.options.c * self._control)

    def retain_loss(self, step: Step) -> torch.Tensor | None:
        """Distance of retain states to those of the target model."""
        if self.options.alpha == 0:
            return None
        labels, layer = step.retain.labels, self._layer + 1
        frozen = _states(step.hidden(step.retain, layer, frozen=True), labels)
        return state_loss(_states(step.hidden(step.retain, layer), labels), frozen)


def steered_layer(chosen: int | None, blocks: int) -> int:
    """The block whose output is steered.

    Raises:
        UsageError: the model has no such block.
    """
    if chosen is None:
        return min(LAYER, (blocks - 1) // 2)
    if chosen >= blocks:
        raise UsageError(f"rmu: layer={chosen} of a model with layers 0 to {blocks - 1}.")
    return chosen


def control_vector(width: int, seed: int) -> torch.Tensor:
    """A random direction of positive entries, length 1, (width,)."""
    import torch

    drawn = torch.rand(width, generator=torch.Generator().manual_seed(seed))
    return drawn / drawn.norm()


def state_loss(states: torch.Tensor, aim: torch.Tensor) -> torch.Tensor:
    """Mean squared difference, over tokens and width, (tokens, width)."""
    return ((states.float() - aim.float()) ** 2).mean()


def _states(hidden: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """States of the answer tokens, (tokens, width)."""
    return hidden[labels != IGNORED]
