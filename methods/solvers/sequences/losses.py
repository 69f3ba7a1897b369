"""Cross entropy of tokens, under the softmax of their scores or the stable maximum."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from harness_methods.solvers.sequences.canvas import PAD
from harness_methods.solvers.sequences.options import Loss


class Answered(NamedTuple):
    """How well the labels of a batch were answered; padding does not count."""

    losses: Tensor
    """Mean over the tokens of each example in nats, (batch,)."""
    right: Tensor
    """Whether all of them have the highest score, (batch,)."""


def log_stablemax(scores: Tensor) -> Tensor:
    """Natural log of s(x), which takes the place of e^x: x + 1 from 0 on, 1 / (1 - x) below.

    Prieto et al., "Grokking at the Edge of Numerical Stability", arXiv 2501.04697. The reference
    code computes in double precision; log1p makes single precision enough.
    """
    above, below = scores.clamp(min=0), scores.clamp(max=0)
    return torch.where(scores < 0, -torch.log1p(-below), torch.log1p(above))


def log_weights(scores: Tensor, loss: Loss) -> Tensor:
    """What the softmax of gives the probabilities."""
    # The stable maximum of scores is the softmax of their logs.
    return log_stablemax(scores) if loss is Loss.STABLEMAX else scores


def token_losses(scores: Tensor, labels: Tensor, loss: Loss) -> Tensor:
    """Negative log-likelihood in nats of each label, (batch, tokens); 0 where it is padding.

    Args:
        scores: (batch, tokens, vocabulary).
        labels: (batch, tokens).
        loss: how scores become probabilities.
    """
    flat = functional.cross_entropy(
        log_weights(scores, loss).flatten(0, 1),
        labels.flatten(),
        ignore_index=PAD,
        reduction="none",
    )
    return flat.view(labels.shape)


def answer_losses(scores: Tensor, labels: Tensor, loss: Loss) -> Answered:
    """Mean loss of each example.

    Args:
        scores: (batch, tokens, vocabulary).
        labels: (batch, tokens); padding does not count.
        loss: how scores become probabilities.
    """
    counted = labels != PAD
    with torch.no_grad():
        right = ((scores.argmax(-1) == labels) | ~counted).all(1)
    tokens = token_losses(scores, labels, loss).sum(1) / counted.sum(1).clamp(min=1)
    return Answered(tokens, right)
