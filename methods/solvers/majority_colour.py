"""The floor that knows sizes and colours, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

from harness.protocols.solve.method import Candidate, Desk, Query, Solver
from harness.registry import About


class MajorityColour(Solver):
    """``majority-colour``: one colour all over, the most frequent demonstrated one first.

    The size is that of the demonstrated outputs where they have one size, else the input's. Where
    outputs are single cells this is the majority class.
    """

    about: ClassVar[About] = About(
        "Fills the grid with the most frequent colour of the demonstrated outputs; a floor.", "none"
    )

    def solve(self, query: Query, desk: Desk) -> Sequence[Candidate]:
        """As many colours as there are attempts, the most frequent first."""
        del desk
        outputs = [pair.output for pair in query.puzzle.train]
        sizes = {(len(one), len(one[0])) for one in outputs}
        rows, columns = sizes.pop() if len(sizes) == 1 else (len(query.input), len(query.input[0]))
        counts = Counter(cell for grid in outputs or [query.input] for row in grid for cell in row)
        ranked = sorted(counts, key=lambda colour: (-counts[colour], colour))
        return [Candidate(((colour,) * columns,) * rows) for colour in ranked[: query.attempts]]
