"""A board's page: its ranked tables with their charts, trends, details, and what is not ranked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from harness_leaderboards.model import Unranked
from harness_leaderboards.ranking.model import RankedTable
from harness_leaderboards.render.numbers import number
from harness_leaderboards.render.page import Page
from harness_leaderboards.site.grids import (
    Chart,
    Grid,
    GridCell,
    GridColumn,
    GridRow,
    Link,
    count_cell,
    of_texts,
    without_empty,
)
from harness_leaderboards.site.model import SiteBoard
from harness_leaderboards.site.names import Places
from harness_leaderboards.site.pages import Pages
from harness_leaderboards.site.pairs import Matrix, matrix, pair_rows
from harness_leaderboards.site.plots import trade_offs, trend_chart
from harness_leaderboards.site.ranked import interval_text, rank_text, ranked_grid, samples_of
from harness_leaderboards.site.runs import Field
from harness_leaderboards.site.scripts import script

_MOST_CELLS = 4_000
"""Cells of detailed tables that fit on a board's page; more get a page of their own."""


@dataclass(frozen=True)
class _Table:
    title: str
    setting: tuple[Field, ...]
    grid: Grid
    plots: tuple[Chart, ...]
    matrix: Matrix | None
    pairs: str


@dataclass(frozen=True)
class _Details:
    heading: str
    details: str
    grids: tuple[Grid, ...]


def board_files(board: SiteBoard, places: Places, pages: Pages) -> Iterator[tuple[str, str]]:
    """The pages and scripts of a board, by path."""
    spec = board.ranked.board
    details = _details(board.page)
    cells = sum(len(g.columns) * len(g.rows) for one in details for g in one.grids)
    title = spec.title or spec.name
    links = [Link(f"Task {spec.task}", places.task(spec.task))]
    if cells > _MOST_CELLS:
        links.append(Link("Detailed tables", places.details(board.name)))
        trail = [Link(title, places.board(board.name))]
        yield (
            places.details(board.name),
            pages.page("details.html", f"{title}: details", depth=1, trail=trail, details=details),
        )
    tables = tuple(
        _table(board, table, place, places) for place, table in enumerate(board.ranked.tables)
    )
    yield (
        places.board(board.name),
        pages.page(
            "board.html",
            title,
            depth=1,
            scripts=("charts", "pairs"),
            summary=spec.summary,
            task=spec.task,
            links=links,
            problems=board.ranked.problems,
            tables=tables,
            trends=[trend_chart(one, at, places) for at, one in enumerate(board.trends)],
            details=() if cells > _MOST_CELLS else details,
            unfinished=unfinished_grid(board.ranked.unfinished),
            downloads=_downloads(board, places),
        ),
    )
    for table, shown in zip(board.ranked.tables, tables, strict=True):
        if shown.matrix:
            name = f"{places.pairs(board.name)}-{shown.matrix.id}"
            yield f"{name}.js", script(shown.matrix.id, pair_rows(table))


def boards_grid(boards: Sequence[SiteBoard], places: Places) -> Grid:
    """The list of boards, with who leads each."""
    columns = (
        *(GridColumn("board", "board"), GridColumn("task", "task")),
        *(GridColumn("table", "table"), GridColumn("best", "first")),
        *(GridColumn("value", "value", True), GridColumn("ranked", "ranked", True)),
        *(GridColumn("unranked", "unranked", True), GridColumn("runs", "runs", True)),
    )
    rows = tuple(
        GridRow(_summary(board, table, place, places))
        for board in boards
        for place, table in enumerate(board.ranked.tables or (None,))
    )
    return Grid("boards", "Boards", columns, rows, tools=len(rows) > 5)


def method_grids(method: str, boards: Sequence[SiteBoard], places: Places) -> Iterator[Grid]:
    """A method's rows on every board, with the runs behind each cell."""
    columns = (
        *(GridColumn("subset", "subset"), GridColumn("rank", "rank", True)),
        *(GridColumn("value", "value", True), GridColumn("n", "n", True)),
        *(GridColumn("clusters", "clusters", True), GridColumn("runs", "runs", sortable=False)),
    )
    count = 0
    for board in boards:
        for place, table in enumerate(board.ranked.tables):
            rows = tuple(_method_rows(method, table, place, board.name, places))
            if rows:
                spec = board.ranked.board
                caption = f"{spec.title or spec.name}: {table.title}"
                yield Grid(f"g{count}", caption, columns, rows)
                count += 1


