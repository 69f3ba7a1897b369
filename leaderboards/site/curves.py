"""The charts of a run, by protocol: what happened along a stream, an edit, over corruptions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.errors import ResultsError
from harness.results.store import ResultsStore
from harness_leaderboards.measures import ROLLING_WINDOW
from harness_leaderboards.site.grids import Chart, ChartKind, Grid, GridCell, GridColumn, GridRow
from harness_leaderboards.site.samples import Samples
from harness_leaderboards.site.texts import figure, shown

if TYPE_CHECKING:
    import pandas as pd

_MOST_POINTS = 400
"""Most points of a line; of more, evenly spread ones are drawn, the last among them."""
_SHOWN_LINES = 6


def charts_of(
    row: Mapping[str, Any], samples: Samples, store: ResultsStore, first: Sequence[str]
) -> list[Chart]:
    """The charts of a run.

    Args:
        row: the run.
        samples: its samples, all of them.
        store: the folder with its memory and its checkpoints.
        first: metrics that its boards show, which are drawn before others.
    """
    made: dict[str, Callable[[], list[Chart]]] = {
        "stream": lambda: [*_learning(samples), *_memory(store, row["run_id"])],
        "edit": lambda: _trajectory(store, row["run_id"], first),
        "adapt": lambda: _corruptions(row["metrics"]),
        "solve": lambda: _groups(row["metrics"]),
    }
    return made.get(row["protocol"], list)()


def _learning(samples: Samples) -> list[Chart]:
    """Mean score over streams by step, cumulative and rolling."""
    by_step = defaultdict[int, list[float]](list)
    names = ("step", "score", "status")
    columns = (samples.table.column(name).to_pylist() for name in names)
    for step, score, status in zip(*columns, strict=True):
        if score is not None and status in ("ok", "failed"):
            by_step[step].append(score)
    if len(by_step) < 2:
        return []
    steps = sorted(by_step)
    means = [sum(by_step[step]) / len(by_step[step]) for step in steps]
    rows, total, count = list[GridRow](), 0.0, 0
    for place, step in enumerate(steps):
        total += sum(by_step[step])
        count += len(by_step[step])
        window = means[max(0, place + 1 - ROLLING_WINDOW) : place + 1]
        rolling = sum(window) / len(window) if len(window) == ROLLING_WINDOW else None
        rows.append(_numbers(step + 1, total / count, rolling, means[place], len(by_step[step])))
    headers = ("step", "cumulative", "rolling", "mean", "streams")
    grid = Grid("learning", "Learning curve", _columns(headers), _some(rows))
    text = (
        "Mean score up to each step, and over the last "
        f"{ROLLING_WINDOW} steps; mean over the streams that have the step."
    )
    return [
        Chart(
            *(ChartKind.LINES, "Learning curve", text, grid, "step"),
            *(("cumulative", "rolling"), "step", "score"),
        )
    ]


def _memory(store: ResultsStore, run_id: str) -> list[Chart]:
    """Entries of the memories by step, and what was done to them."""
    try:
        frame = store.memory(run_id)
    except ResultsError:
        return []
    if frame.empty:
        return []
    rows = _memory_rows(frame)
    headers = ("step", "entries", "added", "changed", "removed", "read", "pruned")
    grid = Grid("memory", "Memory timeline", _columns(headers), _some(rows))
    text = (
        "Entries after each step (mean over streams), of those written since the first; what was "
        "done to entries at the step, over all streams."
    )
    return [
        Chart(
            *(ChartKind.LINES, "Memory timeline", text, grid, "step"),
            *(("entries",), "step", "entries"),
        )
    ]


def _memory_rows(frame: pd.DataFrame) -> list[GridRow]:
    held = defaultdict[str, set[str]](set)
    done = defaultdict[int, dict[str, int]](lambda: defaultdict(int))
    sizes = dict[int, float]()
    ordered = frame.sort_values(["step"], kind="stable")
    streams = sorted(set(ordered["stream_id"].tolist()))
    names = ("stream_id", "step", "op", "entry_id")
    for stream, step, op, entry in zip(*(ordered[name].tolist() for name in names), strict=True):
        if op == "added":
            held[stream].add(entry)
        elif op == "removed":
            held[stream].discard(entry)
        done[step][op] += 1
        sizes[step] = sum(len(held[one]) for one in streams) / len(streams)
    operations = ("added", "changed", "removed", "read", "pruned")
    return [
        _numbers(step + 1, sizes[step], *(done[step][op] for op in operations))
        for step in sorted(done)
    ]


def _trajectory(store: ResultsStore, run_id: str, first: Sequence[str]) -> list[Chart]:
    """What an edit came to at each of its checkpoints, a line for each metric."""
    try:
        frame = store.checkpoints(run_id)
    except ResultsError:
        return []
    found: list[dict[str, Any]] = frame.sort_values(["step"], kind="stable").to_dict("records")
    if len(found) < 2:
        return []
    known = sorted({name for one in found for name in one["metrics"]})
    names = [one for one in dict.fromkeys(first) if one in known]
    names += [one for one in known if one not in names]
    rows = [
        GridRow(
            (
                GridCell(name),
                GridCell(str(one["step"]), float(one["step"])),
                GridCell(one["checkpoint"]),
                GridCell(figure(one["metrics"][name]), one["metrics"][name]),
            )
        )
        for name in names
        for one in found
        if name in one["metrics"]
    ]
    columns = (
        *(GridColumn("metric", "metric"), GridColumn("step", "step", True)),
        *(GridColumn("checkpoint", "checkpoint"), GridColumn("value", "value", True)),
    )
    grid = Grid("trajectory", "Unlearning trajectory", columns, tuple(rows))
    text = "Metrics along the edit; choose which are drawn below the chart."
    return [
        Chart(
            *(ChartKind.LINES, "Unlearning trajectory", text, grid, "step", ("value",)),
            *("step", "metric"),
            series="metric",
            visible=tuple(_lines(names, found)[:_SHOWN_LINES]),
        )
    ]


def _lines(names: Sequence[str], found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Metrics that more than one checkpoint has."""
    return [name for name in names if sum(name in one["metrics"] for one in found) > 1]


