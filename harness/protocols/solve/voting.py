"""Ranks what was predicted of one output: by votes, then by mean confidence.

The rule of HRM's and TRM's evaluators, written for grids: predictions that are equal after their
augmentation is taken back vote for one candidate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.protocols.solve.grids import Grid
from harness.protocols.solve.method import Ballot, Candidate

Prediction = tuple[int, Grid, float]
"""Number of the voter, what it predicts, and how sure it is."""


def rank(predictions: Iterable[Prediction]) -> list[Candidate]:
    """Distinct grids, best first.

    More votes go before fewer, then higher before lower mean confidence; what is equal in both
    stays in order of its first appearance.
    """
    ballots = dict[Grid, list[Ballot]]()
    for voter, grid, confidence in predictions:
        ballots.setdefault(grid, []).append(Ballot(voter, confidence))
    # A dict keeps the order of first appearance, and sorting is stable.
    candidates = [Candidate(grid, tuple(votes)) for grid, votes in ballots.items()]
    return sorted(candidates, key=lambda one: (-len(one.ballots), -one.confidence))


def among(candidates: Sequence[Candidate], voters: int) -> list[Candidate]:
    """The ranking, had only the voters below a number voted.

    Exactly so where the predictions were ranked in order of their voters.
    """
    cast = [
        (ballot.voter, one.grid, ballot.confidence) for one in candidates for ballot in one.ballots
    ]
    kept = [vote for vote in cast if vote[0] < voters]
    return rank(sorted(kept, key=lambda vote: vote[0]))


def rank_of(candidates: Iterable[Candidate], gold: Grid) -> int | None:
    """The place of a grid among the distinct ones, from 1; None where nobody proposed it."""
    seen = set[Grid]()
    for one in candidates:
        seen.add(one.grid)
        if one.grid == gold:
            return len(seen)
    return None
