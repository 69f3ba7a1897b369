"""`undial`: distil the target model into itself, its answers' logits lowered.

Dong et al., "UNDIAL: Self-Distillation with Adjusted Logits for Robust Unlearning in Large Language
Models", arXiv 2402.10052. Reference code: dong-river/LLM_unlearning; UNDIAL of
locuslab/open-unlearning, whose beta 10, alpha 0 and learning rate 1e-4 (ten times that of the other
methods) are the defaults; the authors use LoRA of rank 8 (``lora_rank=8``).

L_f = CE(softmax(z_ref - beta onehot(y)), softmax(z)), mean over answer tokens. Not copied:
OpenUnlearning's mean over prompt and padding too, where its ignore index of -100 lowers the logit
of another token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.options import Options
from harness.protocols.edit.gradient import GradientEditor, RetainOptions, Step, answer_logits
from harness.registry import About

if TYPE_CHECKING:
    import torch


class UNDIALOptions(RetainOptions):
    """Options of `undial`."""

    beta: float = Field(default=10.0, ge=0)
    """How far the logit of an answer token is lowered."""
    alpha: float = Field(default=0.0, ge=0)
    """Weight of the retain loss."""


class UNDIAL(GradientEditor):
    """Learn the target model's distribution with the answers taken down."""

    about: ClassVar[About] = About(
        "Self-distillation with the answers' logits lowered.", "UNDIAL, arXiv 2402.10052"
    )
    Options: ClassVar[type[Options]] = UNDIALOptions
    options: UNDIALOptions
    uses_reference: ClassVar[bool] = True
    lr_scale: ClassVar[float] = 10.0

    def forget_loss(self, step: Step) -> torch.Tensor:
        """Cross-entropy to the adjusted distribution."""
        logits, targets = answer_logits(step.logits(step.forget), step.forget.labels)
        reference, _ = answer_logits(step.reference_logits(step.forget), step.forget.labels)
        return undial_loss(logits, reference, targets, self.options.beta)


def undial_loss(
    logits: torch.Tensor, reference: torch.Tensor, targets: torch.Tensor, beta: float
) -> torch.Tensor:
    """Cross-entropy from softmax(reference - beta onehot(targets)), mean over tokens.

    Args:
        logits: of the edited model at the answer tokens, (tokens, vocabulary).
        reference: of the target model, likewise.
        targets: answer tokens, (tokens,).
        beta: how far their logits are lowered.
    """
    import torch

    lowered = reference.float() - beta * torch.nn.functional.one_hot(targets, logits.shape[-1])
    return torch.nn.functional.cross_entropy(logits.float(), lowered.softmax(dim=-1))
