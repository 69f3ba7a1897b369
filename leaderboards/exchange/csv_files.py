"""Runs and samples as CSV: ``runs.csv`` and ``samples.csv``, a column for each metric."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

from harness.errors import ResultsError
from harness.results.schema import tables
from harness.results.store import ResultsStore
from harness_leaderboards.exchange.chosen import Exported
from harness_leaderboards.ranking.export import without_formula


def csv_files(runs: Sequence[Exported], store: ResultsStore) -> dict[str, bytes]:
    """The files by name.

    Runs whose samples cannot be read are left out of both and named among the problems of the
    store.
    """
    schema = tables()
    kept, samples = list[dict[str, Any]](), list[dict[str, Any]]()
    for one in runs:
        run_id = one.row["run_id"]
        try:
            frame = store.samples(one.row["task"], [run_id])
        except ResultsError as error:
            store.problems.append(f"left out run {run_id}: {error}")
            continue
        kept.append(one.row)
        samples += [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]
    return {
        "runs.csv": _file(schema.runs.names, kept),
        "samples.csv": _file(schema.samples.names, samples),
    }


def _file(names: Iterable[str], rows: Sequence[dict[str, Any]]) -> bytes:
    """The columns of a table, and one for each metric that any row has."""
    plain = [name for name in names if name != "metrics"]
    found = [dict(row["metrics"] or {}) for row in rows]
    metrics = sorted({name for one in found for name in one})
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*plain, *(without_formula(f"metric.{name}") for name in metrics)])
    for row, own in zip(rows, found, strict=True):
        cells = [_cell(row[name]) for name in plain]
        writer.writerow([*cells, *(_cell(own.get(name)) for name in metrics)])
    return buffer.getvalue().encode()


def _cell(value: Any) -> Any:
    if value is None or value != value:  # only NaN differs from itself
        return ""
    if isinstance(value, list | dict):
        return json.dumps(value)
    return without_formula(value) if isinstance(value, str) else value
