"""A leaderboard as GitHub-flavoured markdown: every table, equal bytes for equal rows.

Foreign texts are escaped: no name can end a cell, open a tag or start a link.
"""

from __future__ import annotations

import re

from harness.text import clean
from harness_leaderboards.model import Leaderboard
from harness_leaderboards.render.tables import (
    TextTable,
    detail_tables,
    details_of,
    heading_of,
    main_table,
    unranked_table,
)

_MARKUP = re.compile(r"([\\`*_\[\]|~#])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def markdown(board: Leaderboard) -> str:
    """Write a board."""
    parts = [f"# Leaderboard {escape(board.board.name)}"]
    for section in board.sections:
        parts.append(f"## {escape(heading_of(board, section))}")
        parts.append(escape(details_of(section.setting)))
        parts.append(_table(main_table(board, section)))
        for table in detail_tables(section):
            parts += [f"### {escape(table.title)}", _table(table)]
    unranked = unranked_table(board)
    if unranked:
        parts += [f"## {escape(unranked.title)}", _table(unranked)]
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Make a text show as itself anywhere in a markdown file."""
    marked = _MARKUP.sub(r"\\\1", clean(text))
    return "".join(_ENTITIES.get(letter, letter) for letter in marked)


def _table(texts: TextTable) -> str:
    rule = ["---:" if numeric else ":---" for numeric in texts.numeric]
    lines = [_line(texts.headers), f"| {' | '.join(rule)} |", *map(_line, texts.rows)]
    caption = "\n".join(f"- {escape(sentence)}" for sentence in texts.caption)
    return "\n".join(lines) + (f"\n\n{caption}" if caption else "")


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(escape(cell) for cell in cells)} |"
