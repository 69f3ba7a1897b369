"""A leaderboard on a terminal, as rich tables that fit 120 columns.

Texts are handed to rich as `Text`, never as markup: a method named ``[red]`` stays that.
"""

from __future__ import annotations

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from harness.text import clean
from harness_leaderboards.built import AnyLeaderboard, Built
from harness_leaderboards.render.page import page_of
from harness_leaderboards.render.tables import FOREIGN, TextTable


def print_leaderboard(board: AnyLeaderboard | Built, console: Console, *, details: bool) -> None:
    """Print a board: the main tables of each section, with `details` also the others."""
    page = page_of(board)
    console.print(Text(f"Leaderboard {clean(page.title)}", style="bold"))
    for section in page.sections:
        for table in section.main:
            _print_table(table, console)
        if details:
            console.print(Text(clean(section.details), style="dim"))
            for table in section.more:
                _print_table(table, console)
    if page.unranked:
        _print_table(page.unranked, console)


def _print_table(texts: TextTable, console: Console) -> None:
    table, needed = _laid_out(texts, gap=1), console.width
    if _least_width(table, console) > console.width:
        table = _laid_out(texts, gap=0)
        needed = max(needed, _least_width(table, console))
    if needed > console.width:
        table.width = needed  # rich cuts the width it is given to the console's, a table's own not
    console.print()
    console.print(Text(clean(texts.title), style="bold"))
    # A terminal that is narrower than the figures breaks the lines; no figure is ever cut.
    console.print(table, width=needed, crop=False, soft_wrap=needed > console.width)
    for sentence in texts.caption:
        console.print(Text(clean(sentence), style="dim"))


def _laid_out(texts: TextTable, gap: int) -> Table:
    """The table; only columns of foreign texts may be broken over several lines."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, gap, 0, 0), show_edge=False, pad_edge=False)
    for position, header in enumerate(texts.headers):
        cells = [clean(row[position]) for row in texts.rows]
        folds = header in FOREIGN
        widest = max(map(cell_len, (header, *cells)))
        table.add_column(
            Text(clean(header)),
            justify="right" if texts.numeric[position] else "left",
            no_wrap=not folds,
            overflow="fold",
            min_width=min(widest, _FOLDED) if folds else widest,
        )
    for row in texts.rows:
        table.add_row(*(Text(clean(cell)) for cell in row))
    return table


def _least_width(table: Table, console: Console) -> int:
    return Measurement.get(console, console.options.update(width=_ANY_WIDTH), table).minimum


_FOLDED = 10
"""Columns at least left to a foreign text."""

_ANY_WIDTH = 10_000
