"""Foreign texts on a page: every one cleaned, cut, and escaped by the template engine."""

from __future__ import annotations

from typing import Any

from harness.text import clean
from harness_leaderboards.render.numbers import NOT_KNOWN, number

LONGEST = 2_000
"""Most letters of a text that stands in a line; beyond them it says how many it has."""
LONGEST_BLOCK = 20_000
"""Most letters of a text that stands in a block of its own."""


def shown(text: str, limit: int = LONGEST) -> str:
    """A text of one line: what a browser would obey or reorder is an escape."""
    if len(text) <= limit:
        return clean(text)
    return f"{clean(text[:limit])} … ({len(text):,} letters)"


def block(text: str, limit: int = LONGEST_BLOCK) -> str:
    """A text of many lines."""
    lines = "\n".join(clean(line) for line in text[:limit].replace("\t", "    ").split("\n"))
    return f"{lines}\n… ({limit:,} of {len(text):,} letters)" if len(text) > limit else lines


def figure(value: float | None) -> str:
    """A figure of unknown size, with three digits that say something."""
    if value is None or value != value:
        return NOT_KNOWN
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 100:
        return f"{value:.1f}"
    if size >= 0.0995 or not value:
        return number(value)
    return number(value, 3) if size >= 0.000_95 else f"{value:.1e}"


def plain(value: Any) -> Any:
    """What the template engine does to every value that it writes."""
    return shown(value) if type(value) is str else value
