"""Shared by the tests of the adapt protocol: the command here, and in one that is killed.

The world is that of scikit-learn's digits: 20 of them clean, then under contrast and under fog, in
batches of 5, which makes 12 batches; the model is taught in seconds, once.
"""

from __future__ import annotations

import json
import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import edits
import pytest
from edits import Done, command, one_cache

MODEL = ("--model", "tiny-digits")
DIGITS = ("-T", "data=digits", *MODEL)
SMALL = (*DIGITS, "--limit", "20", "-T", "batch_size=5", "-T", "corruptions=contrast,fog")

PRELOADED = (
    *("pandas", "torch", "PIL.Image", "cv2", "sklearn.datasets", "harness.cli", "harness.commands"),
    *("harness.executors", "harness.adapting.work", "harness_tasks.imagenet_c.digits"),
    *("harness_tasks.imagenet_c.corruptions.corrupt", "harness.results.store"),
    *("harness_tasks.imagenet_c.task", "harness.progress", "harness.statistics", "pyarrow.parquet"),
    "torch._dynamo",  # comes with the first step of an optimiser
)


def run(results: Path | str, *arguments: str, world: tuple[str, ...] = SMALL) -> Done:
    """Run `harness run --task imagenet-c` here, images made by a thread unless told."""
    words = ("run", "--task", "imagenet-c", *world, "-T", "workers=0", "--results", str(results))
    return command(*words, *arguments)


TIMED = frozenset(
    {"images_per_second", "overhead", "peak_memory_bytes", "setup_seconds", "source_ms"}
)


def comparable(results: Path) -> dict[str, Any]:
    """Everything of a results folder that must not depend on how it came about, by method."""
    from harness.results.store import ResultsStore

    store, found = ResultsStore(results), dict[str, Any]()
    for one in store.runs():
        row = store.row(one.run_id)
        found[f"{one.method} seed {row['sample_seed']}"] = {
            "status": str(one.status),
            "rows": [json.dumps(row, sort_keys=True) for row in rows_of(store, one)],
            "metrics": {name: value for name, value in row["metrics"] if name not in TIMED},
            "counts": [row[f"n_{name}"] for name in ("planned", "done", "failed", "error")],
        }
    assert not store.problems
    return found


def rows_of(store: Any, one: Any) -> list[dict[str, Any]]:
    """A run's rows in the order of the stream, without what a clock decides."""
    samples = store.samples(one.task, [one.run_id])
    samples = samples.drop(columns=["run_id", "latency_s", "attempt"])
    found = samples.to_dict("records")
    for row in found:
        row["metrics"] = {k: v for k, v in row["metrics"].items() if k not in TIMED}
    return sorted(found, key=lambda row: row["step"])


def rows(results: Path, method: str) -> list[dict[str, Any]]:
    """The rows of the only run of a method."""
    from harness.results.store import ResultsStore

    store = ResultsStore(results)
    (one,) = (one for one in store.runs() if one.method == method)
    return rows_of(store, one)


def metrics(results: Path, method: str) -> dict[str, float]:
    """The metrics of the only run of a method."""
    from harness.results.store import ResultsStore

    store = ResultsStore(results)
    (one,) = (one for one in store.runs() if one.method == method)
    return dict(store.row(one.run_id)["metrics"])


def start_server() -> Any:
    """The server process that children are forked from, everything imported.

    A test session has one, so it imports what the tests of edits need as well.
    """
    context = edits.start_server()
    context.set_forkserver_preload([*edits.PRELOADED, *PRELOADED])
    return context


def _saving_always(*given: Any) -> None:
    """Perform a command that saves its state after every batch."""
    from harness.adapting import work

    work._SAVE_EVERY_S = -1.0
    edits.perform(*given)


ended = partial(edits.ended, child=_saving_always)


def write_pictures(folder: Path, each: int, kind: str = "png") -> Path:
    """Write some digits of each class into folders 0 to 9, as ``CLASS/NUMBER.KIND``."""
    from PIL import Image

    from harness_tasks.imagenet_c.recipes import digits

    pixels, labels = digits()
    for label in range(10):
        (folder / str(label)).mkdir(parents=True)
        rows = [row for row in range(1297, len(labels)) if labels[row] == label][:each]
        for number, row in enumerate(rows):
            Image.fromarray(pixels[row]).save(folder / str(label) / f"{number}.{kind}")
    return folder


# What follows makes images in other processes.


class Deadly:
    """Ends the process that makes the fourth picture."""

    def read(self, picture: Any, size: int) -> Any:
        import numpy as np

        if int(picture.sample_id.rpartition("/")[2]) >= 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return np.zeros((size, size, 3), np.uint8)


# Fixtures, for the conftest files of folders that test the protocol.


@pytest.fixture(scope="session")
def adapt_cache(tmp_path_factory):
    """The model is taught once."""
    yield from one_cache(tmp_path_factory.getbasetemp() / "adapt-cache")
