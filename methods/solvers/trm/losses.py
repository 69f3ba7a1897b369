"""The loss of a supervision step: cross entropy of the tokens and of having them all right."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional

from harness_methods.solvers.sequences.losses import answer_losses
from harness_methods.solvers.sequences.options import Loss

_HALTING = 0.5
"""Weight of the halting loss."""


class Losses(NamedTuple):
    """Of a batch."""

    total: Tensor
    """Mean over examples."""
    right: Tensor
    """Whether all tokens of an example are, (batch,)."""


def step_losses(scores: Tensor, halt: Tensor, labels: Tensor, loss: Loss) -> Losses:
    """The loss of a supervision step: mean over tokens, then over examples, and half the halting.

    Args:
        scores: (batch, tokens, vocabulary).
        halt: logits, (batch,).
        labels: (batch, tokens); padding does not count.
        loss: how scores become probabilities.
    """
    tokens, right = answer_losses(scores, labels, loss)
    halting = functional.binary_cross_entropy_with_logits(halt, right.to(halt.dtype))
    return Losses(tokens.mean() + _HALTING * halting, right)