def unfinished_grid(runs: Sequence[Unranked]) -> Grid:
    """Runs that are not ranked."""
    headers = ("run", "method", "subset", "model", "order", "seed", "status", "done", "errors")
    numeric = ("seed", "done", "errors")
    columns = [GridColumn(name, name, name in numeric) for name in headers]
    rows = [
        (
            *(GridCell(one.run_id), GridCell(one.method), GridCell(one.subset)),
            *(GridCell(one.model), GridCell(one.order)),
            GridCell(str(one.sample_seed), float(one.sample_seed)),
            GridCell(one.status),
            GridCell(f"{one.n_done:,} of {one.n_planned:,}", float(one.n_done)),
            count_cell(one.n_error) if one.n_error else GridCell(""),
        )
        for one in runs
    ]
    kept, cells = without_empty(columns, rows)
    lines = tuple(GridRow(line) for line in cells)
    return Grid("unfinished", "Unfinished runs", kept, lines, tools=len(lines) > 10)


def _table(board: SiteBoard, table: RankedTable, place: int, places: Places) -> _Table:
    spec, grid_id = board.ranked.board, f"t{place}"
    grid = ranked_grid(spec, table, place, places)
    return _Table(
        table.title,
        tuple(Field(name, value) for name, value in table.setting.items()),
        grid,
        tuple(trade_offs(spec, table, grid_id, places)),
        matrix(table, f"{grid_id}-pairs"),
        f"{places.pairs(board.name)}-{grid_id}-pairs.js",
    )


def _details(page: Page | None) -> tuple[_Details, ...]:
    if page is None:
        return ()
    return tuple(
        _Details(
            section.heading,
            section.details,
            tuple(
                replace(of_texts(table, f"d{place}-{at}"), caption=table.title)
                for at, table in enumerate((*section.main, *section.more))
            ),
        )
        for place, section in enumerate(page.sections)
    )


def _downloads(board: SiteBoard, places: Places) -> list[Link]:
    kinds = [("csv", "Ranked tables as CSV"), ("json", "Ranked tables as JSON")]
    if any(table.pairs for table in board.ranked.tables):
        kinds.append(("pairs.csv", "Pairwise comparisons as CSV"))
    if board.parquet is not None:
        kinds.append(("parquet", "Ranked tables as parquet"))
    return [Link(text, places.download(board.name, ending)) for ending, text in kinds]


def _summary(
    board: SiteBoard, table: RankedTable | None, place: int, places: Places
) -> tuple[GridCell, ...]:
    spec = board.ranked.board
    href = places.board(board.name)
    head = (
        GridCell(spec.title or spec.name, href=href),
        GridCell(spec.task, href=places.task(spec.task)),
    )
    if table is None:
        return (*head, *(GridCell("") for _ in range(6)))
    ranked = [row for row in table.rows if row.rank_low is not None]
    runs = {run for row in table.rows for run in row.average.run_ids}
    best = ranked[0] if ranked else None
    return (
        *head,
        GridCell(table.title, href=f"{href}#section-t{place}"),
        GridCell(best.method, href=places.method(best.method)) if best else GridCell(""),
        GridCell(number(best.average.value), best.average.value, note=interval_text(best.average))
        if best
        else GridCell(""),
        count_cell(len(ranked)),
        count_cell(len(table.rows) - len(ranked)),
        count_cell(len(runs)),
    )


def _method_rows(
    method: str, table: RankedTable, place: int, board: str, places: Places
) -> Iterator[GridRow]:
    for at, row in enumerate(table.rows):
        if row.method != method:
            continue
        rank = None if row.rank_low is None else float(row.rank_low)
        cells = [(None, row.average), *enumerate(row.cells if len(table.subsets) > 1 else ())]
        for subset, cell in cells:
            name = cell.subset or "average of all"
            word = f"{name}, {row.model}" if row.model else name
            links = tuple(Link(run_id[-8:], places.run(run_id)) for run_id in cell.run_ids)
            yield GridRow(
                (
                    GridCell(word, href=f"{places.board(board)}#section-t{place}"),
                    GridCell(rank_text(row), rank, note=row.unranked)
                    if subset is None
                    else GridCell(""),
                    GridCell(number(cell.value), cell.value, note=interval_text(cell)),
                    samples_of(cell),
                    count_cell(cell.clusters),
                    GridCell("", links=links),
                ),
                anchor=places.anchor(board, place, at, subset),
            )
