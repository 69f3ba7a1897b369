"""A ranked table as plain cells: ranks, figures and costs; and who beats whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness_leaderboards.boards import BoardSpec
from harness_leaderboards.boards.spec import Source
from harness_leaderboards.ranking.figures import ALPHA
from harness_leaderboards.ranking.model import Cell, Pair, RankedRow, RankedTable
from harness_leaderboards.render.numbers import (
    NOT_KNOWN,
    amount,
    interval,
    number,
    probability,
    signed_interval,
)
from harness_leaderboards.render.tables import TextTable

_Column = tuple[str, bool, Callable[[RankedRow], str]]
"""Header, whether it is numeric, and the text of a row."""


def ranking_table(spec: BoardSpec, table: RankedTable) -> TextTable:
    """Ranks, the primary metric with its interval, secondary figures, and costs."""
    columns = _columns(spec, table)
    return TextTable(
        title=f"{spec.title or spec.name}: {table.title}",
        headers=tuple(header for header, _, _ in columns),
        numeric=tuple(numeric for _, numeric, _ in columns),
        rows=tuple(tuple(cell(row) for _, _, cell in columns) for row in table.rows),
        caption=tuple(_caption(spec, table)),
    )


def wins_table(spec: BoardSpec, table: RankedTable) -> TextTable | None:
    """Every pair of ranked methods; None where there is none."""
    ranked = [row for row in table.rows if row.rank_low is not None]
    if len(ranked) < 2:
        return None
    return TextTable(
        title="Every pair of ranked methods",
        headers=("method", "than", "difference", "p", "is"),
        numeric=(False, False, True, True, False),
        rows=tuple(
            (
                _name(ranked[pair.row]),
                _name(ranked[pair.column]),
                signed_interval(pair.difference, pair.low, pair.high),
                probability(pair.p),
                _told(pair),
            )
            for pair in table.pairs
        ),
        caption=(
            f"Differences of {spec.metric.header} with simultaneous 95 % intervals; p: two-sided, "
            "labels swapped within units, adjusted for all pairs of the table at once (max-T).",
        ),
    )


def rank_text(row: RankedRow) -> str:
    """``1``, ``1-3``, or ``-`` where a method is not ranked."""
    if row.rank_low is None:
        return "-"
    same = row.rank_low == row.rank_high
    return str(row.rank_low) if same else f"{row.rank_low}-{row.rank_high}"


def _told(pair: Pair) -> str:
    return {1: "better", -1: "worse", 0: "not told apart"}[pair.better]


def _name(row: RankedRow) -> str:
    return f"{row.method} ({row.model})" if row.model else row.method


def _columns(spec: BoardSpec, table: RankedTable) -> list[_Column]:
    rows = table.rows
    columns: list[_Column] = [("rank", True, rank_text), ("method", False, lambda row: row.method)]
    if any(row.model for row in rows):
        columns.append(("model", False, lambda row: row.model))
    columns.append((spec.metric.header, True, lambda row: _value(row.average)))
    if len(table.subsets) > 1:
        columns += [
            (subset, True, lambda row, at=at: number(row.cells[at].value))
            for at, subset in enumerate(table.subsets)
        ]
    if spec.metric.of is Source.SAMPLES:
        columns.append(("n", True, lambda row: _count(row.average)))
    if any(row.average.n_failed for row in rows):
        columns.append(("failed", True, lambda row: f"{row.average.n_failed:,}"))
    columns.append(("seeds", True, lambda row: str(len(row.average.seeds))))
    for column in spec.columns:
        if any(column.metric in row.average.figures for row in rows):
            columns.append(
                (column.header, True, lambda row, at=column.metric: _figure(row.average, at))
            )
    return [*columns, *_costs(rows)]


def _costs(rows: Sequence[RankedRow]) -> list[_Column]:
    found = list[_Column]()
    costs = [row.average.cost for row in rows]
    if any(one.input_tokens or one.output_tokens for one in costs):
        found.append(("tokens", True, lambda row: amount(_tokens(row.average))))
    if any(one.seconds for one in costs):
        found.append(("seconds", True, lambda row: number(row.average.cost.seconds)))
    if any(one.memory_bytes for one in costs):
        found.append(("memory MB", True, lambda row: amount(_megabytes(row.average))))
    if any(one.money for one in costs):
        found.append(("cost", True, lambda row: number(row.average.cost.money, 4)))
    return found


def _tokens(cell: Cell) -> float | None:
    cost = cell.cost
    if cost.input_tokens is None or cost.output_tokens is None:
        return None
    return cost.input_tokens + cost.output_tokens


def _megabytes(cell: Cell) -> float | None:
    return None if cell.cost.memory_bytes is None else cell.cost.memory_bytes / 1e6


def _value(cell: Cell) -> str:
    if cell.value is None and cell.expected > 1:
        return f"{cell.present} of {cell.expected} subsets"
    return interval(cell.value, cell.low, cell.high)


def _count(cell: Cell) -> str:
    return f"{cell.n:,}" if cell.n == cell.n_planned else f"{cell.n:,} of {cell.n_planned:,}"


def _figure(cell: Cell, metric: str) -> str:
    value = cell.figures.get(metric)
    return NOT_KNOWN if value is None else number(value) if abs(value) < 1000 else amount(value)


def _of_interval(spec: BoardSpec, kind: str) -> str:
    wilson = ", Wilson's where each is solved or not" if spec.metric.equal_sources else ""
    return f"{spec.metric.header}: with its 95 % t interval over {kind}s{wilson}."


def _caption(spec: BoardSpec, table: RankedTable) -> list[str]:
    kind = "seed" if spec.metric.of is Source.RUNS else spec.metric.cluster.value
    better = "higher" if spec.metric.higher_is_better else "lower"
    units = f"{table.units} {kind}{'' if table.units == 1 else 's'}"
    sentences = [
        f"rank: the ranks that {units} leave possible, all at once with 95 % confidence "
        f"(smallest attainable p {probability(table.smallest_p)}); {better} is better."
        if table.units
        else "rank: no method has one here."
    ]
    sentences.append(_of_interval(spec, kind))
    if table.pairs:
        sentences.append(
            "p of a pair: corrected for all pairs at once (max-T; Bonferroni for trained methods); "
            f"gains in detailed tables are against {spec.baseline} alone, corrected after Holm."
        )
    sentences += [
        f"{_name(row)}: not ranked, {row.unranked}." for row in table.rows if row.unranked
    ]
    if any(row.rank_low != row.rank_high for row in table.rows) and table.smallest_p < ALPHA:
        sentences.append("Methods whose ranks overlap are not told apart by these samples.")
    return [*sentences, *table.notes]
