"""What a built leaderboard looks like, whatever its kind: sections of tables, not yet escaped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any

from harness_leaderboards.adapt import tables as adapt_tables
from harness_leaderboards.adapt.model import AdaptLeaderboard
from harness_leaderboards.built import Built
from harness_leaderboards.edits.model import EditLeaderboard
from harness_leaderboards.edits.tables import heading_of as edit_heading
from harness_leaderboards.edits.tables import main_tables, more_tables
from harness_leaderboards.model import Leaderboard
from harness_leaderboards.ranking.tables import ranking_table, wins_table
from harness_leaderboards.render.headings import details_of
from harness_leaderboards.render.tables import (
    TextTable,
    detail_tables,
    heading_of,
    main_table,
    unranked_table,
)
from harness_leaderboards.solve import tables as solve_tables
from harness_leaderboards.solve.model import SolveLeaderboard
from harness_leaderboards.streams.across_tables import across_tables
from harness_leaderboards.streams.paper_tables import tables_of as paper_tables_of
from harness_leaderboards.streams.tables import stream_tables


@dataclass(frozen=True)
class PageSection:
    """The methods that can be compared."""

    heading: str
    details: str
    """What had to be equal, in full."""
    main: tuple[TextTable, ...]
    more: tuple[TextTable, ...]


@dataclass(frozen=True)
class Page:
    """A leaderboard."""

    title: str
    sections: tuple[PageSection, ...]
    unranked: TextTable | None


@singledispatch
def page_of(board: Any) -> Page:
    """Lay a built leaderboard out."""
    raise TypeError(f"{type(board).__name__} is no leaderboard")


@page_of.register
def _(board: Built) -> Page:
    spec = board.ranked.board
    rankings = [
        PageSection(
            heading=f"Ranking: {table.title}",
            details="; ".join(f"{name}: {value}" for name, value in table.setting.items() if value),
            main=(ranking_table(spec, table),),
            more=tuple(one for one in [wins_table(spec, table)] if one),
        )
        for table in board.ranked.tables
    ]
    details = page_of(board.details).sections if board.details else ()
    return Page(spec.name, (*rankings, *details), unranked_table(board.ranked.unfinished))


@page_of.register
def _(board: Leaderboard) -> Page:
    sections = tuple(
        PageSection(
            heading_of(board, section),
            details_of(section.setting),
            (main_table(board, section),),
            (*detail_tables(section), *stream_tables(section.measures)),
        )
        for section in board.sections
    )
    return Page(board.board.name, (*sections, *_across(board)), unranked_table(board.unranked))


def _across(board: Leaderboard) -> Iterator[PageSection]:
    """What several settings tell together: the paper's tables, orders, wrong feedback, memories."""
    if board.measures is None:
        return
    for one in board.measures.papers:
        for table in paper_tables_of(one, show_published=board.board.published):
            yield PageSection(table.title, details_of(one.setting), (table,), ())
    for heading, setting, table in across_tables(board.measures):
        yield PageSection(heading, details_of(setting), (), (replace(table, title=heading),))


@page_of.register
def _(board: EditLeaderboard) -> Page:
    sections = tuple(
        PageSection(
            edit_heading(board, section),
            details_of(section.setting),
            tuple(main_tables(board, section)),
            tuple(more_tables(board.board, section)),
        )
        for section in board.sections
    )
    return Page(board.board.name, sections, unranked_table(board.unranked))


@page_of.register
def _(board: AdaptLeaderboard) -> Page:
    sections = tuple(
        PageSection(
            adapt_tables.heading_of(board, section),
            details_of(section.setting),
            tuple(adapt_tables.main_tables(board, section)),
            tuple(adapt_tables.more_tables(board.board, section)),
        )
        for section in board.sections
    )
    return Page(board.board.name, sections, unranked_table(board.unranked))


@page_of.register
def _(board: SolveLeaderboard) -> Page:
    sections = tuple(
        PageSection(
            solve_tables.heading_of(board, section),
            details_of(section.setting),
            tuple(solve_tables.main_tables(board, section)),
            tuple(solve_tables.more_tables(board.board, section)),
        )
        for section in board.sections
    )
    return Page(board.board.name, sections, unranked_table(board.unranked))
