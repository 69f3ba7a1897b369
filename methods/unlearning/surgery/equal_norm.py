"""`equal-norm`: control for `gu`: the plain step, as long as the step of `gu` would be.

A projection shortens the step, and a shorter step spares the retain set whatever its direction.
Here `gu` runs inside to learn the length, and its direction is thrown away; the inner `gu` sees the
weights of this run. Costs what `gu` costs, and two previews of the optimiser's step.
"""

from __future__ import annotations

from typing import ClassVar

from harness.options import Options
from harness.protocols.edit.method import State
from harness.protocols.edit.surgery import GradientSurgery, Moment, Update, norm, scaled
from harness.registry import About
from harness_methods.unlearning.surgery.gu import GU, GUOptions


class EqualNorm(GradientSurgery):
    """The plain step, scaled to the length of that of `gu`."""

    about: ClassVar[About] = About(
        "Control: the plain step scaled to the length of gu's.", "control for gu"
    )
    Options: ClassVar[type[Options]] = GUOptions
    options: GUOptions

    def __init__(self, options: GUOptions) -> None:
        super().__init__(options)
        self._gu = GU(options)

    def update(self, moment: Moment) -> Update:
        """Scale the plain step."""
        if self.options.rank == 0:
            return Update(moment.plain())
        wanted = self._gu.update(moment)
        step = wanted.delta
        if step is None:
            step = moment.optimiser.preview(wanted.gradient)
        plain = moment.optimiser.preview(moment.plain())
        factor = norm(step) / (norm(plain) or 1.0)
        report = {**wanted.report, "scale": factor}
        return Update(moment.plain(), scaled(plain, factor), report)

    def state(self) -> State:
        """That of the inner `gu`."""
        return self._gu.state()

    def load(self, state: State) -> None:
        """Take up a saved state."""
        self._gu.load(state)
