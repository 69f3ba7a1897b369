"""Losses of a supervision step: cross entropy of the tokens and of having them all right."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from harness_methods.solvers.trm.canvas import PAD
from harness_methods.solvers.trm.options import Loss

_HALTING = 0.5
"""Weight of the halting loss."""


class Losses(NamedTuple):
    """Of a batch."""

    total: Tensor
    """Mean over examples."""
    right: Tensor
    """Whether all tokens of an example are, (batch,)."""


def log_stablemax(scores: Tensor) -> Tensor:
    """Natural log of s(x), which takes the place of e^x: x + 1 from 0 on, 1 / (1 - x) below.

    Prieto et al., "Grokking at the Edge of Numerical Stability", arXiv 2501.04697. The reference
    code computes in double precision; log1p makes single precision enough.
    """
    above, below = scores.clamp(min=0), scores.clamp(max=0)
    return torch.where(scores < 0, -torch.log1p(-below), torch.log1p(above))


def token_losses(scores: Tensor, labels: Tensor, loss: Loss) -> Tensor:
    """Negative log-likelihood in nats of each label, (batch, tokens); 0 where it is padding.

    Args:
        scores: (batch, tokens, vocabulary).
        labels: (batch, tokens).
        loss: how scores become probabilities.
    """
    # The stable maximum of scores is the softmax of their logs.
    logs = log_stablemax(scores) if loss is Loss.STABLEMAX else scores
    flat = functional.cross_entropy(
        logs.flatten(0, 1), labels.flatten(), ignore_index=PAD, reduction="none"
    )
    return flat.view(labels.shape)


def step_losses(scores: Tensor, halt: Tensor, labels: Tensor, loss: Loss) -> Losses:
    """The loss of a supervision step: mean over tokens, then over examples, and half the halting.

    Args:
        scores: (batch, tokens, vocabulary).
        halt: logits, (batch,).
        labels: (batch, tokens); padding does not count.
        loss: how scores become probabilities.
    """
    counted = labels != PAD
    with torch.no_grad():
        right = ((scores.argmax(-1) == labels) | ~counted).all(1)
    tokens = token_losses(scores, labels, loss).sum(1) / counted.sum(1).clamp(min=1)
    halting = functional.binary_cross_entropy_with_logits(halt, right.to(halt.dtype))
    return Losses(tokens.mean() + _HALTING * halting, right)
