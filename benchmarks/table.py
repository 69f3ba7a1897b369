"""Print rows as one table, and write them with every execution as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.driver import Run
from benchmarks.rows import Row
from benchmarks.vllm_serving import Turn

_HEADING = ("measure", "tool", "median (min - max)", "harness / it", "target", "")


def table_text(rows: Iterable[Row]) -> str:
    """The table; a measure is named on its first row only."""
    lines, previous = [_HEADING], ""
    for row in rows:
        lines.append((row.measure if row.measure != previous else "", *_cells(row)))
        previous = row.measure
    widths = [max(len(line[n]) for line in lines) for n in range(len(_HEADING))]
    texts = []
    for line in lines:
        left = [line[n].ljust(widths[n]) for n in (0, 1)]
        right = [line[n].rjust(widths[n]) for n in (2, 3, 4)]
        texts.append("  ".join([*left, *right, line[5]]).rstrip())
    return "\n".join(texts)


def _cells(row: Row) -> tuple[str, ...]:
    sign = "> " if row.at_least else ""
    value = row.text
    if row.median is not None:
        value = f"{sign}{number(row.median)}"
        if len(row.values) > 1:
            value += f" ({number(min(row.values))} - {number(max(row.values))})"
    below = "< " if row.at_least else ""
    ratio = "" if row.ratio is None else f"{below}{number(row.ratio)}"
    if row.ratio_interval:
        low, high = row.ratio_interval
        ratio += f" [{number(low)}, {number(high)}]"
    verdict = {True: "met", False: "NOT MET", None: ""}[row.met]
    if row.target and row.met is None:
        verdict = "not known"
    return (row.tool, value, ratio, row.target, verdict)


def number(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value == 0:
        return "0"
    places = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{places}f}"


def write_json(
    path: Path,
    rows: Sequence[Row],
    runs: Sequence[Run],
    *,
    versions: Mapping[str, Any],
    options: Mapping[str, Any],
    serving: Sequence[Turn],
) -> None:
    """Write everything that was measured."""
    document = {
        "machine": {
            "system": platform.platform(),
            "python": platform.python_version(),
            "cpus": os.cpu_count(),
            "cpus_usable": len(os.sched_getaffinity(0)),
        },
        "versions": dict(versions),
        "options": dict(options),
        "rows": [{**asdict(row), "median": row.median} for row in rows],
        "runs": [asdict(run) for run in runs],
        "serving": [asdict(one) for one in serving],
    }
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
