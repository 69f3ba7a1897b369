"""A leaderboard on a terminal, as rich tables that fit 120 columns.

Texts are handed to rich as `Text`, never as markup: a method named ``[red]`` stays that.
"""

from __future__ import annotations

from harness_leaderboards.model import Leaderboard, Section
from harness_leaderboards.render.numbers import clean
from harness_leaderboards.render.tables import (
    TextTable,
    detail_tables,
    details_of,
    main_table,
    unranked_table,
)
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text


def print_leaderboard(board: Leaderboard, console: Console, *, details: bool) -> None:
    """Print a board: the main table of each section, with `details` also the others."""
    console.print(Text(f"Leaderboard {clean(board.board.name)}", style="bold"))
    for section in board.sections:
        _print_section(board, section, console, details=details)
    unranked = unranked_table(board)
    if unranked:
        _print_table(unranked, console)


def _print_section(
    board: Leaderboard, section: Section, console: Console, *, details: bool
) -> None:
    _print_table(main_table(board.board, section), console)
    if not details:
        return
    console.print(Text(clean(details_of(section.setting)), style="dim"))
    for table in detail_tables(section):
        _print_table(table, console)


def _print_table(texts: TextTable, console: Console) -> None:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for position, (header, numeric) in enumerate(zip(texts.headers, texts.numeric, strict=True)):
        table.add_column(
            Text(header),
            justify="right" if numeric else "left",
            no_wrap=numeric,
            overflow="fold",
            min_width=None if position else 10,
        )
    for row in texts.rows:
        table.add_row(*(Text(clean(cell)) for cell in row))
    console.print()
    console.print(Text(clean(texts.title), style="bold"))
    console.print(table)
    for sentence in texts.caption:
        console.print(Text(clean(sentence), style="dim"))
