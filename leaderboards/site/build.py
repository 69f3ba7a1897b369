"""Builds the site: boards, a results folder and options in, one folder out.

The folder opens from disk: no server, nothing from elsewhere. Equal rows make equal bytes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from threading import Event
from typing import Any

from harness.results.store import ResultsStore
from harness_leaderboards.ranking.export import ranking_csv
from harness_leaderboards.site.board_pages import board_files, boards_grid, method_grids
from harness_leaderboards.site.curves import charts_of
from harness_leaderboards.site.downloads import as_json, pairs_csv
from harness_leaderboards.site.grids import Grid, GridCell, GridColumn, GridRow, Link, count_cell
from harness_leaderboards.site.model import SiteBoard, SiteOptions
from harness_leaderboards.site.names import Places
from harness_leaderboards.site.pages import Pages
from harness_leaderboards.site.publish import replacing
from harness_leaderboards.site.runs import read_runs, run_page, runs_grid
from harness_leaderboards.site.samples import read_samples, sample_scripts, text_scripts

Row = Mapping[str, Any]


class BuildStopped(Exception):
    """A build was told to stop; the site is as it was."""


def write_site(
    boards: Sequence[SiteBoard],
    store: ResultsStore,
    folder: Path,
    options: SiteOptions,
    stop: Event | None = None,
) -> None:
    """Write the site of some boards into a folder, in the place of an older one.

    Args:
        boards: what it shows.
        store: the folder with their runs.
        folder: where it goes.
        options: how it is built.
        stop: set by another thread, it ends the build.

    Raises:
        BuildStopped: `stop` was set.
        UsageError: the folder holds something that is no site.
        ResultsError: it cannot be written.
    """
    ordered = sorted(boards, key=lambda board: board.name)
    with replacing(folder) as scratch:
        for path, content in _files(ordered, store, options):
            if stop and stop.is_set():
                raise BuildStopped
            target = scratch / path
            target.parent.mkdir(parents=True, exist_ok=True)
            data = content if isinstance(content, bytes) else content.encode("utf-8", "replace")
            target.write_bytes(data)


def _files(
    boards: Sequence[SiteBoard], store: ResultsStore, options: SiteOptions
) -> Iterator[tuple[str, str | bytes]]:
    """Every file of the site: its path and its content."""
    rows = read_runs(store, [board.ranked.board.task for board in boards])
    methods = {row["method"] for row in rows} | {
        row.method for board in boards for table in board.ranked.tables for row in table.rows
    }
    places = Places(
        [board.name for board in boards],
        methods,
        [board.ranked.board.task for board in boards],
        [row["run_id"] for row in rows],
    )
    pages = Pages(options.title, live=options.live)
    # GitHub Pages would leave out what begins with an underscore.
    yield ".nojekyll", ""
    yield from _assets(files("harness_leaderboards.site") / "assets", "assets", options)
    yield "index.html", _index(boards, rows, places, pages, options)
    for board in boards:
        yield from board_files(board, places, pages)
        yield from _data(board, places)
    by_method, by_task = defaultdict[str, list[Row]](list), defaultdict[str, list[Row]](list)
    for row in rows:
        by_method[row["method"]].append(row)
        by_task[row["task"]].append(row)
    for method in sorted(methods):
        grids = [*method_grids(method, boards, places)]
        grids.append(_runs(by_method[method], places, method=False))
        yield (
            places.method(method),
            pages.page("listing.html", method, depth=1, kind="Method", grids=_filled(grids)),
        )
    for task in sorted({board.ranked.board.task for board in boards}):
        own = [board for board in boards if board.ranked.board.task == task]
        grids = [boards_grid(own, places), _runs(by_task[task], places, method=True)]
        yield (
            places.task(task),
            pages.page("listing.html", task, depth=1, kind="Task", grids=_filled(grids)),
        )
    for row in rows:
        yield from _run_files(row, boards, store, places, pages, options)


def _run_files(
    row: Row,
    boards: Sequence[SiteBoard],
    store: ResultsStore,
    places: Places,
    pages: Pages,
    options: SiteOptions,
) -> Iterator[tuple[str, str]]:
    run_id, task = row["run_id"], row["task"]
    samples = read_samples(store.root, task, run_id, options.samples_per_run)
    charts = charts_of(row, samples, store, _shown_metrics(boards, task))
    page = run_page(row, samples, charts, places, store)
    yield (
        places.run(run_id),
        pages.page(
            "run.html",
            f"Run {run_id}",
            depth=1,
            trail=[Link(task, places.task(task))],
            scripts=("charts", "grids", "samples"),
            page=page,
            method_href=places.method(row["method"]),
            task_href=places.task(task),
        ),
    )
    folder = places.chunks(run_id)
    for name, text in (*sample_scripts(samples), *text_scripts(store.root, task, run_id, samples)):
        yield f"{folder}/{name}.js", text


def _shown_metrics(boards: Sequence[SiteBoard], task: str) -> list[str]:
    """The metrics that the boards of a task show, the primary ones first."""
    specs = [board.ranked.board for board in boards if board.ranked.board.task == task]
    edits = [one for spec in specs if spec.edit for one in spec.edit.forgetting]
    return [
        *(spec.metric.name for spec in specs),
        *(one.metric for one in edits),
        *(column.metric for spec in specs for column in spec.columns),
    ]


def _index(
    boards: Sequence[SiteBoard],
    rows: Sequence[Row],
    places: Places,
    pages: Pages,
    options: SiteOptions,
) -> str:
    problems = dict.fromkeys(
        (*options.problems, *(one for board in boards for one in board.ranked.problems))
    )
    return pages.page(
        "index.html",
        options.title,
        depth=0,
        problems=list(problems),
        boards=boards_grid(boards, places),
        lists=[_methods(rows, places), _tasks(rows, places)],
    )


def _methods(rows: Sequence[Row], places: Places) -> Grid:
    runs, tasks = defaultdict[str, int](int), defaultdict[str, set[str]](set)
    for row in rows:
        runs[row["method"]] += 1
        tasks[row["method"]].add(row["task"])
    lines = [
        GridRow(
            (
                GridCell(name, href=places.method(name)),
                GridCell(", ".join(sorted(tasks[name]))),
                count_cell(runs[name]),
            )
        )
        for name in sorted(runs)
    ]
    columns = (GridColumn("method", "method"), GridColumn("tasks", "tasks"))
    columns = (*columns, GridColumn("runs", "runs", True))
    return Grid("methods", "Methods", columns, tuple(lines), tools=len(lines) > 5)


def _tasks(rows: Sequence[Row], places: Places) -> Grid:
    runs, methods = defaultdict[str, int](int), defaultdict[str, set[str]](set)
    for row in rows:
        runs[row["task"]] += 1
        methods[row["task"]].add(row["method"])
    lines = [
        GridRow(
            (
                GridCell(name, href=places.task(name)),
                count_cell(len(methods[name])),
                count_cell(runs[name]),
            )
        )
        for name in sorted(runs)
    ]
    columns = (GridColumn("task", "task"), GridColumn("methods", "methods", True))
    return Grid("tasks", "Tasks", (*columns, GridColumn("runs", "runs", True)), tuple(lines))


def _runs(rows: Sequence[Row], places: Places, *, method: bool) -> Grid:
    return runs_grid(rows, places, grid_id="runs", caption="Runs", method=method)


def _filled(grids: Sequence[Grid]) -> list[Grid]:
    return [grid for grid in grids if grid.rows]


def _data(board: SiteBoard, places: Places) -> Iterator[tuple[str, str | bytes]]:
    yield places.download(board.name, "csv"), ranking_csv(board.ranked)
    yield places.download(board.name, "json"), as_json(board.ranked)
    if any(table.pairs for table in board.ranked.tables):
        yield places.download(board.name, "pairs.csv"), pairs_csv(board.ranked)
    if board.parquet is not None:
        yield places.download(board.name, "parquet"), board.parquet


def _assets(folder: Traversable, path: str, options: SiteOptions) -> Iterator[tuple[str, bytes]]:
    for one in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if one.is_dir():
            yield from _assets(one, f"{path}/{one.name}", options)
        elif options.live or one.name != "live.js":
            yield f"{path}/{one.name}", one.read_bytes()
