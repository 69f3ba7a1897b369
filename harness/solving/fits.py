"""Fits, kept beside the results: computed once for all runs that agree on what decides them.

A fit's key is made of the solver's code and fit options, the puzzles and the seed. Whoever comes
second waits for the first; a killed one goes on from its last checkpoint.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.data import content_hash
from harness.errors import HarnessError, MethodError, StorageError
from harness.local_runs import out_of_memory
from harness.protocols.solve.method import FitDesk, Solver
from harness.results.checkpoints import Checkpoints
from harness.runner import method_code_hash
from harness.solving.plan import SolveRun

_FIT = "fit"
_POLL_S = 0.2


def fit_key(run: SolveRun) -> str:
    """Names a fit: equal for runs that may share it."""
    part = run.method.left
    chosen = part.options.model_dump(mode="json")
    decisive = {name: chosen[name] for name in part.type.Fit.model_fields}
    asked = sorted(one.puzzle.puzzle_id + one.puzzle.content_hash for one in run.problems)
    labelled = sorted(
        one.puzzle.puzzle_id + one.puzzle.content_hash + content_hash(one.answers)
        for one in run.labelled
    )
    return content_hash(
        part.name,
        json.dumps(decisive, sort_keys=True),
        method_code_hash(run),
        run.spec.seed,
        *asked,
        "labelled",
        *labelled,
    )


class Fits:
    """Fits of a results folder.

    Args:
        root: ``RESULTS/fits``.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def obtain(
        self, run: SolveRun, solver: Solver, say: Callable[[str], None], stop: threading.Event
    ) -> Mapping[str, Any]:
        """The state of a run's fit, computed if nobody did before; blocks.

        Raises:
            CancelledError: `stop` was set; the fit goes on from its last checkpoint another time.
            MethodError: the solver broke.
            StorageError: it cannot be kept.
        """
        folder = self._root / fit_key(run)
        done, unfinished = Checkpoints(folder), Checkpoints(folder / "unfinished")
        with _held(folder, say, stop):
            state = done.load(_FIT)
            if state is None:
                say("fitting")
                state = _fit(run, solver, FitDesk(run.spec.seed, unfinished, say, stop))
                done.save(_FIT, state)
            unfinished.clear()
        return state


def _fit(run: SolveRun, solver: Solver, desk: FitDesk) -> Mapping[str, Any]:
    try:
        return solver.fit(run.fit_data, desk)
    except (HarnessError, CancelledError):
        raise
    except Exception as error:
        if out_of_memory(error):
            raise
        raise MethodError(
            f"{run.spec.label} raised {type(error).__name__} while it was fitted: {error}"
        ) from error


@contextmanager
def _held(folder: Path, say: Callable[[str], None], stop: threading.Event) -> Generator[None]:
    """Hold a fit's folder alone; the lock goes with its process."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StorageError(f"cannot keep a fit in {folder}: {error.strerror}.") from error
    try:
        waiting = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if stop.is_set():
                    raise CancelledError from None
                if not waiting:
                    say("waiting for another process that makes the same fit")
                waiting = True
                time.sleep(_POLL_S)
        yield
    finally:
        os.close(file)
