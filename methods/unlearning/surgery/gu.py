"""`gu`: Geometric Unlearning; the forget gradient without its part in the span of retain gradients.

Zhou et al., arXiv 2511.17100 (read: abstract, and the authors' derivation in their development
repository Lemutisme/geo-unlearning). A step leaves the retain loss as it is, to first order, iff it
is orthogonal to all retain gradients. With R their matrix, g_f loses R (R^T R)^-1 R^T g_f, and the
joint step keeps the whole retain gradient: g_f_perp + g_r. A trust region ||d|| <= rho has the
optimum -rho g_f_perp / ||g_f_perp||. Later versions do all of it in the optimiser's metric H.

Not copied from that repository: a basis for each parameter tensor (here it is global; a blockwise
one takes away more than it has to), a basis that is frozen once k gradients were seen, bfloat16
bases, tangential components that are kept by their sign, and a hook that its trainer never calls.
With the Euclidean metric and Adam the executed step is not orthogonal; see the
option `metric`. The floor of the metric is of this implementation.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from harness.options import Options
from harness.protocols.edit.method import State
from harness.protocols.edit.surgery import Moment
from harness.registry import About
from harness_methods.unlearning.surgery.projection import Projection, ProjectionOptions
from harness_methods.unlearning.surgery.recent import Recent

if TYPE_CHECKING:
    from harness.protocols.edit.surgery import Vector


class Basis(StrEnum):
    """Where the retain gradients come from."""

    FRESH = "fresh"
    """k gradients at the present weights: of this step's retain minibatch, and of calibration
    minibatches."""
    HISTORY = "history"
    """Those of the last k steps' retain minibatches, at the weights of their time: one gradient a
    step, k of them in memory."""


class GUOptions(ProjectionOptions):
    """Options of `gu`."""

    basis: Basis = Basis.FRESH
    """fresh or history."""


class GU(Projection):
    """Project the forget gradient on the complement of k retain gradients."""

    about: ClassVar[About] = About(
        "Forget gradient without its part in the span of retain gradients.",
        "Geometric Unlearning, arXiv 2511.17100",
    )
    Options: ClassVar[type[Options]] = GUOptions

    def __init__(self, options: GUOptions) -> None:
        super().__init__(options)
        self._basis = options.basis
        self._recent = Recent(options.rank)

    def sample(self, moment: Moment, count: int) -> list[Vector]:
        """Gradients that span what is taken away."""
        return moment.retain_gradients(count)

    def directions(self, moment: Moment, *, probe: bool) -> tuple[list[Vector], Vector | None]:
        """The retain gradients of the basis; the probe is of a further calibration minibatch."""
        size = self.options.rank if self._basis is Basis.FRESH else 1
        found = self.sample(moment, size + probe)
        further = found.pop() if probe else None
        if self._basis is Basis.FRESH:
            return found, further
        self._recent.add(found[0])
        return self._recent.vectors, further

    def state(self) -> State:
        """The last gradients, where they are the basis."""
        return {**super().state(), **self._recent.state()}

    def load(self, state: State) -> None:
        """Take up saved gradients."""
        super().load(state)
        self._recent.load(state)
