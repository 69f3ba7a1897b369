"""The report as GitHub-flavoured markdown, for a pull request. Foreign texts are escaped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

from harness_leaderboards.comparing import texts
from harness_leaderboards.comparing.model import Comparison, Report
from harness_leaderboards.comparing.texts import Table
from harness_leaderboards.render.markdown import escape as _escape

_CHANGES = 20
_ALIVE = re.compile(r"(@|#|:(?=//)|www(?=\.))")
"""What a forge turns into a mention, a reference or a link, even where it is escaped."""


def markdown(report: Report, site: str = "") -> str:
    """Write a report.

    Args:
        report: the report.
        site: where the pages of the results are served; samples link into it. Empty: no links.
    """
    parts = [f"## {escape(texts.headline(report))}", escape(texts.counts(report))]
    parts.append(escape(texts.how(report)))
    for one in report.comparisons:
        parts += _comparison(one, site)
    if report.unfinished:
        parts.append("\n".join(f"- {escape(texts.cut(line, 400))}" for line in report.unfinished))
    return "\n\n".join(parts) + "\n"


def _comparison(one: Comparison, site: str) -> Iterator[str]:
    yield f"### {escape(texts.title(one))}"
    yield escape(texts.subtitle(one))
    yield _table(texts.figures(one))
    sentences = texts.sentences(one)
    if sentences:
        yield "\n".join(f"- {escape(line)}" for line in sentences)
    table, more = texts.changes(one, _CHANGES)
    if table.rows:
        rows = _linked(one, table, site)
        note = f"\n\n{more} more are in the JSON." if more else ""
        yield _folded("Changed samples, worst first", f"{rows}{note}")
    table = texts.comparability(one)
    yield _folded("What differs between the runs", _table(table) if table.rows else "nothing")
    yield _folded("Cost of a sample", _table(texts.performance(one)))


def escape(text: str) -> str:
    """Make a text show as itself in a comment: no tag, no link, nobody mentioned."""
    return _ALIVE.sub(r"\1<!-- -->", _escape(text))


def sample_link(site: str, run_id: str, sample_id: str) -> str:
    """Where the page of a run shows a sample."""
    page = f"run/{quote(run_id, safe='')}.html#sample={quote(sample_id, safe='')}"
    return f"{site.rstrip('/')}/{page}"


def _linked(one: Comparison, table: Table, site: str) -> str:
    """Changed samples, each with a link to both of its traces."""
    lines = _heading(table)
    for row, change in zip(table.rows, one.changes, strict=False):
        cells = [escape(cell) for cell in row]
        if site:
            # The site's address is the user's own; what is foreign in a link is quoted.
            for place, run_id in ((5, change.baseline_run), (6, change.candidate_run)):
                link = sample_link(site, run_id, texts.cut(change.sample_id, 500))
                cells[place] = f"[{cells[place]}](<{link}>)"
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _table(table: Table) -> str:
    return "\n".join(
        [*_heading(table), *(f"| {' | '.join(map(escape, row))} |" for row in table.rows)]
    )


def _heading(table: Table) -> list[str]:
    return [f"| {' | '.join(map(escape, table.headers))} |", "|" + " --- |" * len(table.headers)]


def _folded(summary: str, body: str) -> str:
    return f"<details><summary>{escape(summary)}</summary>\n\n{body}\n\n</details>"