def _corruptions(metrics: Mapping[str, float]) -> list[Chart]:
    """Accuracy by corruption: lines over severities, bars where there is one severity."""
    found = dict[tuple[str, int], float]()
    for name, value in metrics.items():
        parts = name.split("/")
        if len(parts) == 3 and parts[0] == "accuracy" and parts[2].isascii() and parts[2].isdigit():
            found[parts[1], int(parts[2])] = value
    if not found:
        return []
    columns = (
        *(GridColumn("corruption", "corruption"), GridColumn("severity", "severity", True)),
        GridColumn("accuracy", "accuracy", True),
    )
    rows = tuple(
        GridRow((GridCell(name), GridCell(str(level), float(level)), _number(value)))
        for (name, level), value in sorted(found.items())
    )
    title = "Accuracy by corruption and severity"
    grid = Grid("corruptions", title, columns, rows)
    if len({level for _, level in found}) == 1:
        place = ("corruption", ("accuracy",), "corruption", "accuracy")
        return [Chart(ChartKind.BARS, title, "A bar for each corruption.", grid, *place)]
    place = ("severity", ("accuracy",), "severity", "accuracy")
    text = "A line for each corruption."
    return [Chart(ChartKind.LINES, title, text, grid, *place, series="corruption")]


def _groups(metrics: Mapping[str, float]) -> list[Chart]:
    """Accuracy by group of puzzles, such as their depth."""
    prefix = "accuracy/"
    found = {
        name.removeprefix(prefix): metrics[name] for name in metrics if name.startswith(prefix)
    }
    if len(found) < 2:
        return []
    columns = (GridColumn("group", "group"), GridColumn("accuracy", "accuracy", True))
    rows = tuple(GridRow((GridCell(name), _number(value))) for name, value in sorted(found.items()))
    grid = Grid("groups", "Accuracy by group", columns, rows)
    place = ("group", ("accuracy",), "group", "accuracy")
    return [
        Chart(ChartKind.BARS, "Accuracy by group", "A bar for each group of puzzles.", grid, *place)
    ]


def _columns(headers: Sequence[str]) -> tuple[GridColumn, ...]:
    return tuple(GridColumn(name, name, True) for name in headers)


def _numbers(*values: float | None) -> GridRow:
    return GridRow(tuple(_number(value) for value in values))


def _number(value: float | None) -> GridCell:
    if value is None:
        return GridCell("")
    text = f"{value:,}" if isinstance(value, int) else figure(value)
    return GridCell(shown(text), float(value))


def _some(rows: Sequence[GridRow]) -> tuple[GridRow, ...]:
    last = len(rows) - 1
    if last < _MOST_POINTS:
        return tuple(rows)
    places = sorted({round(last * one / (_MOST_POINTS - 1)) for one in range(_MOST_POINTS)})
    return tuple(rows[place] for place in places)
