"""`pcgrad`: the forget gradient loses its part along the retain gradient where the two conflict.

Yu et al., "Gradient Surgery for Multi-Task Learning", arXiv 2001.06782, algorithm 1: where
<g_f, g_r> < 0, g_f loses its projection on g_r, and with ``symmetric=true`` g_r that on the
original g_f. The paper treats all tasks alike, so it is symmetric; here the default is not, for the
retain set is what is to be spared, and its descent is not to be bent. The paper's random order of
tasks has no effect on two. Methods without a retain loss are projected on the gradient of the plain
retain loss, which is not added to the step.
"""

from __future__ import annotations

from typing import ClassVar

from harness.options import Options
from harness.protocols.edit.surgery import GradientSurgery, Moment, Update, add_scaled, dot, norm
from harness.registry import About
from harness_methods.unlearning.geometry import Span
from harness_methods.unlearning.surgery.projection import checked


class PCGradOptions(Options):
    """Options of `pcgrad`."""

    symmetric: bool = False
    """Project the retain gradient too, as the paper does."""


class PCGrad(GradientSurgery):
    """Project conflicting gradients on each other's complement."""

    about: ClassVar[About] = About(
        "Project the forget gradient where it conflicts with the retain gradient.",
        "PCGrad, arXiv 2001.06782",
    )
    Options: ClassVar[type[Options]] = PCGradOptions
    options: PCGradOptions

    def update(self, moment: Moment) -> Update:
        """Project on conflict."""
        forget, retain = moment.forget, moment.retain
        against = moment.retain_gradients(1)[0] if retain is None else retain
        product = dot(forget, against)
        lengths = norm(forget) * norm(against)
        report = {"cosine": product / lengths if lengths > 0 else 0.0, "preserved": 1.0}
        if product >= 0:
            return Update(moment.plain(), report=report)
        kept = checked(Span([against]), moment).without(forget)
        report["preserved"] = norm(kept) / norm(forget)
        if retain is None:
            return Update(kept, report=report)
        if self.options.symmetric:
            retain = checked(Span([forget]), moment).without(retain)
        return Update(add_scaled(kept, 1.0, retain), report=report)
