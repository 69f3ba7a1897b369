"""`gu-safeprox`: the optimiser's own step, moved as little as needed to raise no retain loss.

The later form of Geometric Unlearning (Zhou et al., arXiv 2511.17100) in the authors' development
repository (Lemutisme/geo-unlearning, "SafeProx"): with D0 the step that the optimiser would make,
find min 1/2 ||D - D0||_M^2 such that G^T D <= 0, M the diagonal sqrt(v) + eps of Adam and G the
current retain gradient and up to 8 past ones, at length 1. The dual is a problem in as many
multipliers, solved here exactly by enumeration of active sets with a check of the optimality
conditions; D = D0 - M^-1 G lambda.

An inequality, where `gu` has an equality: a step that lowers the retain loss is left alone. The
whole step is moved, the method's own retain descent included. Only the first-order filter is here:
the repository's finite-step filter measures the retain loss at trial weights with backtracking,
which a surgery cannot ask for. Its scope (some down projections only) is left to the editor.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any, ClassVar

from pydantic import Field

from harness.options import Options
from harness.protocols.edit.method import Diverged, State
from harness.protocols.edit.surgery import GradientSurgery, Moment, Update, dot, norm, scaled
from harness.registry import About
from harness_methods.unlearning.geometry import DEPENDENT, floored, gram_matrix, minus
from harness_methods.unlearning.surgery.recent import Recent


class SafeProxOptions(Options):
    """Options of `gu-safeprox`."""

    retain_history_rank: int = Field(default=8, ge=0, le=12)
    """Past retain gradients beside the current one."""
    projection_eps: float = Field(default=1e-6, gt=0)
    """Violation of a bound that passes for rounding, relative to the largest."""
    floor: float = Field(default=1.0, ge=0)
    """Smallest entry of M, relative to its root mean square; 0 is the authors'. See `gu`."""


class SafeProx(GradientSurgery):
    """Project the realised step on the half-spaces where retain losses do not rise."""

    about: ClassVar[About] = About(
        "The optimiser's step, moved so that no recent retain loss rises to first order.",
        "Geometric Unlearning, arXiv 2511.17100 (SafeProx of its repository)",
    )
    Options: ClassVar[type[Options]] = SafeProxOptions
    options: SafeProxOptions

    def __init__(self, options: SafeProxOptions) -> None:
        super().__init__(options)
        self._recent = Recent(options.retain_history_rank + 1)

    def update(self, moment: Moment) -> Update:
        """Move the optimiser's step into the half-spaces."""
        current = moment.retain_gradients(1)[0]
        self._recent.add(scaled(current, 1 / (norm(current) or 1.0)))
        plain = moment.plain()
        step = moment.optimiser.preview(plain)
        metric = floored(moment.optimiser.metric(plain), self.options.floor)
        bounds = self._recent.vectors
        rates = [dot(one, step) for one in bounds]
        report = {"violated": float(sum(rate > 0 for rate in rates)), "preserved": 1.0}
        if max(rates) <= 0:
            return Update(plain, step, report)
        gram = gram_matrix(bounds, metric)
        weights = multipliers(gram, rates, self.options.projection_eps)
        if weights is None:
            raise Diverged(f"a retain gradient is not finite at step {moment.index + 1}")
        delta = minus(step, weights, bounds, metric)
        report["preserved"] = norm(delta) / norm(step)
        report["residual"] = max(0.0, *(dot(one, delta) for one in bounds)) / norm(step)
        return Update(plain, delta, report)

    def state(self) -> State:
        """The retain gradients of the last steps."""
        return self._recent.state()

    def load(self, state: State) -> None:
        """Take up saved gradients."""
        self._recent.load(state)


def multipliers(gram: Any, rates: Any, tolerance: float) -> list[float] | None:
    """The lambda >= 0 of min 1/2 lambda^T K lambda - lambda^T b.

    Args:
        gram: K = G^T M^-1 G, (k, k), positive semidefinite.
        rates: b = G^T D0, (k,).
        tolerance: relative violation of an optimality condition that passes.

    Returns:
        The multipliers of the first active set, smallest first, that meets the conditions; else of
        the one that violates them least. None if a number is not finite.
    """
    import numpy as np

    gram, rates = np.asarray(gram, dtype=float), np.asarray(rates, dtype=float)
    if not (np.isfinite(gram).all() and np.isfinite(rates).all()):
        return None
    scale = np.sqrt(np.where(np.diagonal(gram) > 0, np.diagonal(gram), 1.0))
    unit, slopes = gram / np.outer(scale, scale), rates / scale
    allowed = tolerance * max(float(np.abs(slopes).max()), 1e-300)
    best, least = np.zeros(len(slopes)), float("inf")
    for size in range(len(slopes) + 1):
        for active in combinations(range(len(slopes)), size):
            found = np.zeros(len(slopes))
            chosen = list(active)
            if chosen:
                inner = unit[np.ix_(chosen, chosen)]
                inverse = np.linalg.pinv(inner, rcond=DEPENDENT, hermitian=True)
                found[chosen] = inverse @ slopes[chosen]
            worst = max(float((slopes - unit @ found).max()), float((-found).max()))
            if worst < least:
                best, least = found, worst
            if worst <= allowed:
                return list(np.maximum(found, 0.0) / scale)
    return list(np.maximum(best, 0.0) / scale)
