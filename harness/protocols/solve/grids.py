"""Grids: rectangles of symbols, and the check that a value is one.

A grid is a tuple of rows, each a tuple of integers: immutable, hashable, and equal exactly where
shape and every cell are. `array` and `grid_of` convert for those who compute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Grid = tuple[tuple[int, ...], ...]
"""Rows of cells; a cell is the index of its symbol."""


@dataclass(frozen=True)
class Domain:
    """What the grids of a puzzle may be, and which changes of all of them leave it a puzzle.

    Attributes:
        rows: most rows of a grid.
        columns: most columns.
        symbols: what cells stand for; a cell is an index into it.
        dihedral: whether a puzzle may be rotated and mirrored.
        recolour: whether the symbols from 1 on may be permuted; 0 is the background and stays.
        translate: whether a grid may stand anywhere on a larger canvas.
    """

    rows: int = 30
    columns: int = 30
    symbols: tuple[str, ...] = tuple("0123456789")
    dihedral: bool = True
    recolour: bool = True
    translate: bool = True


ARC = Domain()
"""ARC-AGI: up to 30 x 30, ten colours, 0 the background."""


class BadGrid(ValueError):
    """A value is no grid; the message says what is wrong with it."""


def read_grid(value: Any, domain: Domain = ARC) -> Grid:
    """Check a list of rows (or an array) and return it as a grid.

    Raises:
        BadGrid: it is empty, ragged, too large, or has a cell that is no symbol's index.
    """
    rows = _plain(value)
    if not isinstance(rows, list | tuple):
        raise BadGrid(f"a {type(value).__name__} is no list of rows")
    grid = list[tuple[int, ...]]()
    lines = cast("Sequence[Any]", rows)
    if not lines:
        raise BadGrid("it has no rows")
    if len(lines) > domain.rows:
        raise BadGrid(f"it has {len(lines)} rows, and {domain.rows} are the most")
    for number, line in enumerate(lines, 1):
        grid.append(_row(_plain(line), number, domain))
        if len(grid[-1]) != len(grid[0]):
            raise BadGrid(f"row {number} has {len(grid[-1])} cells, row 1 has {len(grid[0])}")
    return tuple(grid)


def array(grid: Grid) -> NDArray[np.uint8]:
    """A grid as an array of shape (rows, columns)."""
    import numpy as np

    return np.asarray(grid, dtype=np.uint8)


def grid_of(cells: NDArray[Any]) -> Grid:
    """An array of shape (rows, columns) as a grid; nothing is checked."""
    return tuple(tuple(row) for row in cells.tolist())


def _row(line: Any, number: int, domain: Domain) -> tuple[int, ...]:
    if not isinstance(line, list | tuple):
        raise BadGrid(f"row {number} is a {type(line).__name__}, no list of cells")
    cells = cast("Sequence[Any]", line)
    if not cells:
        raise BadGrid(f"row {number} is empty")
    if len(cells) > domain.columns:
        raise BadGrid(f"it has {len(cells)} columns, and {domain.columns} are the most")
    for column, cell in enumerate(cells, 1):
        # A truth value is an int to Python, and no colour.
        if type(cell) is not int:
            raise BadGrid(f"row {number}, column {column} is {_shown(cell)}, no integer")
        if not 0 <= cell < len(domain.symbols):
            last = len(domain.symbols) - 1
            raise BadGrid(f"row {number}, column {column} is {_shown(cell)}, not in 0..{last}")
    return tuple(cells)


def _plain(value: Any) -> Any:
    """Arrays and tensors as lists; anything else as it is."""
    return value.tolist() if hasattr(value, "tolist") else value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
