"""A ranked table as a grid: ranks, values with intervals, subsets, secondary figures, costs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness_leaderboards.boards.spec import BoardSpec
from harness_leaderboards.ranking.model import Cell, Cost, RankedRow, RankedTable
from harness_leaderboards.ranking.tables import ranking_table
from harness_leaderboards.render.numbers import NOT_KNOWN, amount, number
from harness_leaderboards.site.grids import (
    Bar,
    Grid,
    GridCell,
    GridColumn,
    GridRow,
    count_cell,
    without_empty,
)
from harness_leaderboards.site.names import Places
from harness_leaderboards.site.texts import figure

COSTS = (
    ("input_tokens", "tokens in", "tokens read by the model, per sample"),
    ("output_tokens", "tokens out", "tokens written by the model, per sample"),
    ("seconds", "seconds", "wall time per sample"),
    ("memory_bytes", "memory MB", "most memory in use during a run"),
    ("money", "money", "per sample"),
)
HEAD = 2
"""Rank and method stay in sight."""


@dataclass(frozen=True)
class _Range:
    """What interval bars are drawn between."""

    low: float
    high: float

    def percent(self, value: float) -> float:
        wide = self.high - self.low
        return round(100 * (value - self.low) / wide, 1) if wide else 50.0


@dataclass(frozen=True)
class _Frame:
    """What the cells of a table have in common."""

    spec: BoardSpec
    table: RankedTable
    place: int
    span: _Range
    places: Places


def ranked_grid(spec: BoardSpec, table: RankedTable, place: int, places: Places) -> Grid:
    """Lay out a table: ranked methods first, then the others with the reason why not.

    Args:
        spec: its board.
        table: the table.
        place: of the table on the board.
        places: where pages lie.
    """
    frame = _Frame(spec, table, place, _range(table.rows), places)
    columns = _columns(spec, table)
    rows = [_cells(frame, at) for at in range(len(table.rows))]
    kept, cells = without_empty(columns, rows)
    lines = tuple(
        GridRow(line, last=row.rank_low is None)
        for line, row in zip(cells, table.rows, strict=True)
    )
    return Grid(
        f"t{place}",
        table.title,
        kept,
        tuple(sorted(lines, key=lambda line: line.last)),
        head=HEAD,
        tools=True,
        last_word="ranked" if any(line.last for line in lines) else "",
        notes=ranking_table(spec, table).caption,
    )


def cell_link(cell: Cell, method: str, anchor: str, places: Places) -> str:
    """Where a cell leads: to its run, or to the list of its runs."""
    if len(cell.run_ids) == 1:
        return places.run(cell.run_ids[0])
    return places.method(method, anchor) if cell.run_ids else ""


def samples_of(cell: Cell) -> GridCell:
    """How many samples a cell rests on, of how many."""
    if not cell.n_planned:  # a figure of whole runs
        return GridCell("")
    text = f"{cell.n:,}" if cell.n == cell.n_planned else _of(cell)
    notes = [
        f"{count:,} {what}"
        for count, what in ((cell.n_failed, "failed"), (cell.n_invalid, "invalid"))
        if count
    ]
    if cell.present != cell.expected:
        notes.append(f"{cell.present} of {cell.expected} subsets")
    return GridCell(text, float(cell.n) if cell.n else None, note=", ".join(notes))


def _of(cell: Cell) -> str:
    return f"{f'{cell.n:,}' if cell.n else 'none'} of {cell.n_planned:,}"


def rank_text(row: RankedRow) -> str:
    """The range of ranks that the data allow."""
    if row.rank_low is None:
        return "–"
    if row.rank_high is None or row.rank_high == row.rank_low:
        return str(row.rank_low)
    return f"{row.rank_low}–{row.rank_high}"


def interval_text(cell: Cell) -> str:
    """``[.31, .53]``; empty where there is none."""
    if cell.low is None or cell.high is None:
        return ""
    return f"[{number(cell.low)}, {number(cell.high)}]"


def _columns(spec: BoardSpec, table: RankedTable) -> list[GridColumn]:
    metric = spec.metric
    better = "higher" if metric.higher_is_better else "lower"
    columns = [
        GridColumn("rank", "rank", True, "the ranks that the data leave possible"),
        GridColumn("method", "method"),
        GridColumn("model", "model"),
        GridColumn("value", metric.header, True, f"{better} is better; 95 % interval"),
        GridColumn("interval", "interval", hint="95 %", sortable=False),
        GridColumn("n", "n", True, "scored samples"),
        GridColumn("clusters", "clusters", True, "independent units behind the interval"),
        GridColumn("seeds", "seeds", True),
    ]
    columns += [
        GridColumn(f"s{place}", subset, True, f"{metric.header} on this subset")
        for place, subset in enumerate(_subsets(table))
    ]
    columns += [
        GridColumn(f"m{place}", one.header, True, _better(one.higher_is_better))
        for place, one in enumerate(spec.columns)
    ]
    return columns + [GridColumn(key, header, True, hint) for key, header, hint in _costs(table)]


def _costs(table: RankedTable) -> list[tuple[str, str, str]]:
    """Those that some method has: no model reads the tokens of a classifier."""
    return [one for one in COSTS if any(getattr(row.average.cost, one[0]) for row in table.rows)]


def _subsets(table: RankedTable) -> tuple[str, ...]:
    """Those with a column: an only subset is the value itself."""
    return table.subsets if len(table.subsets) > 1 else ()


def _better(higher: bool | None) -> str:
    return "" if higher is None else f"{'higher' if higher else 'lower'} is better"


def _cells(frame: _Frame, at: int) -> list[GridCell]:
    spec, places, row = frame.spec, frame.places, frame.table.rows[at]
    average = row.average
    rank = None if row.rank_low is None else float(row.rank_low)
    cells = [
        GridCell(rank_text(row), rank),
        GridCell(row.method, href=places.method(row.method), note=row.unranked),
        GridCell(row.model),
        _value(frame, at, average, None),
        GridCell("", bar=_bar(average, frame.span)),
        samples_of(average),
        count_cell(average.clusters) if average.clusters else GridCell(NOT_KNOWN),
        GridCell(str(len(average.seeds)), float(len(average.seeds)), note=_spread(average)),
    ]
    cells += [
        _value(frame, at, cell, place)
        for place, cell in enumerate(row.cells[: len(_subsets(frame.table))])
    ]
    cells += [_figure(average.figures.get(one.metric)) for one in spec.columns]
    return cells + [_cost(average.cost, name) for name, _, _ in _costs(frame.table)]


def _value(frame: _Frame, at: int, cell: Cell, subset: int | None) -> GridCell:
    missing = "" if cell.n == cell.n_planned or subset is None else _of(cell)
    notes = [one for one in (interval_text(cell), missing) if one]
    anchor = frame.places.anchor(frame.spec.name, frame.place, at, subset)
    href = cell_link(cell, frame.table.rows[at].method, anchor, frame.places)
    return GridCell(number(cell.value), cell.value, href, ", ".join(notes))


def _spread(cell: Cell) -> str:
    """The values of the seeds from lowest to highest."""
    if len(cell.spread) < 2:
        return ""
    return f"{number(min(cell.spread))} to {number(max(cell.spread))}"


def _figure(value: float | None) -> GridCell:
    return GridCell(figure(value), value)


def _cost(cost: Cost, name: str) -> GridCell:
    value: float | None = getattr(cost, name)
    if value is None:
        return GridCell(NOT_KNOWN)
    if name == "memory_bytes":
        return GridCell(amount(value / 1e6), value)
    return GridCell(amount(value) if name.endswith("tokens") else figure(value), value)


def _bar(cell: Cell, span: _Range) -> Bar | None:
    if cell.value is None:
        return None
    low = None if cell.low is None else span.percent(cell.low)
    high = None if cell.high is None else span.percent(cell.high)
    words = f"{number(cell.value)} {interval_text(cell) or 'without an interval'}"
    return Bar(span.percent(cell.value), low, high, words)


def _range(rows: Sequence[RankedRow]) -> _Range:
    ends = list(_ends(row.average for row in rows))
    return _Range(min(ends, default=0.0), max(ends, default=1.0))


def _ends(cells: Iterable[Cell]) -> Iterable[float]:
    for cell in cells:
        yield from (one for one in (cell.value, cell.low, cell.high) if one is not None)
