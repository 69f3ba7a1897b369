"""Voting over variants of a puzzle: rotated, mirrored, recoloured, solved, and turned back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import ClassVar

from pydantic import Field

from harness import options
from harness.protocols.solve.grids import Domain, array, grid_of, read_grid
from harness.protocols.solve.method import Asked, Candidate, Desk, Query, Voting
from harness.protocols.solve.puzzle import Puzzle
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

    def misfit(self, puzzle: Puzzle) -> str:
        """It needs variants."""
        domain = puzzle.domain
        if not (domain.dihedral or domain.recolour):
            return "votes over variants, and the puzzles of this task have none"
        return ""

    async def solve(self, asked: Asked, query: Query, desk: Desk) -> Sequence[Candidate]:
        """Ask for every variant, undo the variant, and count; alternatives are voted on alike."""
        from harness.protocols.solve.augmentation import Augmentation, variants
        from harness.protocols.solve.voting import Prediction, rank

        puzzle = query.puzzle
        changes = variants(puzzle, self.options.n, desk.draw("variants"))
        desks = [desk.of_variant(number) for number in range(len(changes))]

        async def ask(change: Augmentation, own: Desk) -> Sequence[Candidate]:
            return await asked(replace(query, puzzle=change.puzzle(puzzle), attempts=1), own)

        pairs = list(zip(changes, desks, strict=True))
        if desk.ask is None:
            found = [await ask(*pair) for pair in pairs]
        else:  # a server answers many at once
            found = await asyncio.gather(*(ask(*pair) for pair in pairs))

        def voted(every: Iterable[Sequence[Candidate]]) -> list[Candidate]:
            predictions = list[Prediction]()
            for voter, (change, some) in enumerate(zip(changes, every, strict=True)):
                if some:
                    grid = array(read_grid(some[0].grid, _turned(puzzle.domain)))
                    undone = grid_of(change.invert(grid))
                    predictions.append((voter, undone, some[0].confidence))
            return rank(predictions)

        desk.count("votes", len(changes))
        for own in desks:
            for name, number in own.counts.items():
                desk.count(name, number)
        for name in dict.fromkeys(name for own in desks for name in own.alternatives):
            desk.alternatives[name] = voted(own.alternatives.get(name, ()) for own in desks)
        if notes := [own.notes for own in desks if own.notes]:
            desk.notes["variants"] = notes
        return voted(found)


def _turned(domain: Domain) -> Domain:
    """What a variant's grids may be: a turned grid may be as wide as another is high."""
    side = max(domain.rows, domain.columns)
    return replace(domain, rows=side, columns=side) if domain.dihedral else domain
