"""`cotta`: a student that follows a slow teacher, and returns to the source weight by weight.

Wang et al., "Continual Test-Time Domain Adaptation", arXiv 2203.13591. Reference code:
qinenergy/cotta. For each batch:

1. the teacher predicts; if the source model's mean confidence is below a threshold, it does so as
   the mean of its scores over 32 augmentations (`views.strong`);
2. a step of the student on the cross-entropy with the teacher, on all weights;
3. theta_T <- a theta_T + (1 - a) theta_S;
4. each weight of the student returns to the source's with probability p.

What is returned is the teacher's prediction of 1, before the update. Student, teacher and source
all take the batch's statistics in batch norm.

Defaults are those of the ImageNet code: a = 0.999, p = 0.001, threshold 0.1, the symmetric
cross-entropy, SGD 0.01 with Nesterov's momentum 0.9 at batches of 64. For CIFAR-10 that code has
p = 0.01, threshold 0.92, cross-entropy one way and Adam 1e-3. It adapts parameters that are called
``weight`` or ``bias``, all of a ResNet but not the position embeddings of a ViT; here it is all.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from harness.options import Options
from harness.protocols.adapt import GradientMethod, GradientOptions, State, finite
from harness.registry import About
from harness_methods.adaptation.teacher import follow, using
from harness_methods.adaptation.views import strong

if TYPE_CHECKING:
    import torch


class Consistency(StrEnum):
    """Loss between student and teacher."""

    SYMMETRIC = "symmetric"
    CROSS_ENTROPY = "cross-entropy"


class CoTTAOptions(GradientOptions):
    """Options of `cotta`."""

    lr: float = Field(default=0.01, gt=0)
    """Learning rate."""
    nesterov: bool = True
    """Nesterov's momentum, of SGD."""
    ema: float = Field(default=0.999, ge=0, le=1)
    """a: share of the teacher that stays."""
    restore: float = Field(default=0.001, ge=0, le=1)
    """p: probability that a weight returns to the source's."""
    threshold: float = Field(default=0.1, ge=0, le=1)
    """Mean confidence of the source model below which the teacher averages."""
    augmentations: int = Field(default=32, ge=1)
    """That the teacher averages over."""
    loss: Consistency = Consistency.SYMMETRIC
    """symmetric: half each way, as for ImageNet; cross-entropy: of the student with the teacher, as
    for CIFAR."""


class CoTTA(GradientMethod):
    """Learn from a slow teacher, and forget a little all the time."""

    about: ClassVar[About] = About(
        "Mean teacher over augmentations, with stochastic restoration.", "CoTTA, arXiv 2203.13591"
    )
    Options: ClassVar[type[Options]] = CoTTAOptions
    options: CoTTAOptions
    adapts: ClassVar[str] = "all weights"
    all_weights: ClassVar[bool] = True

    def prepare(self) -> None:
        """A fresh optimiser, and a teacher that is the source."""
        super().prepare()
        self.teacher = dict(self.source)

    def step(self, images: torch.Tensor) -> torch.Tensor:
        """Teacher, student, teacher again, restoration."""
        import torch

        with torch.no_grad():
            target = finite(self._target(images))
        logits = self.model.logits(images)
        self.descend(consistency(logits, target, self.options.loss).mean(), len(images))
        self.teacher = follow(self.teacher, self.model.module, self.options.ema)
        self._restore()
        return target.log_softmax(1)

    def _target(self, images: torch.Tensor) -> torch.Tensor:
        with using(self.model, self.source):
            confidence = self.model.logits(images).softmax(1).amax(1).mean()
        with using(self.model, self.teacher):
            if float(confidence) >= self.options.threshold:
                return self.model.logits(images)
            self.count("averaged")
            number, draws = self.options.augmentations, self.context.generator
            total = self.model.logits(strong(images, draws))
            for _ in range(number - 1):
                total = total + self.model.logits(strong(images, draws))
            return total / number

    def _restore(self) -> None:
        import torch

        if self.options.restore == 0:
            return
        for name, one in self.model.module.named_parameters():
            drawn = torch.rand(one.shape, generator=self.context.generator).to(one.device)
            with torch.no_grad():
                one.copy_(torch.where(drawn < self.options.restore, self.source[name], one))

    def predict(self, images: torch.Tensor) -> torch.Tensor:
        """The teacher's prediction."""
        with using(self.model, self.teacher):
            return super().predict(images)

    def memory(self) -> State:
        """The optimiser's averages and the teacher."""
        return {**super().memory(), "teacher": self.teacher}

    def recall(self, memory: State) -> None:
        """Take them back."""
        super().recall(memory)
        teacher: Any = memory["teacher"]
        self.teacher = dict(teacher)


def consistency(student: torch.Tensor, teacher: torch.Tensor, kind: Consistency) -> torch.Tensor:
    """Loss of each sample, (batch,), of scores (batch, classes) of student and teacher."""
    forth = -(teacher.softmax(1) * student.log_softmax(1)).sum(1)
    if kind is Consistency.CROSS_ENTROPY:
        return forth
    back = -(student.softmax(1) * teacher.log_softmax(1)).sum(1)
    return (forth + back) / 2
