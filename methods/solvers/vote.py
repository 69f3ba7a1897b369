"""Voting over variants of a puzzle: rotated, mirrored, recoloured, solved, and turned back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from pydantic import Field

from harness import options
from harness.protocols.solve.grids import Grid, array, grid_of, read_grid
from harness.protocols.solve.method import Asked, Candidate, Desk, Query, Voting
from harness.registry import About


class Vote(Voting):
    """``vote``: one prediction for each of `n` variants, ranked by votes, then mean confidence.

    The first variant is the puzzle itself. Variants are distinct; a puzzle that has fewer gives
    fewer votes.
    """

    about: ClassVar[About] = About(
        "One prediction for each variant of the puzzle, ranked by votes.",
        "as in Akyürek et al. 2024, arXiv 2411.07279, and TRM's evaluator",
    )

    class Options(options.Options):
        """Options of the voting."""

        n: int = Field(default=8, ge=1)
        """Variants that are asked: rotations and mirrorings with permuted colours."""

    options: Options

    async def solve(self, asked: Asked, query: Query, desk: Desk) -> Sequence[Candidate]:
        """Ask for every variant, undo the variant, and count."""
        from harness.protocols.solve.augmentation import Augmentation, variants
        from harness.protocols.solve.voting import rank

        puzzle = query.puzzle
        changes = variants(puzzle, self.options.n, desk.draw("variants"))

        async def predict(change: Augmentation) -> tuple[Grid, float] | None:
            changed = replace(query, puzzle=change.puzzle(puzzle), attempts=1)
            found = await asked(changed, desk)
            if not found:
                return None
            grid = read_grid(found[0].grid, puzzle.domain)
            return grid_of(change.invert(array(grid))), found[0].confidence

        if desk.ask is None:
            predictions = [await predict(change) for change in changes]
        else:  # a server answers many at once
            predictions = await asyncio.gather(*map(predict, changes))
        desk.count("votes", len(changes))
        return rank((voter, *one) for voter, one in enumerate(predictions) if one is not None)
