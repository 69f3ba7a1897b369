"""The floor that remembers: the output of the demonstration most like the input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from harness.protocols.solve.grids import Grid
from harness.protocols.solve.method import Candidate, Desk, Query, Solver
from harness.registry import About


class Nearest(Solver):
    """``nearest``: demonstrated outputs, those of the most similar inputs first."""

    about: ClassVar[About] = About(
        "Answers with the output of the most similar demonstration; a floor.", "none"
    )

    def solve(self, query: Query, desk: Desk) -> Sequence[Candidate]:
        """Outputs in order of their inputs' likeness; the demonstrations' order among equals."""
        del desk
        ranked = sorted(query.puzzle.train, key=lambda pair: -likeness(pair.input, query.input))
        return [Candidate(pair.output) for pair in ranked]


def likeness(one: Grid, other: Grid) -> float:
    """Share of equal cells, laid over each other at the upper left corner, of the larger area."""
    equal = sum(
        a == b
        for row, line in zip(one, other, strict=False)
        for a, b in zip(row, line, strict=False)
    )
    return equal / max(len(one) * len(one[0]), len(other) * len(other[0]))
