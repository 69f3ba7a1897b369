"""The rows of a published run, one sample after another: what `ResultsStore.write_rows` takes.

A run's tables were written together, so that samples and traces stand in the same order and the
memory's rows follow it. Only a few samples are held at a time, however many there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.errors import ResultsError
from harness.results.store import ResultsStore, Rows

_ROWS_AT_ONCE = 100
_KEYS = ("sample_id", "repeat", "checkpoint", "stream_id", "step")
_PLACE = ("sample_id", "stream_id", "step")


def stored_rows(store: ResultsStore, task: str, run_id: str) -> Iterator[Rows]:
    """Read a published run's rows of samples, traces and memory, each sample's together.

    Raises:
        ResultsError: a table is missing or damaged, or they do not belong together.
    """
    partition = f"task={task}"
    samples = _rows(store.root / "samples" / partition / f"{run_id}.parquet")
    traces = _rows(store.root / "traces" / partition / f"{run_id}.parquet")
    memory = _rows(store.artifacts(run_id) / "memory.parquet")
    torn = ResultsError(
        f"the tables of run {run_id} in {store.root} do not belong together; restore them, or run "
        "again with --fresh."
    )
    ahead = next(memory, None)
    for sample in samples:
        trace = next(traces, None)
        if trace is None or any(sample[key] != trace[key] for key in _KEYS):
            raise torn
        changes = list[dict[str, Any]]()
        while ahead is not None and all(sample[key] == ahead[key] for key in _PLACE):
            changes.append(ahead)
            ahead = next(memory, None)
        yield sample, trace, changes
    if ahead is not None or next(traces, None) is not None:
        raise torn


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE):
                yield from batch.to_pylist()
    except FileNotFoundError as error:
        raise ResultsError(f"{path} is missing; restore it, or run again with --fresh.") from error
    except (OSError, pa.ArrowException) as error:
        raise ResultsError(
            f"{path} is damaged ({str(error).splitlines()[0]}); restore it, or run again with "
            "--fresh."
        ) from error
