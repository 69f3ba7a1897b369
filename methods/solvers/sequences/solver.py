"""What solvers share that fit a recursive network on the demonstrations of what they are asked.

Each variant of each puzzle has its own embedding, and a puzzle without one cannot be solved. An
output is voted on: every fitted variant is predicted, taken back, and the candidates ranked by
votes and mean confidence.
"""

from __future__ import annotations

import random
from abc import abstractmethod
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
from harness.registry import Need
from harness_methods.solvers.sequences.options import Identity, SequenceOptions

if TYPE_CHECKING:
    from harness_methods.solvers.sequences.fitted import Fitted
    from harness_methods.solvers.sequences.training import Trainer

_SYMBOLS = 253
"""Most symbols; two tokens are for padding and edges."""


class SequenceSolver(Solver):
    """A fitted network whose variants vote."""

    needs: ClassVar[tuple[Need, ...]] = (Need("torch", "local"),)
    setting: ClassVar[Setting] = Setting.TRANSDUCTIVE
    exposure: ClassVar[str] = "its fit"
    takes_voting: ClassVar[bool] = False
    name: ClassVar[str]
    """As the user writes it."""
    options: SequenceOptions

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.settings = self.options.settings()
        self._fitted: Fitted | None = None

    @property
    def steps(self) -> int:
        """Recursion steps of a prediction."""
        return self.options.steps or self.settings.usual_steps

    @abstractmethod
    def trainer(self) -> type[Trainer[Any, Any]]:
        """What makes the updates; imports torch."""

    @abstractmethod
    def shown_steps(self) -> Sequence[int]:
        """Steps after which the answer is looked at, rising, `steps` the last."""

    def misfit(self, puzzle: Puzzle) -> str:
        """Why it cannot work on a puzzle: tokens are bytes."""
        if len(puzzle.domain.symbols) > _SYMBOLS:
            found = len(puzzle.domain.symbols)
            return f"{self.name} takes {_SYMBOLS} symbols at most, it has {found}"
        return ""

    def fit(self, data: FitData, desk: FitDesk) -> Mapping[str, Any]:
        """Train on all demonstrations, and on the test pairs of labelled puzzles."""
        from harness_methods.solvers.sequences.fitting import train

        return train(self.trainer(), self.options, data, desk)

    def load(self, state: Mapping[str, Any], data: FitData) -> None:
        """Take the chosen weights.

        Raises:
            UsageError: the fit was one of other puzzles.
        """
        from harness_methods.solvers.sequences.fitted import Fitted

        fitted = Fitted(self.trainer().build, state, self.options)
        lacking = [one.puzzle_id for one in data.puzzles if fitted.entry(one) is None]
        if lacking:
            raise UsageError(
                f"{self.name} was fitted without puzzle '{lacking[0]}' ({len(lacking)} of "
                f"{len(data.puzzles)} are new to it); fit it on the puzzles that it is asked."
            )
        self._fitted = fitted

    def solve(self, query: Query, desk: Desk) -> Sequence[Candidate]:
        """Predict the fitted variants of a test input and let them vote."""
        import numpy as np

        fitted = self._fitted
        if fitted is None:
            raise MethodError(f"{self.name} was asked before it was fitted")
        entry = fitted.entry(query.puzzle)
        if entry is None:
            raise MethodError(
                f"{self.name} was not fitted on puzzle '{query.puzzle.puzzle_id}': it has no "
                "embedding of it and cannot meet a new one"
            )
        voters = entry.variants[: self.options.votes]
        rows = [entry.first + number for number in range(len(voters))]
        if self.options.identity is not Identity.OWN:
            rows = self._others(rows, desk.draw("identity"), fitted)
        steps = self.shown_steps()
        draw = np.random.default_rng(desk.draw("state").getrandbits(64))
        by_step = fitted.rankings(query.input, voters, rows, steps, draw)
        ranked, unreadable = by_step[-1]
        desk.count("recursion_steps", self.steps)
        desk.count("votes", len(voters) - unreadable)
        desk.count("unreadable", unreadable)
        for step, (candidates, _) in zip(steps, by_step, strict=True):
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
