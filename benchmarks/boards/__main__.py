"""What building a board of many sample rows costs, beside the same rows as JSON lines.

    python -m benchmarks.boards                      # 10 million rows: 200 runs of 50,000 samples
    python -m benchmarks.boards --runs 20 --samples 5000 --repeats 3

Rows are drawn, written as the results store writes them and once as JSON lines. In each repeat a
process of its own builds the ranked tables from the results folder, its imports included, and
another reads the JSON lines and averages the score of each run. The ratio is of the medians of wall
times; aims: at most 0.03, with under 2 GB of memory. Python's own json reads the lines, one after
another, as a script would.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

_BUILD = """
import json, sys, time
began, cpu = time.perf_counter(), time.process_time()
from harness.results.store import ResultsStore
from harness_leaderboards.boards import board_named
from harness_leaderboards.ranking.build import build_ranked
built = build_ranked(board_named("evo-memory"), ResultsStore(sys.argv[1]))
value = built.tables[0].rows[0].average.value
"""
_LINES = """
import json, sys, time
from pathlib import Path
began, cpu = time.perf_counter(), time.process_time()
sums, counts = {}, {}
for path in sorted(Path(sys.argv[1]).glob("*.jsonl")):
    with path.open() as lines:
        for line in lines:
            row = json.loads(line)
            run = row["run_id"]
            sums[run] = sums.get(run, 0.0) + row["score"]
            counts[run] = counts.get(run, 0) + 1
value = max(sums[run] / counts[run] for run in sums)
"""
_TELL = """
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({"wall": time.perf_counter() - began, "cpu": time.process_time() - cpu,
    "megabytes": int(peak.split()[1]) / 1e3, "value": value}))
"""


def main() -> None:
    """Draw, write, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.boards")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--samples", type=int, default=50_000, help="of each run")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--line-repeats", type=int, default=1, help="the lines take minutes")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results, lines = Path(folder, "results"), Path(folder, "lines")
        write(results, lines, given.runs, given.samples)
        ours = [_timed(_BUILD, results) for _ in range(given.repeats)]
        theirs = [_timed(_LINES, lines) for _ in range(given.line_repeats)]
    _print(given.runs * given.samples, ours, theirs)


def write(results: Path, lines: Path | None, runs: int, samples: int) -> None:
    """Draw the rows of ``runs`` methods on the same samples in 100 streams, and write them."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from harness.results.schema import tables

    schema, draw = tables(), np.random.default_rng(0)
    folder = results / "samples" / "task=evo-memory"
    for path in (results / "runs", folder, *([lines] if lines else [])):
        path.mkdir(parents=True, exist_ok=True)
    at = np.arange(samples)
    names = np.array([f"item-{one:06d}" for one in at])
    hashes = np.array([f"{one * 2654435761 % 2**48:012x}" for one in at])
    streams = np.array([f"stream-{one % 100:03d}" for one in at])
    empty = np.full(samples, "")
    for number in range(runs):
        run_id = f"01RUN{number:021d}"
        score = (draw.random(samples) < 0.3 + 0.4 * number / runs).astype(float)
        offsets = pa.array(np.arange(0, 2 * samples + 1, 2), pa.int32())
        metrics = pa.MapArray.from_arrays(
            offsets,
            pa.array(np.tile(["success", "steps"], samples)),
            pa.array(np.column_stack([score, np.ones(samples)]).ravel()),
        )
        columns = {
            **dict.fromkeys(("checkpoint", "group", "error_type", "error"), empty),
            "run_id": np.full(samples, run_id),
            "sample_id": names,
            "source_id": names,
            "sample_hash": hashes,
            "stream_id": streams,
            "repeat": np.zeros(samples, "i4"),
            "step": (at // 100).astype("i4"),
            "attempt": np.ones(samples, "i4"),
            "score": score,
            "metrics": metrics,
            "status": np.full(samples, "ok"),
            "input_tokens": draw.integers(50, 200, samples),
            "output_tokens": draw.integers(1, 50, samples),
            "latency_s": draw.random(samples),
            "extra": np.full(samples, "{}"),
        }
        arrays = [
            one if isinstance(one := columns[field.name], pa.Array) else pa.array(one, field.type)
            for field in schema.samples
        ]
        table = pa.table(arrays, schema=schema.samples)
        pq.write_table(table, folder / f"{run_id}.parquet", compression="zstd")
        row = _run_row(schema.runs.names, run_id, number, samples, float(score.mean()))
        pq.write_table(
            pa.Table.from_pylist([row], schema.runs), results / "runs" / f"{run_id}.parquet"
        )
        if lines:
            _write_lines(lines / f"{run_id}.jsonl", table)
        print(f"\rdrawn {number + 1} of {runs} runs", end="", file=sys.stderr)
    print(file=sys.stderr)


def _write_lines(path: Path, table: Any) -> None:
    with path.open("w") as file:
        for row in table.to_pylist():
            row["metrics"] = dict(row["metrics"])
            file.write(json.dumps(row) + "\n")


def _run_row(names: list[str], run_id: str, number: int, samples: int, score: float) -> Any:
    method = f"method-{number:03d}" if number else "baseline"
    return {
        **dict.fromkeys(names),
        "run_id": run_id,
        "work_key": run_id,
        "code_hash": "code",
        "schema_version": 1,
        "protocol": "stream",
        "task": "evo-memory",
        "task_version": "1",
        "subset": "reasoning",
        "task_options": "{}",
        "method": method,
        "method_parts": json.dumps([{"name": method}]),
        "model": "model",
        "model_id": "model",
        "order": "native",
        "data_seed": 0,
        "sample_seed": 0,
        "content_hash": "content",
        "n_planned": samples,
        "n_done": samples,
        "status": "complete",
        "metrics": [("score", score), ("success", score), ("steps", 1.0)],
    }


def _timed(code: str, folder: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", code + _TELL, str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    print(f"{folder.name}: {found['wall']:.2f} s", file=sys.stderr)
    return found


def _print(rows: int, ours: list[dict[str, float]], theirs: list[dict[str, float]]) -> None:
    versions = ", ".join(f"{one} {version(one)}" for one in ("method-harness", "duckdb", "pyarrow"))
    print(f"{rows:,} sample rows; {versions}, Python {platform.python_version()}")
    print(f"{'':22} {'wall s':>8} {'cpu s':>8} {'peak MB':>8}")
    for name, runs in (("ranked board", ours), ("JSON lines, averaged", theirs)):
        figures = [statistics.median(one[key] for one in runs) for key in _COLUMNS]
        print(f"{name:22} " + " ".join(f"{one:8.1f}" for one in figures))
    ratio, cpu = (
        statistics.median(one[key] for one in ours) / statistics.median(one[key] for one in theirs)
        for key in ("wall", "cpu")
    )
    print(f"ratio: {ratio:.4f} of the wall time, {cpu:.4f} of the processor time (aim: 0.03)")


_COLUMNS = ("wall", "cpu", "megabytes")

if __name__ == "__main__":
    main()
