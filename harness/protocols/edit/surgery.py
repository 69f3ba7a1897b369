"""Gradient surgery: what becomes of the forget gradient before (or after) the optimiser's step.

A `Vector` is a list of tensors, one for each trainable parameter in a fixed order; sums over all of
them are accumulated in float64, tensor by tensor, so that no flat copy of the model is made.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from harness.models.base import Ability
from harness.options import NoOptions, Options
from harness.protocols.edit.method import State
from harness.registry import About, Need

if TYPE_CHECKING:
    import torch

    Vector = list[torch.Tensor]
else:
    Vector = list


class OptimiserView(Protocol):
    """What a surgery may ask of the optimiser."""

    lr: float
    """Learning rate of this step."""
    momentum: float
    """Decay of the first moment (beta1) of Adam; 0 for SGD."""

    def preview(self, gradient: Vector) -> Vector:
        """The change of the parameters that the optimiser would make; nothing is changed."""
        ...

    def metric(self, gradient: Vector) -> Vector:
        """Diagonal H of the optimiser's metric after seeing a gradient: the step is -lr g / H.

        For Adam the root of the bias-corrected second moment, plus eps; ones for SGD.
        """
        ...


@dataclass
class Moment:
    """One step as a surgery sees it.

    Attributes:
        index: step, from 0.
        forget: gradient of gamma times the forget loss.
        retain: gradient of alpha times the editor's retain loss; None if it has none.
        retain_gradients: `count` gradients of the plain retain loss (mean negative log-likelihood
            of answer tokens), the first of this step's retain minibatch, the others of calibration
            minibatches.
        permuted_gradients: the same with answers permuted among the questions of a minibatch.
        optimiser: the optimiser before its step.
        seed: of the edit, for what a surgery draws.
    """

    index: int
    forget: Vector
    retain: Vector | None
    retain_gradients: Callable[[int], list[Vector]]
    permuted_gradients: Callable[[int], list[Vector]]
    optimiser: OptimiserView
    seed: int

    def plain(self) -> Vector:
        """The gradient of the whole loss, as without surgery."""
        if self.retain is None:
            return self.forget
        return [f + r for f, r in zip(self.forget, self.retain, strict=True)]


@dataclass
class Update:
    """What a step shall be.

    Attributes:
        gradient: what the optimiser is given.
        delta: the change of the parameters, where it is not left to the optimiser, whose own state
            then still advances with `gradient`.
        report: numbers for the trajectory, such as ``preserved``, ``residual``, ``coverage``.
    """

    gradient: Vector
    delta: Vector | None = None
    report: Mapping[str, float] = field(default_factory=dict[str, float])


class GradientSurgery(ABC):
    """Registered as ``edit.surgery.NAME``; composes with every gradient editor: ``npo+gu``."""

    about: ClassVar[About]
    Options: ClassVar[type[Options]] = NoOptions
    needs: ClassVar[tuple[Need, ...]] = ()
    abilities: ClassVar[frozenset[Ability]] = frozenset()

    def __init__(self, options: Any) -> None:
        self.options = options

    @abstractmethod
    def update(self, moment: Moment) -> Update:
        """Decide a step; called once for each, in order."""

    def state(self) -> State:
        """What has to be saved for a killed edit to go on."""
        return {}

    def load(self, state: State) -> None:
        """Take up a saved state."""
        del state


class PlainStep(GradientSurgery):
    """No surgery. ``npo`` is ``npo+none``."""

    about = About("no surgery: the optimiser gets the gradient of the whole loss", "")

    def update(self, moment: Moment) -> Update:
        """Leave everything to the optimiser."""
        return Update(moment.plain())


def dot(a: Vector, b: Vector, metric: Vector | None = None) -> float:
    """Inner product over all tensors, in float64; divided by a diagonal metric if one is given."""
    import torch

    total = 0.0
    for position, (one, other) in enumerate(zip(a, b, strict=True)):
        left = one.double() if metric is None else one.double() / metric[position].double()
        total += float(torch.sum(left * other.double()))
    return total


def norm(a: Vector) -> float:
    """Euclidean length over all tensors."""
    return dot(a, a) ** 0.5


def add_scaled(a: Vector, scale: float, b: Vector) -> Vector:
    """A + scale * b, as new tensors."""
    return [one.add(other, alpha=scale) for one, other in zip(a, b, strict=True)]


def scaled(a: Vector, scale: float) -> Vector:
    """Scale * a, as new tensors."""
    return [one * scale for one in a]
