"""Grids as sequences of tokens: padding, an edge that ends rows and columns, and symbols.

A grid stands on a canvas of a fixed size, flattened by rows. The cells right of it and below it
are edge tokens, as far as the canvas reaches; everything else is padding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.protocols.solve.augmentation import Cells, cut, place
from harness.protocols.solve.grids import Domain, Grid

PAD, EOS, FIRST = 0, 1, 2
"""Padding, edge, and the token of symbol 0."""


@dataclass(frozen=True)
class Canvas:
    """A canvas and the symbols on it.

    Attributes:
        rows: of the canvas.
        columns: of the canvas.
        symbols: how many there are.
    """

    rows: int
    columns: int
    symbols: int

    @property
    def tokens(self) -> int:
        """Length of a sequence."""
        return self.rows * self.columns

    @property
    def vocabulary(self) -> int:
        """Different tokens."""
        return FIRST + self.symbols

    def draw(self, cells: Cells, top: int = 0, left: int = 0) -> NDArray[np.uint8]:
        """The tokens, (tokens,), of a grid whose first cell stands at a row and a column."""
        sheet = np.full((self.rows, self.columns), PAD, dtype=np.uint8)
        bottom, right = top + cells.shape[0], left + cells.shape[1]
        place(cells + np.uint8(FIRST), sheet, top, left)
        sheet[bottom : bottom + 1, left:right] = EOS
        sheet[top:bottom, right : right + 1] = EOS
        return sheet.reshape(-1)

    def read(self, tokens: NDArray[np.integer]) -> Cells | None:
        """The largest rectangle of symbols at the first cell; None where that is no symbol."""
        sheet = tokens.reshape(self.rows, self.columns)
        # How far each row goes without a break, and no further than the rows above it.
        reach = (sheet >= FIRST).cumprod(axis=1).sum(axis=1)
        reach = np.minimum.accumulate(reach)
        areas = reach * np.arange(1, self.rows + 1)
        best = int(areas.argmax())
        if not areas[best]:
            return None
        return (cut(sheet, 0, 0, best + 1, int(reach[best])) - FIRST).astype(np.uint8)


def canvas_for(grids: Iterable[tuple[Grid, Domain]]) -> Canvas:
    """The smallest canvas for grids and their variants.

    It has room for an edge beside the largest grid, unless the domain's limit is reached; at 30
    rows and columns it is the reference code's.
    """
    rows = columns = symbols = 0
    for grid, domain in grids:
        height, width = len(grid), len(grid[0])
        most = domain.rows, domain.columns
        if domain.dihedral:
            height = width = max(height, width)
            most = max(most), max(most)
        rows = max(rows, min(height + 1, most[0]))
        columns = max(columns, min(width + 1, most[1]))
        symbols = max(symbols, len(domain.symbols))
    return Canvas(rows, columns, symbols)
