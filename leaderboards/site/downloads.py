"""The data of a board as files: all of it as JSON, and its pairs as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from harness_leaderboards.ranking.model import RankedBoard, RankedTable

_PAIR = ("difference", "low", "high", "p", "better")


def as_json(board: RankedBoard) -> str:
    """The whole board."""
    plain = {
        "board": board.board.model_dump(mode="json"),
        "tables": [_table(table) for table in board.tables],
        "unfinished": [asdict(one) for one in board.unfinished],
        "problems": list(board.problems),
    }
    return json.dumps(plain, ensure_ascii=True, allow_nan=False) + "\n"


def pairs_csv(board: RankedBoard) -> str:
    """A line for each pair of ranked methods."""
    lines: list[list[Any]] = [["table", "group", "method", "other", *_PAIR]]
    for table in board.tables:
        for pair in table.pairs:
            names = (table.rows[pair.row].method, table.rows[pair.column].method)
            figures = (getattr(pair, name) for name in _PAIR)
            lines.append([table.title, table.group, *names, *figures])
    return _csv(lines)


def _table(table: RankedTable) -> dict[str, Any]:
    """A table; its pairs, which may be very many, as lists under the names of their columns."""
    columns = ("row", "column", *_PAIR)
    rows = [[getattr(pair, name) for name in columns] for pair in table.pairs]
    return {
        **_plain(asdict(replace(table, pairs=()))),
        "pairs": {"columns": columns, "rows": _plain(rows)},
    }


def _csv(lines: Sequence[Sequence[Any]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(
        [[_inert(value) for value in line] for line in lines]
    )
    return buffer.getvalue()


def _inert(value: Any) -> Any:
    """No spreadsheet takes a foreign text for a formula."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value


def _plain(value: Any) -> Any:
    """What is no number in JSON is null."""
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
