"""`ceu`: learn the model's own distribution with the answer token struck out.

Yang, "CE-U: Cross Entropy Unlearning", arXiv 2503.01224. Reference code: CEU of
locuslab/open-unlearning. L_f = CE(softmax(z with z_y = -inf), softmax(z)), the former taken as a
constant; the first answer token is left out (a footnote on the paper's training settings), and
there is no retain loss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.options import Options
from harness.protocols.edit.causal import IGNORED
from harness.protocols.edit.gradient import GradientEditor, GradientOptions, Step, answer_logits
from harness.registry import About

if TYPE_CHECKING:
    import torch


class CEUOptions(GradientOptions):
    """Options of `ceu`."""

    skip: int = Field(default=1, ge=0)
    """Tokens at the beginning of each answer that are left out."""


class CEU(GradientEditor):
    """Cross-entropy towards the distribution without the answer."""

    about: ClassVar[About] = About(
        "Cross-entropy to the own distribution without the answer token.", "CE-U, arXiv 2503.01224"
    )
    Options: ClassVar[type[Options]] = CEUOptions
    options: CEUOptions

    def forget_loss(self, step: Step) -> torch.Tensor:
        """The loss of the forget minibatch; 0 if no answer is longer than what is left out."""
        labels = without_first(step.forget.labels, self.options.skip)
        logits, targets = answer_logits(step.logits(step.forget), labels)
        if not len(targets):
            return logits.sum()
        return ceu_loss(logits, targets)


def without_first(labels: torch.Tensor, count: int) -> torch.Tensor:
    """The labels, with the first `count` of each row ignored, (batch, length)."""
    kept = labels != IGNORED
    return labels.masked_fill(kept.cumsum(dim=1) <= count, IGNORED)


def ceu_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy from the softmax of constant logits whose targets are -inf, mean over tokens.

    Args:
        logits: at the answer tokens, (tokens, vocabulary).
        targets: answer tokens, (tokens,).
    """
    import torch

    logits = logits.float()
    struck = logits.detach().scatter(-1, targets.unsqueeze(-1), float("-inf"))
    return torch.nn.functional.cross_entropy(logits, struck.softmax(dim=-1))
