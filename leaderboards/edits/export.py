"""A built board of an edit task as a table: one row for each method and section."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from harness_leaderboards.edits.model import EditLeaderboard


def edit_table(board: EditLeaderboard) -> Any:
    """The rows as a `pyarrow.Table`; only nullable columns are ever added."""
    import pyarrow as pa

    text, count, number = pa.string(), pa.int64(), pa.float64()
    figures = pa.map_(text, number)
    columns = [
        *[(name, text) for name in ("board", "task", "task_version", "subset", "task_options")],
        *[(name, text) for name in ("model", "model_id", "model_revision")],
        *[("sample_limit", count), ("method", text), ("base", text)],
        *[("run_ids", pa.list_(text)), ("seeds", pa.list_(count)), ("diverged", count)],
        *[("end", figures), ("end_low", figures), ("end_high", figures)],
        *[("kept_metric", text), ("levels", text), ("area", number)],
        *[("attacks", text), ("missing", text), ("step_seconds", number)],
        *[("peak_memory_bytes", count), ("preserved", number)],
        *[("failed", count), ("failures", text), ("unattacked", text), ("main_metric", text)],
        ("content_hashes", pa.list_(text)),
    ]
    return pa.Table.from_pylist(list(_rows(board)), pa.schema(columns))


def _rows(board: EditLeaderboard) -> Iterator[dict[str, Any]]:
    for section in board.sections:
        for row in section.rows:
            own = asdict(row)
            same = ("method", "base", "run_ids", "seeds", "step_seconds")
            yield {
                "board": board.board.name,
                "task": board.board.task,
                **asdict(section.setting),
                **{name: own[name] for name in (*same, "peak_memory_bytes", "preserved")},
                "end": [(name, one.mean) for name, one in row.end.items()],
                "end_low": [(name, one.low) for name, one in row.end.items()],
                "end_high": [(name, one.high) for name, one in row.end.items()],
                "kept_metric": section.kept_metric,
                "levels": json.dumps(own["levels"]),
                "area": row.area.mean if row.area else None,
                "attacks": json.dumps(own["attacks"]),
                "missing": json.dumps(own["missing"]),
                "diverged": sum(one.diverged for one in row.failures),
                "failed": sum(not one.diverged for one in row.failures),
                "failures": json.dumps(own["failures"]),
                "unattacked": json.dumps(own["unattacked"]),
                "main_metric": section.main or None,
                "content_hashes": [section.data[seed] for seed in row.seeds],
            }
