"""What `gu` and its controls share: the forget gradient loses its part in a span of directions.

Subclasses say which directions. The retain gradient is never projected. With rank 0 the step is
the plain one, whatever the other options say.
"""

from __future__ import annotations

from abc import abstractmethod
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.options import Options
from harness.protocols.edit.method import Diverged, State
from harness.protocols.edit.surgery import (
    GradientSurgery,
    Moment,
    Update,
    add_scaled,
    norm,
    scaled,
)
from harness_methods.unlearning.geometry import Span, floored
from harness_methods.unlearning.surgery.recent import RetainPart

if TYPE_CHECKING:
    from harness.protocols.edit.surgery import Vector


class Metric(StrEnum):
    """In which coordinates it is projected, and what makes the step."""

    EUCLIDEAN = "euclidean"
    """Project the gradient; the optimiser makes the step, which under Adam is not orthogonal."""
    ADAM = "adam"
    """Project the gradient whitened by Adam's metric H, and step by -lr H^-1 of it. Momentum and
    weight decay are left out: it is Adam's own step only with beta1=0 and weight_decay=0. H has
    seen this step's gradients, by their magnitudes |g_f| + |g_r|: where the two cancel, the sum
    would leave H near 0, and each part of the step without bound."""
    REALISED = "realised"
    """Project the forget part of the optimiser's own step, momentum and weight decay included: what
    is left of it without the retain part, which is taken in the metric of |g_f| + |g_r| as above.
    Where the two gradients cancel this is less than its share of the step, and the rest counts as
    forgetting."""


class ProjectionOptions(Options):
    """Options of `gu` and of its controls."""

    rank: int = Field(default=1, ge=0)
    """Directions k; 0 makes the plain step."""
    metric: Metric = Metric.EUCLIDEAN
    """euclidean, adam or realised."""
    trust_region: float | None = Field(default=None, gt=0)
    """Length rho of the forget part of each step, Euclidean, in weights; none: as it comes."""
    floor: float = Field(default=0.0, ge=0)
    """Smallest entry of the metric that is projected in, relative to its root mean square; 0 is
    the paper's. Weights that no gradient has moved yet have H near 0, and then take nearly all of
    the correction, in a step far too long for its first order to hold; 1 keeps them from it."""
    joint: bool = True
    """Whether the step descends on the retain loss too, as the method does."""
    coverage_every: int = Field(default=0, ge=0)
    """Report every so many steps how much of a further retain gradient lies in the span, which
    costs one gradient; 0: never."""


class Projection(GradientSurgery):
    """Take the forget gradient out of the span of some directions."""

    Options: ClassVar[type[Options]] = ProjectionOptions
    options: ProjectionOptions

    def __init__(self, options: ProjectionOptions) -> None:
        super().__init__(options)
        self._retain_part = RetainPart()

    @abstractmethod
    def directions(self, moment: Moment, *, probe: bool) -> tuple[list[Vector], Vector | None]:
        """Directions of a step, and with `probe` a further retain gradient outside of them."""

    def update(self, moment: Moment) -> Update:
        """Project the forget part, keep the retain part."""
        if self.options.rank == 0:
            return Update(moment.plain())
        every = self.options.coverage_every
        found, further = self.directions(moment, probe=every > 0 and moment.index % every == 0)
        if self.options.metric is Metric.EUCLIDEAN and self.options.trust_region is None:
            span = checked(Span(found), moment)
            kept = span.without(moment.forget)
            report = _report(span, moment.forget, kept, further)
            return Update(self._joined(kept, moment.retain), report=report)
        return self._own_step(moment, found, further)

    def _own_step(self, moment: Moment, found: list[Vector], further: Vector | None) -> Update:
        """A step that is not left to the optimiser, whose state sees the plain gradient."""
        metric = moment.optimiser.metric(_magnitudes(moment))
        if self.options.metric is Metric.EUCLIDEAN:
            retain = self._retain_part.step(moment, metric)
            forces, span = moment.forget, checked(Span(found), moment)
        else:
            forget, retain = self._parts(moment, metric)
            metric = floored(metric, self.options.floor)
            forces, span = _forces(forget, metric), checked(Span(found, metric), moment)
        kept = span.without(forces)
        step = scaled(kept, -1.0) if span.metric is None else over(kept, span.metric, -1.0)
        if self.options.trust_region is not None:
            step = scaled(step, self.options.trust_region / (norm(step) or 1.0))
        report = _report(span, forces, kept, further)
        return Update(moment.plain(), self._joined(step, retain), report)

    def _parts(self, moment: Moment, metric: Vector) -> tuple[Vector, Vector | None]:
        """Forget part and retain part of the step, before any projection."""
        if self.options.metric is Metric.ADAM:
            lr, retain = moment.optimiser.lr, moment.retain
            forget = over(moment.forget, metric, -lr)
            return forget, None if retain is None else over(retain, metric, -lr)
        whole = moment.optimiser.preview(moment.plain())
        retain = self._retain_part.step(moment, metric)
        return whole if retain is None else add_scaled(whole, -1.0, retain), retain

    def _joined(self, forget: Vector, retain: Vector | None) -> Vector:
        """Forget part and retain part, as far as they are wanted."""
        if retain is None or not self.options.joint:
            return forget
        return add_scaled(forget, 1.0, retain)

    def state(self) -> State:
        """The average of retain gradients."""
        return self._retain_part.state()

    def load(self, state: State) -> None:
        """Take up a saved average."""
        self._retain_part.load(state)


def checked(span: Span, moment: Moment) -> Span:
    """The span, if its vectors are finite.

    Raises:
        Diverged: they are not.
    """
    if not span.finite:
        raise Diverged(f"a direction to project on is not finite at step {moment.index + 1}")
    return span


def over(vector: Vector, metric: Vector, factor: float) -> Vector:
    """Factor * H^-1 vector."""
    return [factor * one / scale for one, scale in zip(vector, metric, strict=True)]


def _magnitudes(moment: Moment) -> Vector:
    """|g_f| + |g_r|: where the two cancel, their sum would leave the metric near 0."""
    forget = [one.abs() for one in moment.forget]
    if moment.retain is None:
        return forget
    return [one + other.abs() for one, other in zip(forget, moment.retain, strict=True)]


def _forces(step: Vector, metric: Vector) -> Vector:
    """-H step: the gradient that this step is one of, with learning rate 1."""
    return [-one * scale for one, scale in zip(step, metric, strict=True)]


def _report(span: Span, forget: Vector, kept: Vector, further: Vector | None) -> dict[str, float]:
    """Share of the forget part that is preserved, what is left in the span, and coverage."""
    whole = span.length(forget)
    report = {
        "preserved": span.length(kept) / whole if whole > 0 else 1.0,
        "residual": span.residual(kept, forget),
    }
    if further is not None:
        report["coverage"] = span.share(further)
    return report
