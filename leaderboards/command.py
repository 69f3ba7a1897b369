"""``harness leaderboard``: build boards from a results folder, print them, write them as files.

Imported by ``harness --help``: everything heavy is imported inside the function.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.results.store import ResultsStore
    from harness_leaderboards.boards import AnyBoard
    from harness_leaderboards.render.page import AnyLeaderboard

_WIDTH = 120
"""Columns where the output is no terminal."""


def leaderboard(
    boards: Annotated[
        list[str] | None,
        typer.Argument(help="Boards or tasks; none: all that have finished runs."),
    ] = None,
    results: Annotated[
        Path, typer.Option("--results", envvar="HARNESS_RESULTS", help="Results folder.")
    ] = Path("results"),
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            envvar="HARNESS_OUT",
            help="Folder for parquet and markdown [RESULTS/leaderboards].",
        ),
    ] = None,
    details: Annotated[
        bool, typer.Option("--details", help="Also costs, memory use and learning curves.")
    ] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare methods on the runs of a results folder.

    Raises:
        UsageError: a board is unknown, or no run of it is finished.
        Exit: code 1, after printing, if files of the results folder could not be read.
    """
    from harness.results.store import ResultsStore
    from harness_leaderboards.export import write

    store = ResultsStore(results)
    built = [_build(board, store) for board in _chosen(boards or [], store)]
    for board in built:
        write(board, out or store.root / "leaderboards")
    if json_output:
        from harness_leaderboards.export import as_json

        typer.echo(as_json(built))
    else:
        _print(built, details)
    problems = dict.fromkeys(problem for board in built for problem in board.problems)
    if problems:
        _complain(problems)
        raise typer.Exit(1)


def _build(board: AnyBoard, store: ResultsStore) -> AnyLeaderboard:
    from harness_leaderboards.adapt.boards import AdaptBoard
    from harness_leaderboards.adapt.build import build_adapt
    from harness_leaderboards.build import build
    from harness_leaderboards.edits.boards import EditBoard
    from harness_leaderboards.edits.build import build_edits
    from harness_leaderboards.solve.boards import SolveBoard
    from harness_leaderboards.solve.build import build_solve

    if isinstance(board, SolveBoard):
        return build_solve(board, store)
    if isinstance(board, AdaptBoard):
        return build_adapt(board, store)
    return build_edits(board, store) if isinstance(board, EditBoard) else build(board, store)


def _chosen(names: list[str], store: ResultsStore) -> list[AnyBoard]:
    """The boards to build, each with at least one finished run."""
    from harness.errors import UsageError
    from harness.results.schema import RunStatus
    from harness_leaderboards.boards import EVO_MEMORY, board_named, boards_of

    runs = store.runs()
    finished = {run.task for run in runs if run.status is RunStatus.COMPLETE}
    if names:
        tasks = {run.task for run in runs}
        chosen = [board_named(name, tasks) for name in dict.fromkeys(names)]
    else:
        found, broken = boards_of(finished)
        _complain(broken)
        chosen = list(found) or [EVO_MEMORY]
    for board in chosen:
        if board.task not in finished:
            _complain(store.problems)
            unfinished = sum(run.task == board.task for run in runs)
            more = f" ({unfinished} unfinished)" if unfinished else ""
            raise UsageError(
                f"no finished run of {board.task} in {store.root}{more}; make one with: "
                f"harness run --task {board.task}"
            )
    return chosen


def _print(built: Iterable[AnyLeaderboard], details: bool) -> None:
    from rich.console import Console

    from harness_leaderboards.render.terminal import print_leaderboard

    width = None if sys.stdout.isatty() else _WIDTH
    console = Console(width=width, markup=False, highlight=False, emoji=False)
    for board in built:
        print_leaderboard(board, console, details=details)


def _complain(problems: Iterable[str]) -> None:
    from harness.text import clean

    for problem in problems:
        typer.echo(clean(problem), err=True)
