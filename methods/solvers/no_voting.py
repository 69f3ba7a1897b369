"""No voting: the solver's own candidates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from harness.protocols.solve.method import Asked, Candidate, Desk, Query, Voting
from harness.registry import About


class NoVoting(Voting):
    """``none``: asks once and hands on what comes."""

    about: ClassVar[About] = About("The solver's own candidates, in its order.", "none")

    async def solve(self, asked: Asked, query: Query, desk: Desk) -> Sequence[Candidate]:
        """Ask the solver."""
        return await asked(query, desk)
