"""The charts of a board: what methods give for what they cost, and how they came to be so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from harness_leaderboards.boards.spec import BoardSpec
from harness_leaderboards.history.model import Trend
from harness_leaderboards.ranking.model import Cell, RankedTable
from harness_leaderboards.render.numbers import number, probability
from harness_leaderboards.site.grids import (
    Chart,
    ChartKind,
    Grid,
    GridCell,
    GridColumn,
    GridRow,
    Link,
)
from harness_leaderboards.site.names import Places
from harness_leaderboards.site.ranked import COSTS
from harness_leaderboards.site.texts import figure, shown

_COSTS = {key: header for key, header, _ in COSTS} | {
    "tokens": "tokens",
    "memory_bytes": "memory MB",
}


def trade_offs(spec: BoardSpec, table: RankedTable, grid_id: str, places: Places) -> list[Chart]:
    """A plot for each trade-off that the board names and two methods have figures for."""
    charts = list[Chart]()
    for number_, plot in enumerate(spec.trade_offs):
        rows = [
            row
            for one in table.rows
            if (row := _point(one.method, one.average, plot.x, plot.y, places))
        ]
        if len({row.cells[1].value for row in rows}) < 2:  # nothing is traded
            continue
        x_label, y_label = _label(spec, plot.x), _label(spec, plot.y)
        columns = (
            GridColumn("method", "method"),
            GridColumn("x", x_label, True),
            GridColumn("y", y_label, True),
            GridColumn("low", "from", True),
            GridColumn("high", "to", True),
        )
        grid = Grid(f"{grid_id}-plot{number_}", plot.title, columns, tuple(rows))
        text = f"{y_label} of each method against its {x_label}, with 95 % intervals."
        charts.append(
            Chart(
                *(ChartKind.POINTS, plot.title, text, grid, "x", ("y",), x_label, y_label),
                series="method",
                interval=True,
            )
        )
    return charts


def trend_chart(trend: Trend, place: int, places: Places) -> Chart:
    """How a method's value went from attempt to attempt, steps marked."""
    marks = {step.position: step for step in trend.steps}
    rows = list[GridRow]()
    for position, point in enumerate(trend.points):
        step = marks.get(position)
        said = ""
        if step:
            said = (
                f"{number(step.before)} to {number(step.after)}, p {probability(step.p)}"
                f"{': ' if step.changed else ''}{', '.join(step.changed)}"
            )
        cells = (
            GridCell(point.when, milliseconds(point.when)),
            GridCell(number(point.value), point.value),
            _end(point.low),
            _end(point.high),
            GridCell(f"{point.n:,}", float(point.n)),
            GridCell(said),
            GridCell(point.harness),
            GridCell(point.code),
            GridCell(point.model_revision),
            GridCell("", links=run_links(point.run_ids, places)),
        )
        rows.append(GridRow(cells))
    columns = (
        *(GridColumn("when", "start (UTC)"), GridColumn("value", "value", True)),
        *(GridColumn("low", "from", True), GridColumn("high", "to", True)),
        *(GridColumn("n", "n", True), GridColumn("mark", "step"), GridColumn("harness", "harness")),
        *(GridColumn("code", "code"), GridColumn("model", "model revision")),
        GridColumn("runs", "runs", sortable=False),
    )
    title = f"{shown(trend.method, 80)} on {shown(trend.subset, 80)}, {shown(trend.title, 80)}"
    steps = f"{len(trend.steps)} lasting change{'' if len(trend.steps) == 1 else 's'}"
    text = f"{len(trend.points)} attempts from oldest to newest; {steps} of level."
    grid = Grid(f"trend{place}", title, columns, tuple(rows))
    return Chart(
        *(ChartKind.LINES, title, text, grid, "when", ("value",), "start (UTC)", "value"),
        interval=True,
        time=True,
    )


def run_links(run_ids: Sequence[str], places: Places) -> tuple[Link, ...]:
    """A link for each run that has a page."""
    return tuple(Link(f"run {run_id[-6:]}", places.run(run_id)) for run_id in run_ids)


def milliseconds(when: str) -> float | None:
    """A time as a browser counts it; None if it is none."""
    try:
        moment = datetime.fromisoformat(when)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000


def _point(method: str, cell: Cell, x: str, y: str, places: Places) -> GridRow | None:
    across, up = _quantity(cell, x), _quantity(cell, y)
    if across is None or up is None:
        return None
    own = y == "value"
    return GridRow(
        (
            GridCell(method, href=places.method(method)),
            GridCell(figure(across), across),
            GridCell(figure(up), up),
            _end(cell.low if own else None),
            _end(cell.high if own else None),
        )
    )


def _quantity(cell: Cell, name: str) -> float | None:
    if name == "value":
        return cell.value
    if name == "tokens":
        read, written = cell.cost.input_tokens, cell.cost.output_tokens
        return None if read is None and written is None else (read or 0.0) + (written or 0.0)
    if name == "memory_bytes":
        return None if cell.cost.memory_bytes is None else cell.cost.memory_bytes / 1e6
    if name in _COSTS:
        value: float | None = getattr(cell.cost, name)
        return value
    return cell.figures.get(name)


def _label(spec: BoardSpec, name: str) -> str:
    if name == "value":
        return spec.metric.header
    headers = [one.header for one in spec.columns if one.metric == name]
    return headers[0] if headers else _COSTS.get(name, name)


def _end(value: float | None) -> GridCell:
    return GridCell("" if value is None else number(value), value)
