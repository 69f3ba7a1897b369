"""Which method beats which: a matrix of a table's first methods, and scripts with every pair."""

from __future__ import annotations

from dataclasses import dataclass

from harness_leaderboards.ranking.model import Pair, RankedTable
from harness_leaderboards.render.numbers import probability, signed, signed_interval
from harness_leaderboards.site.texts import shown

MOST = 20
"""Methods of a matrix; of more, a reader chooses one and sees all its pairs."""


@dataclass(frozen=True)
class MatrixCell:
    """How the method of the row compares with the one of the column.

    Attributes:
        text: the difference; empty on the diagonal.
        word: ``better``, ``worse`` or ``open``; empty on the diagonal.
        label: all of it in words.
    """

    text: str
    word: str
    p: str
    label: str


@dataclass(frozen=True)
class Matrix:
    """The pairs of a table's first methods.

    Attributes:
        id: unique on its page.
        methods: of its rows and columns.
        ranked: how many ranked methods the table has.
    """

    id: str
    methods: tuple[str, ...]
    rows: tuple[tuple[MatrixCell, ...], ...]
    ranked: int
    units: int
    smallest_p: str


def matrix(table: RankedTable, grid_id: str) -> Matrix | None:
    """Lay out the pairs; None where fewer than two methods are ranked."""
    ranked = [place for place, row in enumerate(table.rows) if row.rank_low is not None]
    if len(ranked) < 2 or not table.pairs:
        return None
    found = {(pair.row, pair.column): pair for pair in table.pairs}
    first = ranked[:MOST]
    rows = tuple(tuple(_cell(table, found, one, other) for other in first) for one in first)
    names = tuple(_name(table, place) for place in first)
    smallest = probability(table.smallest_p)
    return Matrix(grid_id, names, rows, len(ranked), table.units, smallest)


def pair_rows(table: RankedTable) -> dict[str, object]:
    """Every pair, for the script that shows those of a chosen method."""
    return {
        "methods": [_name(table, place) for place in range(len(table.rows))],
        "pairs": [
            [
                one.row,
                one.column,
                *map(_short, (one.difference, one.low, one.high, one.p)),
                one.better,
            ]
            for one in table.pairs
        ],
    }


def _cell(
    table: RankedTable, found: dict[tuple[int, int], Pair], one: int, other: int
) -> MatrixCell:
    if one == other:
        return MatrixCell("", "", "", "the same method")
    pair, sign = found.get((one, other)), 1
    if pair is None:
        pair, sign = found.get((other, one)), -1
    if pair is None:
        return MatrixCell("n/a", "open", "", "not compared")
    low, high = (pair.low, pair.high) if sign == 1 else (_minus(pair.high), _minus(pair.low))
    word = {1: "better", -1: "worse", 0: "open"}[pair.better * sign]
    middle = signed_interval(pair.difference * sign, low, high)
    said = {"better": "is better than", "worse": "is worse than", "open": "is not told from"}[word]
    label = (
        f"{_name(table, one)} {said} {_name(table, other)}: {middle}, "
        f"adjusted p {probability(pair.p)}"
    )
    return MatrixCell(signed(pair.difference * sign), word, f"p {probability(pair.p)}", label)


def _short(value: float | None) -> float | None:
    """As many digits as a page shows, and some."""
    return None if value is None else float(f"{value:.4g}")


def _minus(value: float | None) -> float | None:
    return None if value is None else -value


def _name(table: RankedTable, place: int) -> str:
    row = table.rows[place]
    return shown(f"{row.method}, {row.model}" if row.model else row.method, 80)
