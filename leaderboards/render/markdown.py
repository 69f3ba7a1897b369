"""A leaderboard as GitHub-flavoured markdown: every table, equal bytes for equal rows.

Foreign texts are escaped: no name can end a cell, open a tag or start a link.
"""

from __future__ import annotations

import re

from harness.text import clean
from harness_leaderboards.built import AnyLeaderboard, Built
from harness_leaderboards.render.page import page_of
from harness_leaderboards.render.tables import TextTable

_MARKUP = re.compile(r"([\\`*_\[\]|~#])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def markdown(board: AnyLeaderboard | Built) -> str:
    """Write a board."""
    page = page_of(board)
    parts = [f"# Leaderboard {escape(page.title)}"]
    for section in page.sections:
        parts.append(f"## {escape(section.heading)}")
        parts.append(escape(section.details))
        for place, table in enumerate((*section.main, *section.more)):
            headed = section.main or table.title == section.heading
            if place or not headed:
                parts.append(f"### {escape(table.title)}")
            parts.append(_table(table))
    if page.unranked:
        parts += [f"## {escape(page.unranked.title)}", _table(page.unranked)]
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
