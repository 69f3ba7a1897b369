"""A built board of an adapt task as a table: one row for each method and section."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from harness_leaderboards.adapt.model import AdaptLeaderboard


def adapt_table(board: AdaptLeaderboard) -> Any:
    """The rows as a `pyarrow.Table`; only nullable columns are ever added."""
    import pyarrow as pa

    text, count, number = pa.string(), pa.int64(), pa.float64()
    figures = pa.map_(text, number)
    columns = [
        *[(name, text) for name in ("board", "task", "task_version", "subset", "task_options")],
        *[(name, text) for name in ("model", "model_id", "model_revision", "content_hash")],
        *[("sample_limit", count), ("method", text)],
        *[("run_ids", pa.list_(text)), ("seeds", pa.list_(count))],
        *[(f"n_{name}", count) for name in ("scored", "planned", "failed", "invalid")],
        *[("accuracy", number), ("accuracy_low", number), ("accuracy_high", number)],
        *[("clusters", count), ("figures", figures), ("cells", figures)],
        *[(f"gain_{name}", count) for name in ("n", "clusters", "unpaired")],
        *[(f"gain_{name}", number) for name in ("difference", "low", "high", "p")],
        *[("gain_verdict", text), ("reason", text), ("order", text), ("adapts", text)],
    ]
    return pa.Table.from_pylist(list(_rows(board)), pa.schema(columns))


def _rows(board: AdaptLeaderboard) -> Iterator[dict[str, Any]]:
    for section in board.sections:
        for row in section.rows:
            own = asdict(row)
            gain = own["gain"] or {}
            same = ("method", "run_ids", "seeds", "n_scored", "n_planned", "n_failed", "n_invalid")
            yield {
                "board": board.board.name,
                "task": board.board.task,
                **asdict(section.setting),
                **{name: own[name] for name in (*same, "reason", "order", "adapts")},
                "accuracy": row.accuracy.mean if row.accuracy else None,
                "accuracy_low": row.accuracy.low if row.accuracy else None,
                "accuracy_high": row.accuracy.high if row.accuracy else None,
                "clusters": row.accuracy.clusters if row.accuracy else None,
                "figures": list(row.figures.items()),
                "cells": list(row.cells.items()),
                **{f"gain_{name}": value for name, value in gain.items()},
            }
