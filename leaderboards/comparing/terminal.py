"""The report on a terminal: foreign texts cannot move the cursor or colour anything."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from harness.text import clean
from harness_leaderboards.comparing import texts
from harness_leaderboards.comparing.model import Comparison, Report
from harness_leaderboards.comparing.texts import Table

_CHANGES = 10


def terminal(report: Report) -> str:
    """Write a report as lines of text."""
    lines = [texts.headline(report), texts.counts(report), texts.how(report)]
    for one in report.comparisons:
        lines += ["", *_comparison(one)]
    if report.unfinished:
        lines += ["", *(texts.cut(line, 400) for line in report.unfinished)]
    lines += ["", texts.headline(report)]
    return "\n".join(clean(line) for line in lines)


def _comparison(one: Comparison) -> Iterator[str]:
    yield texts.title(one)
    yield texts.subtitle(one)
    yield from _lines(texts.figures(one), left=1)
    yield from texts.sentences(one)
    table = texts.comparability(one)
    if table.rows:
        yield from ("", *_lines(table, left=3))
    else:
        yield "compared runs differ in nothing that is recorded"
    yield from ("", *_lines(texts.performance(one), left=1))
    table, more = texts.changes(one, _CHANGES)
    if table.rows:
        yield from ("", *_lines(table, left=3))
        if more:
            yield f"... and {more} more changed samples (--json has them)"
        worst = one.changes[0]
        item = shlex.quote(texts.cut(worst.sample_id, 500))
        folder = shlex.quote(one.candidate_results)
        yield (
            f"look at one: harness results {worst.candidate_run} --item {item} --results {folder}"
        )


def _lines(table: Table, left: int) -> Iterator[str]:
    """A table with aligned columns; the first ones to the left."""
    cells = [[clean(cell) for cell in row] for row in (table.headers, *table.rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        texts_ = [
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(texts_).rstrip()
