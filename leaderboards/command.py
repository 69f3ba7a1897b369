"""``harness leaderboard``: build boards from a results folder, print them, write them as files.

Imported by ``harness --help``: everything heavy is imported inside the function.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.results.store import ResultsStore
    from harness_leaderboards.built import Built

_WIDTH = 120
"""Columns where the output is no terminal."""


def leaderboard(
    boards: Annotated[
        list[str] | None,
        typer.Argument(help="Boards, tasks, or TOML files; none: all that have finished runs."),
    ] = None,
    results: Annotated[
        Path, typer.Option("--results", envvar="HARNESS_RESULTS", help="Results folder.")
    ] = Path("results"),
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            envvar="HARNESS_OUT",
            help="Folder for parquet, csv, markdown and the site [RESULTS/leaderboards].",
        ),
    ] = None,
    details: Annotated[
        bool, typer.Option("--details", help="Also costs, memory use and learning curves.")
    ] = False,
    site: Annotated[
        bool, typer.Option("--site/--no-site", help="Also write the site, OUT/site.")
    ] = True,
    published: Annotated[
        bool,
        typer.Option("--published", help="Also the numbers that Evo-Memory published."),
    ] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Rank and compare methods on the runs of a results folder; write tables and a site.

    Raises:
        UsageError: a board is unknown, or no run of it is finished.
        Exit: code 1, after printing, if files of the results folder could not be read.
    """
    from harness.results.store import ResultsStore
    from harness_leaderboards.building import build_all
    from harness_leaderboards.export import write

    store = ResultsStore(results)
    folder = out or store.root / "leaderboards"
    built, broken = build_all(
        store, boards or (), details=True if details else None, published=published
    )
    _complain(broken)
    for board in built:
        write(board, folder)
    if site:
        _write_site(_with_others(built, store) if boards else built, store, folder / "site")
    if json_output:
        from harness_leaderboards.export import as_json

        typer.echo(as_json(built))
    else:
        _print(built, details)
    problems = dict.fromkeys(problem for board in built for problem in board.problems)
    if problems:
        _complain(problems)
        raise typer.Exit(1)


def _with_others(built: Sequence[Built], store: ResultsStore) -> list[Built]:
    """Boards that were asked for among all others: a site is replaced as a whole."""
    from harness_leaderboards.building import build_all

    named = {one.ranked.board.name for one in built}
    others = [one for one in build_all(store)[0] if one.ranked.board.name not in named]
    return sorted([*built, *others], key=lambda one: one.ranked.board.name)


def _write_site(built: Sequence[Built], store: ResultsStore, folder: Path) -> None:
    from harness_leaderboards.building import site_board
    from harness_leaderboards.site.build import write_site
    from harness_leaderboards.site.model import SiteOptions

    problems = dict.fromkeys(problem for board in built for problem in board.problems)
    options = SiteOptions(problems=tuple(problems))
    write_site([site_board(board) for board in built], store, folder, options)
    typer.echo(f"site: {folder / 'index.html'}", err=True)


def _print(built: Iterable[Built], details: bool) -> None:
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
