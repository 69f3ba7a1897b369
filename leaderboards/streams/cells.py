"""Figures of streams as cells of tables."""

from __future__ import annotations

from collections.abc import Sequence

from harness.statistics import MeanEstimate
from harness_leaderboards.render.numbers import interval, number, signed_interval
from harness_leaderboards.render.tables import TextTable

NOTHING = "-"
"""Where a figure has no meaning; what is not known is ``n/a``."""


def level(value: MeanEstimate | None) -> str:
    """A mean with its interval."""
    return interval(value.mean, value.low, value.high) if value else number(None)


def change(value: MeanEstimate | None) -> str:
    """A mean difference with its interval."""
    return signed_interval(value.mean, value.low, value.high) if value else number(None)


def counted(value: MeanEstimate | None, *, signs: bool = False) -> str:
    """The same with the number of items behind it."""
    text = change(value) if signs else level(value)
    return f"{text} ({value.n:,})" if value else text


def table(
    title: str,
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    caption: Sequence[str] = (),
    texts: int = 1,
) -> TextTable:
    """A table whose first columns are texts, the others figures."""
    numeric = (*(False,) * texts, *(True,) * (len(headers) - texts))
    return TextTable(title, tuple(headers), numeric, tuple(map(tuple, rows)), tuple(caption))
