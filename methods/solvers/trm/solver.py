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

import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from harness.errors import MethodError, UsageError
from harness.options import Options
from harness.protocols.solve import (
    Candidate,
    Desk,
    FitData,
    FitDesk,
    Puzzle,
    Query,
    Setting,
    Solver,
)
from harness.registry import About, Need
from harness_methods.solvers.trm.options import Identity, TRMFit, TRMOptions

if TYPE_CHECKING:
    from harness_methods.solvers.trm.fitted import Fitted

_SYMBOLS = 253
"""Most symbols; two tokens are for padding and edges."""


class TRM(Solver):
    """Refine an answer again and again with one tiny network."""

    about: ClassVar[About] = About(
        "Tiny Recursive Model: one small network refines an answer; variants vote.",
        "TRM, arXiv 2510.04871",
    )
    needs: ClassVar[tuple[Need, ...]] = (Need("torch", "local"),)
    Options: ClassVar[type[Options]] = TRMOptions
    Fit: ClassVar[type[Options]] = TRMFit
    setting: ClassVar[Setting] = Setting.TRANSDUCTIVE
    exposure: ClassVar[str] = "its fit"
    takes_voting: ClassVar[bool] = False
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
    options: TRMOptions

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.settings = self.options.settings()
        self._fitted: Fitted | None = None

    def misfit(self, puzzle: Puzzle) -> str:
        """Why it cannot work on a puzzle: tokens are bytes."""
        if len(puzzle.domain.symbols) > _SYMBOLS:
            return f"trm takes {_SYMBOLS} symbols at most, it has {len(puzzle.domain.symbols)}"
        return ""

    def fit(self, data: FitData, desk: FitDesk) -> Mapping[str, Any]:
        """Train on all demonstrations, and on the test pairs of labelled puzzles."""
        from harness_methods.solvers.trm.fitted import train

        return train(self.options, data, desk)

    def load(self, state: Mapping[str, Any], data: FitData) -> None:
        """Take the chosen weights.

        Raises:
            UsageError: the fit was one of other puzzles.
        """
        from harness_methods.solvers.trm.fitted import Fitted

        fitted = Fitted(state, self.options)
        lacking = [one.puzzle_id for one in data.puzzles if fitted.entry(one) is None]
        if lacking:
            raise UsageError(
                f"trm was fitted without puzzle '{lacking[0]}' ({len(lacking)} of "
                f"{len(data.puzzles)} are new to it); fit it on the puzzles that it is asked."
            )
        self._fitted = fitted

    def solve(self, query: Query, desk: Desk) -> Sequence[Candidate]:
        """Predict the fitted variants of a test input and let them vote."""
        fitted = self._fitted
        if fitted is None:
            raise MethodError("trm was asked before it was fitted")
        entry = fitted.entry(query.puzzle)
        if entry is None:
            raise MethodError(
                f"trm was not fitted on puzzle '{query.puzzle.puzzle_id}': it has no embedding "
                "of it and cannot meet a new one"
            )
        voters = entry.variants[: self.options.votes]
        rows = [entry.first + number for number in range(len(voters))]
        if self.options.identity is not Identity.OWN:
            rows = self._others(rows, desk.draw("identity"), fitted)
        by_step = fitted.rankings(query.input, voters, rows)
        ranked, unreadable = by_step[-1]
        desk.count("recursion_steps", len(by_step))
        desk.count("votes", len(voters) - unreadable)
        desk.count("unreadable", unreadable)
        for step, (candidates, _) in enumerate(by_step, 1):
            desk.alternatives[f"steps_{step}"] = candidates
        return ranked

    def _others(self, rows: Sequence[int], draw: random.Random, fitted: Fitted) -> list[int]:
        """Rows of the embeddings for an ablation of the puzzle's identity."""
        if self.options.identity is Identity.BLANK:
            return [fitted.blank] * len(rows)
        others = [one for one in fitted.entries if one.first != rows[0]]
        if not others:
            raise MethodError("identity=random needs a fit of two puzzles or more")
        other = draw.choice(others)
        return [other.first + place % len(other.variants) for place in range(len(rows))]
