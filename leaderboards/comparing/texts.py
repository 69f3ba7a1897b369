"""The report's tables and sentences, before any of them is made safe for a medium.

Texts here may hold foreign names: every renderer escapes all of them in its own way.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.statistics import Verdict
from harness_leaderboards.comparing.model import Comparison, Figures, Policy, Report
from harness_leaderboards.render.numbers import NOT_KNOWN, amount, number, probability, signed

WORDS = {
    Verdict.REGRESSED: "REGRESSED",
    Verdict.NOT_WORSE: "not worse",
    Verdict.IMPROVED: "improved",
    Verdict.INCONCLUSIVE: "INCONCLUSIVE",
}
MOST = 200
"""Letters of a foreign text that are shown."""
HEADERS = (
    *("", "n", "baseline", "candidate", "difference", "p", "adj. p", "better/same/worse"),
    *("fixed/broken", "missing", "clusters", "smallest p", "detectable", "verdict"),
)


@dataclass(frozen=True)
class Table:
    """Headers and rows of texts."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def cut(text: str, most: int = MOST) -> str:
    """A foreign text, shortened: one of a megabyte hides the rest of a report."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def headline(report: Report) -> str:
    """The verdict in one line."""
    sides = f"candidate {cut(report.candidate)} against baseline {cut(report.baseline)}"
    return f"{WORDS[report.verdict]}: {sides}"


def counts(report: Report) -> str:
    """What became of the items."""
    found = report.counts
    words = ("better", "same", "worse", "not comparable", "missing")
    return ", ".join(f"{n} {word}" for n, word in zip(found.values(), words, strict=True))


def how(report: Report) -> str:
    """How it was decided."""
    rules = report.rules
    if rules.policy is Policy.STRICT:
        text = "policy strict: any loss beyond rounding and any missing item is a regression"
    else:
        text = (
            f"policy significant: regressed is a loss that is significant at {rules.alpha:g} after "
            "correction and beyond the smallest that matters"
        )
    if rules.allow:
        text += f"; allowed: {', '.join(sorted(rules.allow))}"
    return text


def title(one: Comparison) -> str:
    """What was compared."""
    return " · ".join(cut(text) for text in (one.task, one.method, one.setting) if text)


def subtitle(one: Comparison) -> str:
    """The metric, its direction, and what matters of it."""
    which = "higher" if one.higher_is_better else "lower"
    return (
        f"{cut(one.metric)}, {which} is better; differences up to {one.min_effect:g} do not "
        f"matter; {one.total.test or 'nothing was tested'}"
    )


def figures(one: Comparison) -> Table:
    """The task and its subsets."""
    rows = [_row("all", one.total), *(_row(some.name, some) for some in one.subsets)]
    return Table(HEADERS, tuple(rows))


def _row(name: str, one: Figures) -> tuple[str, ...]:
    digits = 2 if max(abs(one.baseline or 0), abs(one.candidate or 0)) < 100 else 0
    ends = (one.low, one.high)
    interval = "n/a" if None in ends else f"{_signed(one.low)}, {_signed(one.high)}"
    flips = NOT_KNOWN if one.fixed is None else f"{one.fixed}/{one.broken}"
    return (
        cut(name),
        str(one.n),
        number(one.baseline, digits + 1),
        number(one.candidate, digits + 1),
        f"{_signed(one.difference)} [{interval}]",
        _probability(one.p),
        _probability(one.adjusted_p),
        f"{one.better}/{one.same}/{one.worse}",
        flips,
        str(one.missing),
        str(one.clusters),
        _probability(one.smallest_p),
        number(one.detectable, 3),
        WORDS[one.verdict],
    )


def _signed(value: float | None) -> str:
    """A difference; one that would be shown as zero and is none, by its size."""
    tiny = value is not None and 0 < abs(value) < 0.0005
    return f"{value:+.0e}" if tiny else signed(value, 3)


def _probability(value: float | None) -> str:
    return NOT_KNOWN if value is None else probability(value)


def sentences(one: Comparison) -> list[str]:
    """What a reader has to know beside the figures."""
    found = list[str]()
    for some in (one.total, *one.subsets):
        if some.reason:
            found.append(f"{cut(some.name) or 'all'}: {some.reason}")
    for count, what in (
        (one.changed_content, "items have another content on the two sides"),
        (one.extra, "items are only on the candidate"),
        (one.left_out, "items have no score on the baseline"),
    ):
        if count:
            found.append(f"{count} {what}: not compared")
    if any(one.failed):
        total = one.total
        found.append(
            f"failed samples: {one.failed[0]} on the baseline, {one.failed[1]} on the candidate; "
            "they count with the worst score; without them "
            f"{number(total.baseline_ok, 3)} and {number(total.candidate_ok, 3)}"
        )
    return [*found, *map(cut, one.notes)]


def comparability(one: Comparison) -> Table:
    """In what the compared runs differ."""
    rows = tuple(
        (cut(some.name), cut(some.baseline, 80), cut(some.candidate, 80), str(some.pairs))
        for some in one.differences
    )
    return Table(("differs", "baseline", "candidate", "pairs"), rows)


def performance(one: Comparison) -> Table:
    """What a sample costs."""
    rows = tuple(
        (
            some.name,
            amount(some.baseline),
            amount(some.candidate),
            f"x{some.ratio:.2f}" if some.ratio is not None else f"not compared: {some.why_not}",
        )
        for some in one.performance
    )
    return Table(("median", "baseline", "candidate", "ratio"), rows)


def changes(one: Comparison, most: int) -> tuple[Table, int]:
    """Changed samples, worst first, and how many more there are."""
    rows = tuple(
        (
            cut(some.subset),
            cut(some.sample_id),
            cut(some.column),
            number(some.baseline),
            number(some.candidate),
            some.baseline_run,
            some.candidate_run,
        )
        for some in one.changes[:most]
    )
    headers = (
        "subset",
        "sample",
        "order",
        "baseline",
        "candidate",
        "baseline run",
        "candidate run",
    )
    return Table(headers, rows), max(0, len(one.changes) - most) + one.more_changes
