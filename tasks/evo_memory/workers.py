"""Episodes that are played in worker processes, so that many streams use all cores.

`in_worker` hands out an episode whose world lives in one of ``HARNESS_WORKERS`` processes (default:
the cores that this process may use; 0: no workers, worlds live in this process). They are started
on first use and shared by all episodes; a call locks its worker only while it runs. Worlds are
deterministic, so when a worker dies the episode is repeated once in a new process, action by
action; a second death is a `TaskError`.
"""

from __future__ import annotations

import atexit
import importlib
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from harness.errors import HarnessError, TaskError, UsageError
from harness.protocols.stream import Brief, Episode, Observation, Score
from harness_tasks.evo_memory.worker_process import WorkerDied, WorkerProcess

_SERVED = "harness_tasks.evo_memory.workers:EpisodeServer"


def in_worker(factory: Callable[..., Episode], *arguments: Any) -> Episode:
    """An episode whose world lives in a worker process.

    Args:
        factory: makes the world's own episode; importable by its name.
        arguments: what it is given; they are pickled.

    Raises:
        UsageError: ``HARNESS_WORKERS`` is no number of processes.
    """
    if worker_count() == 0:
        return factory(*arguments)
    return WorkerEpisode(factory, arguments)


def worker_count() -> int:
    """How many worker processes this process may have.

    Raises:
        UsageError: ``HARNESS_WORKERS`` is no number of processes.
    """
    named = os.environ.get("HARNESS_WORKERS", "").strip()
    if not named:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    if not named.isdecimal():
        raise UsageError(
            f"HARNESS_WORKERS is '{named}'; give a number of processes, 0 for none, or unset it."
        )
    return int(named)


class EpisodeServer:
    """The worker's side: the episodes that are open in this process."""

    def __init__(self) -> None:
        self._open: dict[int, Episode] = {}

    def open(self, number: int, module: str, name: str, arguments: tuple[Any, ...]) -> None:
        """Make an episode."""
        self._open[number] = getattr(importlib.import_module(module), name)(*arguments)

    def reset(self, number: int) -> tuple[Observation, Brief]:
        """Start an episode; also tells its brief, which is valid from now on."""
        episode = self._open[number]
        return episode.reset(), episode.brief

    def step(self, number: int, action: str) -> Observation:
        """Take an action."""
        return self._open[number].step(action)

    def score(self, number: int) -> Score:
        """Score an episode."""
        return self._open[number].score()

    def close(self, number: int) -> None:
        """Let go of an episode."""
        self._open.pop(number).close()


@dataclass
class Worker:
    """One process and the episodes in it."""

    process: WorkerProcess = field(default_factory=lambda: WorkerProcess(_SERVED))
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held while a call runs."""
    life: int = 0
    """How often the process was started."""
    episodes: int = 0
    """How many are open."""
    leaving: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """(number, life) of episodes that are to be closed before the next call."""

    def call(self, name: str, *arguments: Any) -> Any:
        """Call the running process; the lock is held."""
        while self.leaving:
            number, life = self.leaving.pop()
            if life == self.life:
                with suppress(HarnessError):  # nobody waits for it any more
                    self.process.call("close", number)
        return self.process.call(name, *arguments)

    def ready(self) -> int:
        """Start the process if there is none; returns its life."""
        if self.process.pid is None:
            self.process.start()
            self.life += 1
        return self.life


class _Pool:
    """The workers of this process."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.workers: list[Worker] = []
        self._lock = threading.Lock()

    def join(self) -> Worker:
        """The worker with the fewest episodes; a new one while there may be more."""
        with self._lock:
            allowed = max(1, worker_count())
            found = min(self.workers[:allowed], key=lambda one: one.episodes, default=None)
            if found is None or (found.episodes and len(self.workers) < allowed):
                found = Worker()
                self.workers.append(found)
            found.episodes += 1
            return found

    def leave(self, worker: Worker) -> None:
        """One episode less."""
        with self._lock:
            worker.episodes -= 1

    def close(self) -> None:
        """End all workers that this very process started."""
        if self.owner == os.getpid():
            for worker in self.workers:
                worker.process.close()
            self.workers.clear()


_pools: list[_Pool] = []
_numbers = count()


def pool() -> _Pool:
    """The pool of this process; a forked one gets its own."""
    if not _pools or _pools[-1].owner != os.getpid():
        _pools.append(_Pool())
        atexit.register(_pools[-1].close)
    return _pools[-1]


class WorkerEpisode(Episode):
    """An episode that is played elsewhere; opened by `reset`."""

    def __init__(self, factory: Callable[..., Episode], arguments: tuple[Any, ...]) -> None:
        self._made = (factory.__module__, factory.__qualname__, arguments)
        self._number = next(_numbers)
        self._pool = pool()
        self._worker: Worker | None = None
        self._life = 0
        self._deaths = 0
        self._brief: Brief | None = None
        self._shown: list[tuple[str, Observation]] = []
        """What was done so far and what it brought; the first is the reset."""

    @property
    def brief(self) -> Brief:
        """What the method is told; valid after `reset`."""
        if self._brief is None:
            raise TaskError("the episode has no brief before its reset")
        return self._brief

    @property
    def pid(self) -> int | None:
        """The process that plays it now."""
        return self._worker.process.pid if self._worker else None

    def reset(self) -> Observation:
        """Start the episode over."""
        self._shown.clear()
        seen, self._brief = self._call("reset")
        self._shown.append(("", seen))
        return seen

    def step(self, action: str) -> Observation:
        """Take an action."""
        seen: Observation = self._call("step", action)
        self._shown.append((action, seen))
        return seen

    def score(self) -> Score:
        """Score what was done so far."""
        return self._call("score")

    def close(self) -> None:
        """Let go of the world; does not wait for a call of another episode."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.leaving.append((self._number, self._life))
            self._pool.leave(worker)

    def _call(self, name: str, *arguments: Any) -> Any:
        """Call the worker; where it dies, repeat once what was done and then the call.

        Raises:
            TaskError: the worker died again.
        """
        if self._worker is None:
            self._worker = self._pool.join()
        with self._worker.lock:
            while True:
                try:
                    self._be_there(self._worker)
                    return self._worker.call(name, self._number, *arguments)
                except WorkerDied as error:
                    self._worker.process.close()
                    self._deaths += 1
                    if self._deaths > 1:
                        raise TaskError(
                            f"the process of this episode's world died twice ({error}); run the "
                            "same command again, or play it in this process: HARNESS_WORKERS=0."
                        ) from error

    def _be_there(self, worker: Worker) -> None:
        """Make sure that the running process has the episode, at the point where it is."""
        life = worker.ready()
        if life == self._life:
            return
        worker.call("open", self._number, *self._made)
        self._life = life
        for position, (action, seen) in enumerate(self._shown):
            if position:
                again = worker.call("step", self._number, action)
            else:
                again, _ = worker.call("reset", self._number)
            if again != seen:
                raise TaskError(
                    "the world of this episode is not the same when it is played again; "
                    "its process died, and the episode cannot go on."
                )
