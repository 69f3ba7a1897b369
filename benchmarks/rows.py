"""From executions to the rows of the table: medians, ratios to the harness, targets.

A ratio is the harness's median divided by the median of the row's tool, or by an ideal. Where a
command was killed for taking too long, what it had used by then is a lower bound of its cost, so
the ratio is an upper bound: a target that it meets is met, another is left open.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from benchmarks.driver import Run

CPU_PER_SAMPLE = {"lm-eval": 0.33, "inspect": 0.05}
"""Most that the harness may cost as a share of another's processor time for a sample ..."""
CPU_TO_FIRST = {"lm-eval": 0.15, "inspect": 0.30}
"""... and from the start to the first request."""
WALL_OF_IDEAL = 2.0
STREAMS_OF_IDEAL = 3.0
PEAK_MB = 200.0


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    measure: str
    tool: str
    values: tuple[float, ...] = ()
    """One for each repeat."""
    at_least: bool = False
    """The values are lower bounds."""
    text: str = ""
    """What to say in place of values."""
    ratio: float | None = None
    """The harness divided by this row."""
    ratio_interval: tuple[float, float] | None = None
    """Its 95 % interval, where the executions are paired."""
    target: str = ""
    met: bool | None = None
    """None where there is no target, or nothing to compare."""

    @property
    def median(self) -> float | None:
        """The middle value."""
        return statistics.median(self.values) if self.values else None


@dataclass(frozen=True)
class Measured:
    """The values of one tool."""

    values: tuple[float, ...]
    """Empty where it was killed before there was one."""
    at_least: bool = False

    @property
    def median(self) -> float | None:
        return statistics.median(self.values) if self.values else None


Measure = Callable[[str], Measured | None]
"""The values of a tool by its name; None where it was not run."""


@dataclass(frozen=True)
class Table:
    """Rows of the executions that there are."""

    runs: Sequence[Run]
    labels: dict[str, str]
    """How each tool is called in the table, by its name, in the order of the rows."""
    missing: Mapping[str, str] = field(default_factory=dict[str, str])
    """Why a tool was not run at all, by its name."""

    def of(
        self, work: str, read: Callable[[Run], float | None], *, cut_short: bool = True
    ) -> Measure:
        """Read one number of each execution of a piece of work.

        Args:
            cut_short: whether the number would have grown, had the command not been killed.
        """

        def measure(tool: str) -> Measured | None:
            found = [one for one in self.runs if (one.tool, one.work) == (tool, work)]
            values = [value for one in found if (value := read(one)) is not None]
            killed = cut_short and any(one.killed for one in found)
            return Measured(tuple(values), killed) if found else None

        return measure

    def slope_ms(self, small: str, large: str) -> Measure:
        """Processor time for each further sample between two sizes, by repeat, in milliseconds."""

        def measure(tool: str) -> Measured | None:
            found = {(one.work, one.repeat): one for one in self.runs if one.tool == tool}
            values, killed = list[float](), False
            for (work, repeat), more in found.items():
                fewer = found.get((small, repeat))
                if work != large or fewer is None or fewer.killed:
                    continue
                cost = (more.cpu_s - fewer.cpu_s) / (more.samples - fewer.samples)
                values.append(cost * 1000)
                killed = killed or more.killed
            return Measured(tuple(values), killed) if found else None

        return measure

    def compare(
        self,
        title: str,
        measure: Measure,
        tools: Sequence[str],
        limits: Mapping[str, float] | None = None,
    ) -> list[Row]:
        """A row for each tool, with the ratio to it and the most that the ratio may be."""
        mine, rows = measure("harness"), list[Row]()
        for tool in tools:
            found, limit = measure(tool), (limits or {}).get(tool)
            ratio = None if tool == "harness" else _ratio(mine, found)
            rows.append(
                Row(
                    title,
                    self.labels[tool],
                    found.values if found else (),
                    at_least=bool(found and found.at_least),
                    text=self._why_none(tool, found),
                    ratio=ratio,
                    target="" if limit is None else f"<= {limit:g}",
                    met=_met(mine, found, ratio, limit),
                )
            )
        return rows

    def _why_none(self, tool: str, found: Measured | None) -> str:
        if found is None:
            return self.missing.get(tool, "cannot express it")
        return "" if found.values else "killed too early"

    def against_ideal(
        self, title: str, measure: Measure, tools: Sequence[str], ideal: float, limit: float
    ) -> list[Row]:
        """The ideal with its target, then a row for each tool."""
        mine, best = measure("harness"), Measured((ideal,))
        ratio = _ratio(mine, best)
        met = _met(mine, best, ratio, limit)
        first = Row(title, "ideal", (ideal,), ratio=ratio, target=f"<= {limit:g}", met=met)
        return [first, *self.compare(title, measure, tools)]


def without_ratios(rows: Sequence[Row]) -> list[Row]:
    """The same rows where a ratio would mean nothing."""
    return [replace(row, ratio=None) for row in rows]


def bounded(rows: Sequence[Row], tool: str, limit: float, *, at_least: bool = False) -> list[Row]:
    """The same rows, with a target for the median of one tool: at most, or at least, `limit`."""
    sign = ">=" if at_least else "<="

    def with_target(row: Row) -> Row:
        if row.tool != tool or row.median is None:
            return row
        good = row.median >= limit if at_least else row.median <= limit
        # A lower bound says that a number is large, never that it is small.
        open_yet = row.at_least and good != at_least
        return replace(row, target=f"{sign} {limit:g}", met=None if open_yet else good)

    return [with_target(row) for row in rows]


def _ratio(mine: Measured | None, other: Measured | None) -> float | None:
    """A ratio of costs; None where one of them drowned in noise."""
    if mine is None or other is None or mine.median is None or other.median is None:
        return None
    return mine.median / other.median if mine.median > 0 < other.median else None


def _met(
    mine: Measured | None, other: Measured | None, ratio: float | None, limit: float | None
) -> bool | None:
    """Whether a ratio meets its target; None where bounds leave it open."""
    if mine is None or other is None or ratio is None or limit is None:
        return None
    if mine.at_least:
        return None if ratio <= limit or other.at_least else False
    return True if ratio <= limit else None if other.at_least else False
