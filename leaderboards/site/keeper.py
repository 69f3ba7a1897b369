"""Keeps a site up to date with a results folder while runs land in it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, UnknownName, UsageError
from harness.results.schema import RunStatus
from harness.results.store import ResultsStore
from harness_leaderboards.site.build import BuildStopped, write_site
from harness_leaderboards.site.model import SiteBoard, SiteOptions

Build = Callable[[ResultsStore, Sequence[str]], tuple[list[SiteBoard], list[str]]]
"""Builds the boards with these names (none: all that have runs); and what is wrong, in words."""

LOOKS_EVERY_S = 1.0
_MOST_LOOKS = 10
"""Looks after which a site is built though the folder keeps changing."""

Stamp = tuple[tuple[str, int, int], ...]


class SiteKeeper:
    """Builds a site, and again when runs have landed.

    Attributes:
        built: how often it was built.
        problem: why the last build failed; empty if it did not.
    """

    def __init__(
        self, root: Path, folder: Path, names: Sequence[str], build: Build, options: SiteOptions
    ) -> None:
        self.built = 0
        self.problem = ""
        self._root = root
        self._folder = folder
        self._names = tuple(names)
        self._build = build
        self._options = replace(options, live=True)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._progress = Progress(root)

    def build(self) -> None:
        """Build the site; what is wrong with the results is said on its first page.

        Raises:
            HarnessError: the site cannot be written, or a board is unknown.
            BuildStopped: `stop` was called.
        """
        store = ResultsStore(self._root)
        try:
            boards, problems = self._build(store, self._names)
        except UnknownName:
            raise
        except UsageError as error:
            boards, problems = [], [str(error)]
        problems = list(dict.fromkeys((*problems, *store.problems)))
        options = replace(self._options, problems=tuple(problems))
        write_site(boards, store, self._folder, options, self._stop)
        self.built += 1

    async def watch(self) -> None:
        """Build whenever the folder has changed and is quiet, until cancelled."""
        made = stamp(self._root / "runs")
        before, looks = made, 0
        while True:
            await asyncio.sleep(LOOKS_EVERY_S)
            now = stamp(self._root / "runs")
            looks = looks + 1 if now != made else 0
            if now != made and (now == before or looks >= _MOST_LOOKS):
                made, looks = now, 0
                await self._rebuild()
            before = now

    async def progress(self) -> dict[str, Any]:
        """What pages ask for again and again."""
        running = await asyncio.to_thread(self._progress.running)
        return {"built": self.built, "problem": self.problem, "running": running}

    def stop(self) -> None:
        """End a build that is under way."""
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=5)

    async def _rebuild(self) -> None:
        """Build in a thread that does not keep the process alive."""
        done = asyncio.Event()
        loop = asyncio.get_running_loop()

        def work() -> None:
            problem = "the pages could not be built again; the terminal says why"
            try:
                self.build()
                problem = ""
            except BuildStopped:
                problem = ""
            except (HarnessError, OSError) as error:
                problem = f"the pages could not be built again: {error}"
            finally:  # whatever broke, the next change is built
                self.problem = problem
                with contextlib.suppress(RuntimeError):  # nobody waits any more
                    loop.call_soon_threadsafe(done.set)

        self._thread = threading.Thread(target=work, daemon=True)
        self._thread.start()
        await done.wait()


class Progress:
    """The running runs of a folder; journals are read again only when one has changed."""

    def __init__(self, root: Path) -> None:
        self._store = ResultsStore(root)
        self._seen: Stamp | None = None
        self._answers = 0
        self._known: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def running(self) -> list[dict[str, Any]]:
        """How far each is, by id."""
        with self._lock:
            now = stamp(self._store.root / "journal")
            self._answers += 1
            # A run that was killed leaves its journal as it is, but lets go of it.
            if now != self._seen or (self._known and self._answers % 5 == 0):
                self._seen = now
                self._known = [
                    {
                        **{name: getattr(run, name) for name in _SHOWN},
                        "score": run.score if run.score == run.score else None,
                    }
                    for run in self._store.runs()
                    if run.status is RunStatus.RUNNING
                ]
            return self._known


_SHOWN = ("run_id", "task", "subset", "method", "model", "n_done", "n_planned", "n_error")


def stamp(folder: Path) -> Stamp:
    """What is in a folder, and since when."""
    found = list[tuple[str, int, int]]()
    try:
        for path in folder.iterdir():
            if not path.name.startswith("."):
                state = path.stat()
                found.append((path.name, state.st_mtime_ns, state.st_size))
    except OSError:
        return tuple(sorted(found))
    return tuple(sorted(found))
