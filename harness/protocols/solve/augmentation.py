"""Variants of a puzzle that keep its rule: turned and mirrored, recoloured, moved on a canvas.

What a solver makes of a variant is taken back by `Augmentation.invert`. Which changes are allowed
is a `Domain`'s affair; the background, symbol 0, always stays.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.protocols.solve.grids import Domain, Grid, array, grid_of
from harness.protocols.solve.puzzle import Pair, Puzzle

DIHEDRAL = 8
"""Ways to turn and mirror a rectangle."""
_TRIES = 5
"""Tries for each wanted variant, as the reference code of TRM makes."""

Cells = NDArray[np.uint8]
"""A grid as an array of shape (rows, columns)."""


@dataclass(frozen=True)
class Augmentation:
    """A change of all grids of a puzzle that can be taken back.

    Attributes:
        dihedral: 0 to 7: that many quarter turns anticlockwise, from 4 on after mirroring left and
            right; 0 changes nothing.
        colours: what each symbol becomes: a permutation of their indices.
    """

    dihedral: int
    colours: tuple[int, ...]

    def apply(self, cells: Cells) -> Cells:
        """The changed grid, of shape (rows, columns) or, a quarter turned, (columns, rows)."""
        changed = np.asarray(self.colours, dtype=np.uint8)[cells]
        if self.dihedral >= DIHEDRAL // 2:
            changed = changed[:, ::-1]
        return np.ascontiguousarray(np.rot90(changed, self.dihedral % 4))

    def invert(self, cells: Cells) -> Cells:
        """The grid that `apply` made this one of."""
        turned = np.rot90(cells, -(self.dihedral % 4))
        if self.dihedral >= DIHEDRAL // 2:
            turned = turned[:, ::-1]
        back = np.argsort(np.asarray(self.colours)).astype(np.uint8)
        return np.ascontiguousarray(back[turned])

    def puzzle(self, puzzle: Puzzle) -> Puzzle:
        """The puzzle with all its grids changed."""
        train = tuple(Pair(self._grid(one.input), self._grid(one.output)) for one in puzzle.train)
        tests = tuple(map(self._grid, puzzle.tests))
        domain = puzzle.domain
        if self.dihedral % 2:
            domain = replace(domain, rows=domain.columns, columns=domain.rows)
        return replace(puzzle, train=train, tests=tests, domain=domain)

    def _grid(self, grid: Grid) -> Grid:
        return grid_of(self.apply(array(grid)))


def identity(domain: Domain) -> Augmentation:
    """The augmentation that changes nothing."""
    return Augmentation(0, tuple(range(len(domain.symbols))))


def variants(puzzle: Puzzle, count: int, draw: random.Random) -> list[Augmentation]:
    """Different augmentations of a puzzle, the identity first.

    Two are different if they make different puzzles of it: exchanging colours that it lacks does
    not count. There may be fewer than asked for, of a puzzle that allows no more or where tries
    ran out.

    Args:
        puzzle: demonstrations and test inputs.
        count: most of them, the identity included.
        draw: chooses.
    """
    grids = [array(grid) for one in puzzle.train for grid in (one.input, one.output)]
    grids += map(array, puzzle.tests)
    found = [identity(puzzle.domain)]
    seen = {_hash(grids)}
    for proposal in _proposals(puzzle.domain, count, draw):
        if len(found) >= count:
            break
        key = _hash(proposal.apply(grid) for grid in grids)
        if key not in seen:
            seen.add(key)
            found.append(proposal)
    return found


def place(cells: Cells, canvas: Cells, top: int, left: int) -> None:
    """Draw a grid onto a canvas, its first cell at a row and a column, in place."""
    rows, columns = cells.shape
    canvas[top : top + rows, left : left + columns] = cells


def cut(canvas: NDArray[Any], top: int, left: int, rows: int, columns: int) -> NDArray[Any]:
    """The grid of a size whose first cell stands at a row and a column of a canvas."""
    return canvas[top : top + rows, left : left + columns].copy()


def _proposals(domain: Domain, count: int, draw: random.Random) -> Iterator[Augmentation]:
    turns = range(DIHEDRAL if domain.dihedral else 1)
    plain = tuple(range(len(domain.symbols)))
    if not domain.recolour:
        # Few enough to look at each.
        for turn in draw.sample(turns, len(turns)):
            yield Augmentation(turn, plain)
        return
    for _ in range(_TRIES * count):
        yield Augmentation(draw.choice(turns), (0, *draw.sample(plain[1:], len(plain) - 1)))


def _hash(grids: Iterable[Cells]) -> bytes:
    digest = hashlib.sha256()
    for grid in grids:
        digest.update(bytes(grid.shape))
        digest.update(grid.tobytes())
    return digest.digest()
