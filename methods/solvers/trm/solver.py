"""`trm`: the Tiny Recursive Model, which refines an answer by one small network.

Jolicoeur-Martineau, "Less is More: Recursive Reasoning with Tiny Networks", arXiv 2510.04871.
Reference code: SamsungSAILMontreal/TinyRecursiveModels. Fitted on the demonstrations of the very
puzzles that it is asked (transductive): each variant of each puzzle has its own embedding, and a
puzzle without one cannot be solved. An output is voted on: every fitted variant is predicted, taken
back, and the candidates ranked by votes and mean halting score.

Differences from the reference code: translations are drawn anew for each example, examples are
drawn independently, the canvas is as large as the data need, and the weights are chosen on test
pairs of labelled puzzles that are kept out of training (`validation`), not on those that are asked.
`config=published` has the reference's sizes; what the other presets give says little about those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from harness.options import Options
from harness.registry import About
from harness_methods.solvers.sequences.solver import SequenceSolver
from harness_methods.solvers.trm.options import TRMFit, TRMOptions

if TYPE_CHECKING:
    from harness_methods.solvers.trm.training import Trainer


class TRM(SequenceSolver):
    """Refine an answer again and again with one tiny network."""

    about: ClassVar[About] = About(
        "Tiny Recursive Model: one small network refines an answer; variants vote.",
        "TRM, arXiv 2510.04871",
    )
    Options: ClassVar[type[Options]] = TRMOptions
    Fit: ClassVar[type[Options]] = TRMFit
    name: ClassVar[str] = "trm"
    quick: ClassVar[Mapping[str, Any]] = {
        "updates": 12,
        "batch_size": 8,
        "variants": 3,
        "save_every": 3,
        "h_cycles": 1,
        "hidden": 16,
        "heads": 2,
        "inner": 16,
        "puzzle_positions": 1,
        "puzzle_width": 16,
    }

    def trainer(self) -> type[Trainer]:
        """Deep supervision."""
        from harness_methods.solvers.trm.training import Trainer

        return Trainer

    def shown_steps(self) -> Sequence[int]:
        """All of them: each has an answer anyway."""
        return range(1, self.steps + 1)
