"""A built board of a solve task as a table: one row for each method, model and section."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from harness_leaderboards.solve.model import SolveLeaderboard


def solve_table(board: SolveLeaderboard) -> Any:
    """The rows as a `pyarrow.Table`; only nullable columns are ever added."""
    import pyarrow as pa

    text, count, number = pa.string(), pa.int64(), pa.float64()
    columns = [
        *[(name, text) for name in ("board", "task", "task_version", "subset", "task_options")],
        *[("sample_limit", count), ("method", text), ("model", text)],
        *[("run_ids", pa.list_(text)), ("seeds", pa.list_(count))],
        *[(f"n_{name}", count) for name in ("scored", "planned", "failed")],
        *[("score", number), ("score_low", number), ("score_high", number)],
        *[("clusters", count), ("spread", pa.list_(number)), ("figures", pa.map_(text, number))],
        *[(name, number) for name in ("seconds", "input_tokens", "output_tokens", "money")],
        ("fit_seconds", number),
        *[(f"gain_{name}", count) for name in ("n", "clusters", "unpaired")],
        *[(f"gain_{name}", number) for name in ("difference", "low", "high", "p")],
        *[("gain_verdict", text), ("reason", text), ("setting", text), ("exposure", text)],
    ]
    return pa.Table.from_pylist(list(_rows(board)), pa.schema(columns))


def _rows(board: SolveLeaderboard) -> Iterator[dict[str, Any]]:
    for section in board.sections:
        setting = asdict(section.setting)
        kept = ("task_version", "subset", "task_options", "sample_limit")
        for row in section.rows:
            own = asdict(row)
            gain = own["gain"] or {}
            same = ("method", "model", "run_ids", "seeds", "n_scored", "n_planned", "n_failed")
            yield {
                "board": board.board.name,
                "task": board.board.task,
                **{name: setting[name] for name in kept},
                **{name: own[name] for name in (*same, "spread", "reason", "setting", "exposure")},
                "score": row.score.mean if row.score else None,
                "score_low": row.score.low if row.score else None,
                "score_high": row.score.high if row.score else None,
                "clusters": row.score.clusters if row.score else None,
                "figures": list(row.figures.items()),
                **own["cost"],
                **{f"gain_{name}": value for name, value in gain.items()},
            }
