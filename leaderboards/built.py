"""A board with everything that is shown of it."""

from __future__ import annotations

from dataclasses import dataclass

from harness_leaderboards.adapt.model import AdaptLeaderboard
from harness_leaderboards.edits.model import EditLeaderboard
from harness_leaderboards.history.model import Trend
from harness_leaderboards.model import Leaderboard
from harness_leaderboards.ranking.model import RankedBoard
from harness_leaderboards.solve.model import SolveLeaderboard

AnyLeaderboard = Leaderboard | EditLeaderboard | AdaptLeaderboard | SolveLeaderboard
"""The detailed tables of a board, whatever its protocol."""


@dataclass(frozen=True)
class Built:
    """A built board.

    Attributes:
        ranked: the ranked tables.
        details: what is particular to the protocol; None where it has no such tables, or where
            the board is too large for them and they were not asked for.
        trends: how methods moved over attempts.
    """

    ranked: RankedBoard
    details: AnyLeaderboard | None
    trends: tuple[Trend, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """Files of the results folder that could not be read, as sentences."""
        more = self.details.problems if self.details else ()
        return tuple(dict.fromkeys((*self.ranked.problems, *more)))
