"""`gru`: gradient rectified unlearning; PCGrad's rule against an average of retain gradients.

Wang et al., "GRU: Mitigating the Trade-off between Unlearning and Retention for LLMs", arXiv
2503.09117. Reference code: tmlr-group/GRU. The gradient r of the plain retain loss is averaged,
m <- tau r + (1 - tau) m from m = 0 with tau 0.8 (`moving_avg`), and where <g_f, m> < 0, g_f loses
its projection on m, in float64. With `cos_clip` c, a cosine below c is taken for c, so that the
conflict beyond it stays (the reference code has -0.5, off unless asked for).

Differs from the reference code: there the whole loss of a method with a retain term is rectified;
here, as with all surgeries, its forget gradient is, and the retain gradient is added as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from harness.options import Options
from harness.protocols.edit.method import State
from harness.protocols.edit.surgery import GradientSurgery, Moment, Update, add_scaled, dot, norm
from harness.registry import About
from harness_methods.unlearning.geometry import like, minus

if TYPE_CHECKING:
    from harness.protocols.edit.surgery import Vector


class GRUOptions(Options):
    """Options of `gru`."""

    moving_avg: float = Field(default=0.8, gt=0, le=1)
    """Weight tau of the newest retain gradient in the average."""
    cos_clip: float | None = Field(default=None, ge=-1, lt=0)
    """Lowest cosine that is rectified in full; none: all."""


class GRU(GradientSurgery):
    """Rectify the forget gradient where it conflicts with the average retain gradient."""

    about: ClassVar[About] = About(
        "Project the forget gradient where it conflicts with averaged retain gradients.",
        "GRU, arXiv 2503.09117",
    )
    Options: ClassVar[type[Options]] = GRUOptions
    options: GRUOptions

    def __init__(self, options: GRUOptions) -> None:
        super().__init__(options)
        self._average: Vector | None = None

    def update(self, moment: Moment) -> Update:
        """Average, and project on conflict."""
        average = self._advance(moment.retain_gradients(1)[0])
        forget = moment.forget
        product, square = dot(forget, average), dot(average, average)
        lengths = norm(forget) * square**0.5
        cosine = product / lengths if lengths > 0 else 0.0
        report = {"cosine": cosine, "preserved": 1.0}
        if cosine >= 0:
            return Update(moment.plain(), report=report)
        if self.options.cos_clip is not None and cosine < self.options.cos_clip:
            product = self.options.cos_clip * lengths
        kept = minus(forget, [product / square], [average])
        report["preserved"] = norm(kept) / norm(forget)
        whole = kept if moment.retain is None else add_scaled(kept, 1.0, moment.retain)
        return Update(whole, report=report)

    def _advance(self, retain: Vector) -> Vector:
        share = self.options.moving_avg
        average: list[Any] = [share * one for one in retain]
        if self._average is not None:
            average = add_scaled(average, 1 - share, like(self._average, retain))
        self._average = average
        return average

    def state(self) -> State:
        """The average."""
        return {"average": self._average}

    def load(self, state: State) -> None:
        """Take up a saved average."""
        self._average = state["average"]
