"""`rotta`: a teacher on slow batch statistics, taught by a balanced memory of the stream.

Yuan et al., "Robust Test-Time Adaptation in Dynamic Scenarios", arXiv 2303.13899. Reference code:
BIT-DA/RoTTA.

- Robust batch norm: mu <- (1 - alpha) mu + alpha mu_batch, likewise the variance, updated where the
  network trains and used in place of the batch's own.
- The teacher predicts every batch by its statistics as they are; each image goes into the memory
  (`bank.Bank`), with the predicted class and its entropy.
- After every 64 images, in the midst of a batch if need be: the teacher sees the memory, the
  student a strong augmentation of it (`views.strong`); the loss is the mean of the cross-entropies
  weighted by exp(-A) / (1 + exp(-A)), A the age in units of the capacity; one Adam step on the
  affine weights of norm layers; the teacher moves by nu towards the student.

Defaults: alpha = 0.05, memory 64, nu = 0.001, lambda_t = lambda_u = 1, Adam 1e-3. Networks without
batch norm have no statistics to keep and adapt layer or group norm, as in
mariodoebler/test-time-adaptation. The reference code cannot be reset; here memory, teacher and
statistics return to the source's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from harness.options import Options
from harness.protocols.adapt import GradientMethod, GradientOptions, Optimiser, State, finite
from harness.registry import About
from harness_methods.adaptation.bank import Bank, Item
from harness_methods.adaptation.cotta import Consistency, consistency
from harness_methods.adaptation.statistics import batch_norms, keep_robust_statistics
from harness_methods.adaptation.teacher import follow, using
from harness_methods.adaptation.views import strong

if TYPE_CHECKING:
    import torch


class RoTTAOptions(GradientOptions):
    """Options of `rotta`."""

    lr: float = Field(default=1e-3, gt=0)
    """Learning rate."""
    optimiser: Optimiser = Optimiser.ADAM
    """sgd, adam or adamw."""
    alpha: float = Field(default=0.05, ge=0, le=1)
    """Share of a batch in the statistics of batch norm."""
    nu: float = Field(default=0.001, ge=0, le=1)
    """Share of the student in the teacher, at each update."""
    capacity: int = Field(default=64, ge=1)
    """Images in the memory."""
    every: int = Field(default=64, ge=1)
    """Images of the stream between updates."""
    timeliness: float = Field(default=1.0, ge=0)
    """lambda_t: weight of an image's age in what is dropped."""
    uncertainty: float = Field(default=1.0, ge=0)
    """lambda_u: weight of its entropy."""


class RoTTA(GradientMethod):
    """Learn from a small balanced memory, slowly."""

    about: ClassVar[About] = About(
        "Mean teacher on a category-balanced memory, with robust batch norm.",
        "RoTTA, arXiv 2303.13899",
    )
    Options: ClassVar[type[Options]] = RoTTAOptions
    options: RoTTAOptions
    batch_statistics: ClassVar[bool] = False

    def prepare(self) -> None:
        """A fresh optimiser, an empty memory, and a teacher that is the source."""
        super().prepare()
        given = self.options
        keep_robust_statistics(self.model.module, given.alpha)
        self.teacher = dict(self.source)
        self.bank = Bank(
            given.capacity, len(self.model.classes), given.timeliness, given.uncertainty
        )
        self._seen = 0

    def step(self, images: torch.Tensor) -> torch.Tensor:
        """The teacher's prediction; updates happen as images go into the memory."""
        predicted = finite(self.predict(images))
        probabilities = predicted.exp()
        uncertainties = -(probabilities * (probabilities + 1e-6).log()).sum(1)
        labels = probabilities.argmax(1)
        for image, label, uncertainty in zip(images, labels, uncertainties, strict=True):
            self.bank.add(Item(image.clone(), int(label), float(uncertainty)))
            self._seen += 1
            if self._seen % self.options.every == 0:
                self._update()
        return predicted

    def _update(self) -> None:
        import torch

        images, ages = self.bank.contents()
        self._train(True)
        with torch.no_grad(), using(self.model, self.teacher):
            target = self.model.logits(images)
            self.teacher = dict(self.model.copy())  # with its statistics moved
        logits = self.model.logits(strong(images, self.context.generator))
        self._train(False)
        losses = consistency(logits, target, Consistency.CROSS_ENTROPY)
        self.descend((losses * torch.sigmoid(-ages)).mean(), len(images))
        self.teacher = follow(self.teacher, self.model.module, 1 - self.options.nu)

    def _train(self, training: bool) -> None:
        for layer in batch_norms(self.model.module):
            layer.training = training

    def predict(self, images: torch.Tensor) -> torch.Tensor:
        """The teacher's prediction."""
        with using(self.model, self.teacher):
            return super().predict(images)

    def memory(self) -> State:
        """Optimiser, teacher, memory and count of images."""
        return {
            **super().memory(),
            "teacher": self.teacher,
            "bank": self.bank.state(),
            "seen": self._seen,
        }

    def recall(self, memory: State) -> None:
        """Take them back."""
        super().recall(memory)
        kept: Any = memory
        self.teacher = dict(kept["teacher"])
        self.bank.restore(kept["bank"])
        self._seen = int(kept["seen"])
