"""Runs as pages: everything their row says, their metrics, charts and samples."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from harness.results.schema import tables
from harness.results.store import ResultsStore
from harness_leaderboards.site.grids import (
    Chart,
    Grid,
    GridCell,
    GridColumn,
    GridRow,
    count_cell,
    without_empty,
)
from harness_leaderboards.site.names import Places
from harness_leaderboards.site.samples import ROWS_PER_CHUNK, TEXTS_PER_CHUNK, Samples
from harness_leaderboards.site.texts import LONGEST_BLOCK, figure

_HEAD = ("status", "task", "subset", "method", "model", "order", "started_at", "wall_s")
_BLOCKS = (
    *("task_options", "method_parts", "sampling", "data", "versions", "engine_settings"),
    *("engine_options", "protocol_settings"),
)
"""Columns that hold JSON."""
_NOT_FIELDS = ("metrics", "argv", *_HEAD, *_BLOCKS)


@dataclass(frozen=True)
class Field:
    """A named fact."""

    name: str
    text: str


@dataclass(frozen=True)
class RunPage:
    """What the page of a run shows."""

    run_id: str
    head: tuple[Field, ...]
    fields: tuple[Field, ...]
    blocks: tuple[Field, ...]
    metrics: Grid
    charts: tuple[Chart, ...]
    samples: Samples
    chunks: str
    rows_per_chunk: int
    texts_per_chunk: int
    file: str
    command: str
    protocol: str
    method: str
    task: str
    subset: str


def read_runs(store: ResultsStore, tasks: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of all published runs of some tasks, as plain values, by id."""
    whole = {field.name for field in tables().runs if str(field.type).startswith("int")}
    frame = store.run_rows()
    records: list[dict[str, Any]] = frame.to_dict("records")
    rows = [
        {name: _value(value, name in whole) for name, value in record.items()}
        for record in records
        if record["task"] in tasks
    ]
    return sorted(rows, key=lambda row: row["run_id"])


def run_page(
    row: Mapping[str, Any],
    samples: Samples,
    charts: Sequence[Chart],
    places: Places,
    store: ResultsStore,
) -> RunPage:
    """Lay out a run."""
    run_id = row["run_id"]
    others = [name for name in tables().runs.names if name not in _NOT_FIELDS]
    return RunPage(
        run_id=run_id,
        head=tuple(Field(name, _said(row[name])) for name in _HEAD),
        fields=tuple(Field(name, _said(row[name])) for name in others if _said(row[name])),
        blocks=(*_blocks(row), *_spec(store, run_id)),
        metrics=_metrics(row["metrics"]),
        charts=tuple(charts),
        samples=samples,
        chunks=places.chunks(run_id),
        rows_per_chunk=ROWS_PER_CHUNK,
        texts_per_chunk=TEXTS_PER_CHUNK,
        file=f"samples/task={row['task']}/{run_id}.parquet",
        command=command_of(row["argv"]),
        protocol=row["protocol"] or "",
        method=row["method"] or "",
        task=row["task"] or "",
        subset=row["subset"] or "",
    )


def runs_grid(
    rows: Sequence[Mapping[str, Any]], places: Places, *, grid_id: str, caption: str, method: bool
) -> Grid:
    """A list of runs."""
    columns = [
        *(GridColumn("run", "run"), GridColumn("method", "method"), GridColumn("task", "task")),
        *(GridColumn("subset", "subset"), GridColumn("model", "model")),
        *(GridColumn("order", "order"), GridColumn("seed", "seed", True)),
        *(GridColumn("status", "status"), GridColumn("score", "score", True)),
        *(GridColumn("n", "n", True), GridColumn("failed", "failed", True)),
        *(GridColumn("started", "start (UTC)"), GridColumn("code", "code")),
    ]
    lines = [_run_cells(row, places) for row in rows]
    if not method:
        columns = [one for one in columns if one.key != "method"]
        lines = [(line[0], *line[2:]) for line in lines]
    kept, cells = without_empty(columns, lines)
    return Grid(
        grid_id, caption, kept, tuple(GridRow(line) for line in cells), tools=len(cells) > 5
    )


def command_of(argv: str | None) -> str:
    """The command that made a run, as it is typed."""
    try:
        words = json.loads(argv or "[]")
    except ValueError:
        return ""
    if not isinstance(words, list) or not words:
        return ""
    return shlex.join(["harness", *(str(word) for word in words[1:])])[:LONGEST_BLOCK]


def _run_cells(row: Mapping[str, Any], places: Places) -> tuple[GridCell, ...]:
    seed = row["sample_seed"] if row["train_seed"] is None else row["train_seed"]
    score = row["metrics"].get("score")
    done = f"{row['n_done']:,}"
    if row["n_done"] != row["n_planned"]:
        done += f" of {row['n_planned']:,}"
    return (
        GridCell(row["run_id"], href=places.run(row["run_id"])),
        GridCell(row["method"] or "", href=places.method(row["method"])),
        GridCell(row["task"], href=places.task(row["task"])),
        GridCell(row["subset"] or ""),
        GridCell(row["model"] or ""),
        GridCell(row["order"] or ""),
        GridCell("") if seed is None else GridCell(str(seed), float(seed)),
        GridCell(row["status"] or ""),
        GridCell(figure(score), score),
        GridCell(done, float(row["n_done"])),
        count_cell(row["n_failed"] or 0) if row["n_failed"] else GridCell(""),
        GridCell(_said(row["started_at"])),
        GridCell((row["code_hash"] or "")[:8]),
    )


def _metrics(metrics: Mapping[str, float]) -> Grid:
    columns = (GridColumn("metric", "metric"), GridColumn("value", "value", True))
    rows = tuple(
        GridRow((GridCell(name), GridCell(figure(metrics[name]), metrics[name])))
        for name in sorted(metrics)
    )
    return Grid("metrics", "Metrics", columns, rows, tools=len(rows) > 10)


def _blocks(row: Mapping[str, Any]) -> list[Field]:
    found = list[Field]()
    for name in _BLOCKS:
        text = row[name] or ""
        if text in ("", "{}", "[]"):
            continue
        try:
            pretty = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
        except (ValueError, RecursionError):
            pretty = text
        found.append(Field(name, pretty))
    return found


def _spec(store: ResultsStore, run_id: str) -> list[Field]:
    """The resolved spec, as it lies among the run's artifacts."""
    path = store.artifacts(run_id) / "spec.yaml"
    inside = path.resolve().is_relative_to(store.root.resolve())
    if not inside or not path.is_file():  # no link that leads out, no pipe
        return []
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return [Field("spec", file.read(LONGEST_BLOCK + 1))]
    except OSError:
        return []


def _value(value: Any, is_whole: bool) -> Any:
    """A plain value: what pandas makes of a missing one is None again."""
    if isinstance(value, dict):
        return value
    if value is None or value != value:  # NaN and NaT equal nothing
        return None
    if is_whole:
        return int(value)
    return value.to_pydatetime() if hasattr(value, "to_pydatetime") else value


def _said(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    if isinstance(value, float):
        return figure(value) if math.isfinite(value) else ""
    return str(value)
