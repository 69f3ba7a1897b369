"""The floor that changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from harness.protocols.solve.method import Candidate, Desk, Query, Solver
from harness.registry import About


class CopyInput(Solver):
    """``copy-input``: the output is the input."""

    about: ClassVar[About] = About("Answers with the input as it is; a floor.", "none")

    def solve(self, query: Query, desk: Desk) -> Sequence[Candidate]:
        """The input."""
        del desk
        return [Candidate(query.input)]
