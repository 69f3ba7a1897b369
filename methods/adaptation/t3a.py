"""`t3a`: replace the linear head by prototypes that follow the stream.

Iwasawa and Matsuo, "Test-Time Classifier Adjustment Module for Model-Agnostic Domain
Generalization", NeurIPS 2021. Reference code: matsuolab/T3A. Every class has a
set of supports, at first its row of the head; each feature z joins the set of its predicted class,
with the entropy of the prediction. Of each class the K of lowest entropy stay. The prototype of a
class is the sum of its supports of length 1, made of length 1; scores are z times prototypes. A
batch joins before it is predicted, and no gradient is needed.

K is chosen on validation data out of 1, 5, 20, 50, 100 and all; here 20. In the reference code,
where all are -1, the indices meant to keep all are overwritten, and a slice up to -1 drops the
worst support of every class at each batch: ``keep=none`` keeps all, ``keep=-1`` does as that code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from harness.errors import UsageError
from harness.options import Options
from harness.protocols.adapt import Order, Requires, State, TestTimeMethod, entropy, finite
from harness.registry import About

if TYPE_CHECKING:
    import torch


class T3AOptions(Options):
    """Options of `t3a`."""

    keep: int | None = Field(default=20, ge=-1)
    """K: supports of each class; none: all; -1: all but the worst, at every batch."""


class T3A(TestTimeMethod):
    """Classify by the mean of what was surely of a class."""

    about: ClassVar[About] = About(
        "Class prototypes from confident features of the stream.", "T3A, NeurIPS 2021"
    )
    Options: ClassVar[type[Options]] = T3AOptions
    options: T3AOptions
    order = Order.ADAPT_FIRST
    adapts: ClassVar[str] = "class prototypes"

    def requires(self) -> Requires:
        """A linear head."""
        return Requires(class_weights=True)

    def prepare(self) -> None:
        """The rows of the head as only supports."""
        import torch

        rows = self.model.class_weights()
        if rows is None:
            raise UsageError("t3a needs a model with a linear head; this one has none.")
        with torch.no_grad():
            logits = self.model.head(rows.detach())
            self._supports = rows.detach().clone()
            self._labels, self._entropies = logits.argmax(1), entropy(logits)

    def step(self, images: torch.Tensor) -> torch.Tensor:
        """Let the features of a batch join, and predict it."""
        import torch

        with torch.no_grad():
            features = self.model.encode(images)
            logits = finite(self.model.head(features))
            self._supports = torch.cat([self._supports, features])
            self._labels = torch.cat([self._labels, logits.argmax(1)])
            self._entropies = torch.cat([self._entropies, entropy(logits)])
            self._filter()
            return (features @ self._prototypes().T).log_softmax(1)

    def predict(self, images: torch.Tensor) -> torch.Tensor:
        """Predict by the prototypes as they are."""
        import torch

        with torch.no_grad():
            return (self.model.encode(images) @ self._prototypes().T).log_softmax(1)

    def _filter(self) -> None:
        places = surest(self._labels, self._entropies, len(self.model.classes), self.options.keep)
        self._supports = self._supports[places]
        self._labels, self._entropies = self._labels[places], self._entropies[places]

    def _prototypes(self) -> torch.Tensor:
        return prototypes(self._supports, self._labels, len(self.model.classes))

    def memory(self) -> State:
        """The supports."""
        return {
            "supports": self._supports,
            "labels": self._labels,
            "entropies": self._entropies,
        }

    def recall(self, memory: State) -> None:
        """Take them back."""
        kept: Any = memory
        self._supports, self._labels = kept["supports"], kept["labels"]
        self._entropies = kept["entropies"]


def surest(
    labels: torch.Tensor, entropies: torch.Tensor, classes: int, keep: int | None
) -> torch.Tensor:
    """Places of the `keep` supports of lowest entropy of each class, class by class.

    Args:
        labels: (supports,).
        entropies: (supports,).
        classes: number of classes.
        keep: as the option of that name.
    """
    import torch

    order = entropies.argsort(stable=True)
    order = order[labels[order].argsort(stable=True)]
    if keep is None:
        return order
    sizes = torch.bincount(labels, minlength=classes)
    firsts = sizes.cumsum(0) - sizes
    ranks = torch.arange(len(order), device=order.device) - firsts[labels[order]]
    if keep < 0:
        return order[ranks < sizes[labels[order]] + keep]
    return order[ranks < keep]


def prototypes(supports: torch.Tensor, labels: torch.Tensor, classes: int) -> torch.Tensor:
    """Normalised sums of normalised supports (supports, dimensions), (classes, dimensions)."""
    import torch

    unit = torch.nn.functional.normalize(supports, dim=1)
    members = torch.nn.functional.one_hot(labels, classes).to(unit.dtype)
    return torch.nn.functional.normalize(members.T @ unit, dim=1)
