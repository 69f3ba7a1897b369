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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.data import content_hash
from harness.errors import HarnessError, MethodError, StorageError
from harness.local_runs import out_of_memory
from harness.protocols.solve.augmentation import Augmentation
from harness.protocols.solve.method import FitDesk, Solver
from harness.protocols.solve.puzzle import Puzzle
from harness.results import provenance
from harness.results.checkpoints import Checkpoints
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
    code = provenance.code_hash([part.type, Augmentation, Puzzle], part.type.needs)
    return content_hash(
        part.name,
        json.dumps(decisive, sort_keys=True),
        code,
        run.spec.seed,
        *asked,
        "labelled",
        *labelled,
    )


@dataclass(frozen=True)
class Telling:
    """How whoever waits is told.

    Attributes:
        begins: something begins that takes a while.
        working: how far it is, as often as it likes.
    """

    begins: Callable[[str], None]
    working: Callable[[str], None]


class Fits:
    """Fits of a results folder.

    Args:
        root: ``RESULTS/fits``.
        fresh: whether those that are there are made again, each once.
    """

    def __init__(self, root: Path, *, fresh: bool = False) -> None:
        self._root, self._fresh = root, fresh
        self._made = set[str]()

    def obtain(
        self, run: SolveRun, solver: Solver, telling: Telling, stop: threading.Event
    ) -> Mapping[str, Any]:
        """The state of a run's fit, computed if nobody did before; blocks.

        Raises:
            CancelledError: `stop` was set; the fit goes on from its last checkpoint another time.
            MethodError: the solver broke, or its fit cannot be kept.
            StorageError: it cannot be written.
        """
        key = fit_key(run)
        folder = self._root / key
        done, unfinished = Checkpoints(folder), Checkpoints(folder / "unfinished")
        with _held(folder, telling.begins, stop):
            if self._fresh and key not in self._made:
                done.remove(_FIT)
                unfinished.clear()
            self._made.add(key)
            state = done.load(_FIT)
            if state is None:
                telling.begins("fitting")
                desk = FitDesk(run.spec.seed, unfinished, telling.working, stop)
                state = _kept(_fit(run, solver, desk), done)
            unfinished.clear()
        return state


def _kept(state: Any, done: Checkpoints) -> Mapping[str, Any]:
    """A fit as it comes back from its file.

    Raises:
        MethodError: it does not.
    """
    if not isinstance(state, Mapping):
        raise MethodError(f"fit returned a {type(state).__name__}, no mapping")  # pyright: ignore[reportUnknownArgumentType]
    done.save(_FIT, state)  # pyright: ignore[reportUnknownArgumentType]
    try:
        found = done.load(_FIT)
    except StorageError as error:
        done.remove(_FIT)
        raise MethodError(
            "its fit holds what cannot be read back; tensors and plain values can"
        ) from error
    return found or {}


@contextmanager
def blamed(run: SolveRun, when: str) -> Generator[None]:
    """Around a hook of a solver: what it raises is its own fault, unless memory ran out."""
    try:
        yield
    except (HarnessError, CancelledError):
        raise
    except Exception as error:
        if out_of_memory(error):
            raise
        raise MethodError(
            f"{run.spec.label} raised {type(error).__name__} while it {when}: {error}"
        ) from error


def _fit(run: SolveRun, solver: Solver, desk: FitDesk) -> Any:
    with blamed(run, "was fitted"):
        return solver.fit(run.fit_data, desk)


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
