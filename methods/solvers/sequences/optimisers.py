"""What moves the weights: AdamATan2, signs of gradients for puzzle embeddings, and an average.

All weights of the network lie in one tensor, so that each of these is a few operations however many
layers there are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from harness_methods.solvers.sequences.options import Optimiser, SequenceSettings


def flatten(module: nn.Module) -> nn.Parameter:
    """Move all parameters of a module, and their gradients, into one tensor.

    They are views of it from now on.

    Returns:
        That tensor, with its gradient, 0.
    """
    parameters = list(module.parameters())
    with torch.no_grad():
        flat = nn.Parameter(torch.cat([one.reshape(-1) for one in parameters]))
        flat.grad = torch.zeros_like(flat)
        start = 0
        for one in parameters:
            end = start + one.numel()
            one.data = flat.data[start:end].view_as(one)
            one.grad = flat.grad[start:end].view_as(one)
            start = end
    return flat


def optimiser_for(weights: nn.Parameter, given: SequenceSettings) -> torch.optim.Optimizer:
    """The chosen optimiser of a network's weights."""
    betas = (given.beta1, given.beta2)
    if given.optimiser is Optimiser.ADAM_ATAN2:
        return AdamATan2([weights], given.lr, betas, given.weight_decay)
    return torch.optim.AdamW([weights], given.lr, betas, weight_decay=given.weight_decay)


class AdamATan2(torch.optim.Optimizer):
    """Adam whose step is atan2(m, sqrt(v)), so that it needs no epsilon and is bounded.

    Everett et al., "Scaling Exponents Across Parameterizations and Optimizers", arXiv 2407.05872,
    with m and v corrected for their bias, and weight decay decoupled.
    """

    def __init__(
        self, weights: list[nn.Parameter], lr: float, betas: tuple[float, float], decay: float
    ) -> None:
        super().__init__(weights, {"lr": lr, "betas": betas, "weight_decay": decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One step; a closure is not called."""
        del closure
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._move(weight, weight.grad, group)

    def _move(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[weight]
        if not state:
            state["step"] = 0
            state["mean"] = torch.zeros_like(weight)
            state["square"] = torch.zeros_like(weight)
        state["step"] += 1
        first, second = group["betas"]
        mean, square = state["mean"], state["square"]
        mean.lerp_(gradient, 1 - first)
        square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        size = (square / (1 - second ** state["step"])).sqrt_()
        direction = (mean / (1 - first ** state["step"])).atan2_(size)
        weight.mul_(1 - group["lr"] * group["weight_decay"]).sub_(direction, alpha=group["lr"])


@torch.no_grad()
def sign_step(table: Tensor, rows: Tensor, gradient: Tensor, lr: float, decay: float) -> None:
    """Move rows of a table against the signs of their gradients, and no others, in place.

    Args:
        table: (rows, width).
        rows: of a batch, (batch,); a row that occurs twice has the sum of its gradients.
        gradient: of each, (batch, width).
        lr: how far.
        decay: decoupled weight decay.
    """
    distinct, place = rows.unique(return_inverse=True)
    total = gradient.new_zeros(len(distinct), gradient.shape[1]).index_add_(0, place, gradient)
    table[distinct] = table[distinct].mul_(1 - lr * decay).sub_(total.sign_(), alpha=lr)
