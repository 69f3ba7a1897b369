"""`permuted`: control for `gu`: retain gradients whose answers stand beside other questions.

The gradients have the statistics of retain gradients without their content. What `gu` gains over
this control is owed to the retain set; what both gain over the plain step is not. `coverage` is of
a true retain gradient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from harness.protocols.edit.surgery import Moment
from harness.registry import About
from harness_methods.unlearning.surgery.gu import GU

if TYPE_CHECKING:
    from harness.protocols.edit.surgery import Vector


class Permuted(GU):
    """`gu` on gradients of permuted retain answers."""

    about: ClassVar[About] = About(
        "Control: gu with retain answers permuted among questions.", "control for gu"
    )

    def sample(self, moment: Moment, count: int) -> list[Vector]:
        """Gradients of the retain loss with permuted answers."""
        return moment.permuted_gradients(count)

    def directions(self, moment: Moment, *, probe: bool) -> tuple[list[Vector], Vector | None]:
        """Permuted gradients; the probe is this step's retain gradient."""
        found, _ = super().directions(moment, probe=False)
        return found, moment.retain_gradients(1)[0] if probe else None
