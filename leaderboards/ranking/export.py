"""Ranked tables as data: one row for each table, method and subset, and one for the average."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from harness_leaderboards.ranking.model import Cell, RankedBoard, RankedRow, RankedTable

_COUNTS = ("n", "n_planned", "n_failed", "n_invalid", "clusters", "present", "expected")
_COSTS = ("input_tokens", "output_tokens", "seconds", "memory_bytes", "money")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def ranking_schema() -> Any:
    """Columns of the parquet file, a `pyarrow.Schema`; only nullable ones are ever added."""
    import pyarrow as pa

    text, count, number = pa.string(), pa.int64(), pa.float64()
    return pa.schema(
        [
            *[(name, text) for name in ("board", "task", "metric", "baseline")],
            ("higher_is_better", pa.bool_()),
            *[("group", text), ("title", text), ("setting", pa.map_(text, text))],
            *[("subset", text), ("method", text), ("model", text)],
            *[("rank_low", count), ("rank_high", count), ("unranked", text)],
            *[("value", number), ("low", number), ("high", number)],
            *[(name, count) for name in _COUNTS],
            *[("seeds", pa.list_(count)), ("spread", pa.list_(number))],
            ("figures", pa.map_(text, number)),
            *[(name, number) for name in _COSTS],
            ("run_ids", pa.list_(text)),
        ]
    )


def ranking_rows(board: RankedBoard) -> Iterator[dict[str, Any]]:
    """The rows, in the order of tables, methods and subsets; the average has subset ``""``."""
    for table in board.tables:
        for row in table.rows:
            cells = row.cells if len(row.cells) == 1 else (row.average, *row.cells)
            for cell in cells:
                yield _row(board, table, row, cell)


def ranking_table_of(board: RankedBoard) -> Any:
    """The rows as a `pyarrow.Table`."""
    import pyarrow as pa

    return pa.Table.from_pylist(list(ranking_rows(board)), ranking_schema())


def ranking_csv(board: RankedBoard) -> str:
    """The rows as CSV: a column for each secondary figure, lists separated by spaces.

    Texts that a spreadsheet would take for a formula begin with an apostrophe.
    """
    figures = [column.metric for column in board.board.columns]
    names = [name for name in ranking_schema().names if name != "figures"]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*names, *figures])
    for row in ranking_rows(board):
        own = dict(row["figures"])
        writer.writerow([*(_plain(row[name]) for name in names), *map(own.get, figures)])
    return buffer.getvalue()


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        pairs: list[Any] = value
        return " ".join(
            "=".join(map(str, one)) if isinstance(one, tuple) else str(one) for one in pairs
        )
    return without_formula(value) if isinstance(value, str) else value


def without_formula(text: str) -> str:
    """A text that no spreadsheet takes for a formula: an apostrophe before what looks like one."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _row(board: RankedBoard, table: RankedTable, row: RankedRow, cell: Cell) -> dict[str, Any]:
    spec = board.board
    average = cell is row.average
    return {
        "board": spec.name,
        "task": spec.task,
        "metric": spec.metric.name,
        "baseline": spec.baseline,
        "higher_is_better": spec.metric.higher_is_better,
        "group": table.group,
        "title": table.title,
        "setting": list(table.setting.items()),
        "subset": cell.subset,
        "method": row.method,
        "model": row.model,
        "rank_low": row.rank_low if average else None,
        "rank_high": row.rank_high if average else None,
        "unranked": row.unranked,
        **{name: getattr(cell, name) for name in ("value", "low", "high", *_COUNTS)},
        "seeds": list(cell.seeds),
        "spread": list(cell.spread),
        "figures": list(cell.figures.items()),
        **asdict(cell.cost),
        "run_ids": list(cell.run_ids),
    }
