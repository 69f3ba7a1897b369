"""Tables of a page, whatever they show: one shape, one template, one script.

The cell's text is what is read, its value what is sorted by and drawn. A chart is drawn from its
table, which is also its alternative for those who do not see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness_leaderboards.render.tables import TextTable


@dataclass(frozen=True)
class Bar:
    """An interval drawn within a cell, in per cent of the width.

    Attributes:
        at: the value.
        low: lower end; None without an interval.
        high: upper end.
        text: the same in words.
    """

    at: float
    low: float | None
    high: float | None
    text: str


@dataclass(frozen=True)
class Link:
    """A text that leads somewhere; `href` is relative to the root of the site."""

    text: str
    href: str


@dataclass(frozen=True)
class GridCell:
    """One cell.

    Attributes:
        text: what it says.
        value: what it is sorted by and drawn at; None: by its text.
        href: where it leads, relative to the root of the site; empty: nowhere.
        note: a smaller text beside it.
        bar: an interval to draw.
        links: further places, instead of a text.
    """

    text: str
    value: float | None = None
    href: str = ""
    note: str = ""
    bar: Bar | None = None
    links: tuple[Link, ...] = ()


@dataclass(frozen=True)
class GridColumn:
    """One column; `key` is unique in its table and stable, since addresses of pages hold it."""

    key: str
    header: str
    numeric: bool = False
    hint: str = ""
    sortable: bool = True


@dataclass(frozen=True)
class GridRow:
    """One row; one that is `last` stays below the others however they are sorted."""

    cells: tuple[GridCell, ...]
    last: bool = False
    anchor: str = ""


@dataclass(frozen=True)
class Grid:
    """One table.

    Attributes:
        id: unique on its page; addresses of pages hold it.
        caption: its name.
        head: how many of the first columns stay in sight; the last of them names the row.
        tools: whether it can be searched and filtered, and columns be chosen.
        last_word: what the rows are not that stay below, as in "ranked only"; empty if none are.
        notes: sentences below it.
    """

    id: str
    caption: str
    columns: tuple[GridColumn, ...]
    rows: tuple[GridRow, ...]
    head: int = 1
    tools: bool = False
    last_word: str = ""
    notes: tuple[str, ...] = ()


class ChartKind(StrEnum):
    """How a chart draws its table."""

    LINES = "lines"
    POINTS = "points"
    BARS = "bars"


@dataclass(frozen=True)
class Chart:
    """A drawing of a table.

    Attributes:
        kind: how.
        title: what it shows.
        text: the same at more length, for those who do not see it.
        grid: its figures.
        x: key of the column with the place along the x axis.
        y: keys of the columns with the heights; several: a line each.
        series: key of the column whose values are lines of their own; empty if there is none.
        interval: whether columns ``low`` and ``high`` hold the ends of intervals.
        x_label: below the x axis.
        y_label: beside the y axis.
        time: whether x is a time, in milliseconds.
        visible: series that are drawn at first; none: all.
    """

    kind: ChartKind
    title: str
    text: str
    grid: Grid
    x: str
    y: tuple[str, ...]
    x_label: str
    y_label: str
    series: str = ""
    interval: bool = False
    time: bool = False
    visible: tuple[str, ...] = ()


def of_texts(table: TextTable, grid_id: str) -> Grid:
    """A table of plain texts as a grid."""
    columns = tuple(
        GridColumn(f"c{place}", header, numeric)
        for place, (header, numeric) in enumerate(zip(table.headers, table.numeric, strict=True))
    )
    rows = tuple(
        GridRow(
            tuple(
                GridCell(cell, leading_number(cell) if numeric else None)
                for cell, numeric in zip(row, table.numeric, strict=True)
            )
        )
        for row in table.rows
    )
    return Grid(grid_id, table.title, columns, rows, notes=table.caption)


def leading_number(text: str) -> float | None:
    """The figure that a cell begins with: that of ``+.33 [-.10, +.76]`` is 0.33."""
    first = text.replace(",", "").split(" ", 1)[0].lstrip("<>")
    try:
        return float(first)
    except ValueError:
        return None


def count_cell(count: int) -> GridCell:
    """A count."""
    return GridCell(f"{count:,}", float(count))


def without_empty(
    columns: Sequence[GridColumn], rows: Sequence[Sequence[GridCell]]
) -> tuple[tuple[GridColumn, ...], list[tuple[GridCell, ...]]]:
    """Leave out the columns in which no row says anything."""
    kept = [place for place in range(len(columns)) if any(_says(row[place]) for row in rows)]
    return (
        tuple(columns[place] for place in kept),
        [tuple(row[place] for place in kept) for row in rows],
    )


def _says(cell: GridCell) -> bool:
    return cell.value is not None or bool(cell.links or cell.bar) or cell.text not in ("", "n/a")
