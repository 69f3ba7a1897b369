"""The near side of a memory that lives in a worker process.

`isolated` makes of a memory's class one that the loop uses like any other. A worker that exceeds
its time, dies or breaks the protocol is killed and its item fails; the next one starts from the
last commit.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from harness.errors import HarnessError, MethodError, PromptTooLong
from harness.isolation.channel import Channel, TooLarge
from harness.isolation.endpoint import Route
from harness.models.chat import Phase
from harness.models.search import Ranker
from harness.options import Options
from harness.protocols.stream.method import Memory, MemoryContext
from harness.protocols.stream.settings import StreamSettings
from harness.protocols.stream.types import (
    Context,
    Entry,
    Experience,
    Query,
    Retrieval,
    fingerprint,
)

_LAST_WORDS = 300
_READS = ("search", "synthesize")
_SURROUNDINGS = {
    "PYTHONHASHSEED": "0",  # the order of a set must not differ after a kill
    "NO_PROXY": "127.0.0.1",
    "no_proxy": "127.0.0.1",
}
"""Of a worker, beside its folders."""


def isolated(kind: type[Memory]) -> type[IsolatedMemory]:
    """A class whose memories run in worker processes, with the name and the promises of `kind`."""
    promises = ("about", "Options", "needs", "abilities", "stateful", "needs_similarity")
    promises += ("rebuilt_from_entries", "snapshot_every")
    return type(kind.__name__, (IsolatedMemory,), {name: getattr(kind, name) for name in promises})


class IsolatedMemory(Memory):
    """A memory in a worker process; `open` comes first, `close` last.

    Args:
        method: method string whose right part is the memory.
        options: of that part.
        context: what it is given; `folder` is where it may write.
        ranker: makes a ranker for each worker.
        route: the stream's way to the model over HTTP, where the memory needs one.
    """

    about: ClassVar[Any]

    def __init__(
        self,
        method: str,
        options: Options,
        context: MemoryContext,
        ranker: Callable[[], Ranker],
        route: Route | None = None,
    ) -> None:
        super().__init__(options, context)
        self._method = method
        self._new_ranker = ranker
        self._route = route
        self._ranker = ranker()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._held: dict[str, Entry] = {}
        self._fingerprint = fingerprint({})
        self._unaided = False
        self._notes: Mapping[str, float] = {}

    @property
    def unaided(self) -> bool:
        """As the memory says."""
        return self._unaided

    async def open(self) -> None:
        """Start the worker."""
        await self._start()

    async def _start(self) -> None:
        """Start a worker in an empty folder and open the memory in it.

        Raises:
            MethodError: it cannot be opened.
        """
        self._kill()
        self._ranker = self._new_ranker()
        folder = self.context.folder
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "tmp").mkdir(parents=True)
        near, far = socket.socketpair()
        command = [sys.executable, "-m", "harness.isolation.child"]
        with far, self._log().open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603, ASYNC220 - this program, at once
                [*command, str(far.fileno()), str(folder)],
                pass_fds=[far.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={
                    **os.environ,
                    **_SURROUNDINGS,
                    "TMPDIR": str(folder / "tmp"),
                    "HOME": str(folder),
                },
            )
        self._channel = await Channel.over(near)
        settings = self.context.settings
        known = {name: getattr(settings, name) for name in StreamSettings.model_fields}
        self._held = {}
        await self._channel.send(
            (self._method, known, self.context.seed_text, self.context.endpoint)
        )
        await self._call("open")

    async def search(self, query: Query) -> Retrieval:
        """Find what may help."""
        return await self._call("search", query)

    async def synthesize(self, query: Query, retrieval: Retrieval) -> Context:
        """Turn what was found into the prompt's experience section."""
        return await self._call("synthesize", query, retrieval)

    async def remove(self, ids: Sequence[str]) -> None:
        """Forget entries."""
        await self._call("remove", tuple(ids))

    async def evolve(self, experience: Experience) -> None:
        """Learn from a finished item."""
        await self._call("evolve", experience)

    def entries(self) -> Mapping[str, Entry]:
        """All entries after the last hook."""
        return dict(self._held)

    def fingerprint(self) -> str:
        """Hash of the state after the last hook, as the memory computed it."""
        return self._fingerprint

    def notes(self) -> Mapping[str, float]:
        """Counts after the last hook."""
        return self._notes

    async def restore(self, entries: Mapping[str, Entry]) -> None:
        """Return to a state in a worker that knows of no other."""
        await self._start()
        await self._call("restore", dict(entries))

    async def dump(self, folder: Path) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Write the whole state into a folder, which the worker itself cannot reach."""
        own = self.context.folder / "dump"
        shutil.rmtree(own, ignore_errors=True)
        own.mkdir()
        await self._call("dump", str(own))
        shutil.copytree(own, folder, dirs_exist_ok=True)
        shutil.rmtree(own)

    async def load(self, folder: Path) -> None:
        """Read a dumped state in a worker that knows of no other."""
        await self._start()
        own = self.context.folder / "load"
        await asyncio.to_thread(shutil.copytree, folder, own)
        await self._call("load", str(own))
        shutil.rmtree(own, ignore_errors=True)

    async def close(self) -> None:
        """End the worker."""
        self._kill()

    async def _call(self, hook: str, *arguments: Any) -> Any:
        """Call a hook in the worker; its own time is limited, that of the model is not counted."""
        if self._channel is None:
            await self._start()
        try:
            reply = await self._reply(hook, arguments)
        except TimeoutError:
            limit = self.context.settings.memory_timeout
            raise self._gone(f"{hook} took more than {limit:g} s") from None
        except (EOFError, OSError):
            raise self._gone(f"its worker process ended in {hook}{self._last_words()}") from None
        except (TooLarge, pickle.UnpicklingError) as error:
            raise self._gone(f"{hook} sent {error}") from None
        except BaseException:
            self._kill()
            raise
        failure = None if self._route is None else self._route.end()
        if reply[0] == "raised":
            _, name, text = reply
            kind = PromptTooLong if name == PromptTooLong.__name__ else MethodError
            failure = self._hidden() or failure or kind(text)
        if failure is not None:
            self._kill()
            raise failure
        _, value, delta, self._fingerprint, self._unaided, self._notes = reply
        self._held = dict(delta.apply(self._held))
        return value

    async def _reply(self, hook: str, arguments: Sequence[Any]) -> Any:
        """Send a call and serve what the worker asks until it replies."""
        channel = self._channel
        if channel is None:
            raise EOFError
        if self._route is not None:
            self._route.begin(Phase.RETRIEVE if hook in _READS else Phase.EVOLVE)
        await channel.send(("call", hook, arguments))
        left = self.context.settings.memory_timeout
        serving = set[asyncio.Task[None]]()
        receiving = asyncio.ensure_future(channel.receive())
        try:
            while True:
                began, lent, idle = time.monotonic(), self._lent_s(), not serving
                done, _ = await asyncio.wait(
                    {receiving, *serving},
                    timeout=left if idle else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                own = time.monotonic() - began - (self._lent_s() - lent)
                left -= own if idle else 0.0
                for one in done & serving:
                    one.result()
                serving -= done
                if receiving in done:
                    kind, *rest = message = receiving.result()
                    if kind != "ask":
                        return message
                    serving.add(asyncio.create_task(self._serve(channel, *rest)))
                    receiving = asyncio.ensure_future(channel.receive())
                if left <= 0:
                    raise TimeoutError
        finally:
            for task in (receiving, *serving):
                task.cancel()
            with contextlib.suppress(Exception, asyncio.CancelledError):
                await asyncio.gather(receiving, *serving, return_exceptions=True)

    async def _serve(
        self, channel: Channel, number: int, what: str, arguments: Any, named: Mapping[str, Any]
    ) -> None:
        """Answer one thing that the worker asks."""
        context = self.context
        known: Mapping[str, Any] = {
            "reply": context.ask.reply,
            "complete": context.ask.complete,
            "loglikelihood": context.ask.loglikelihood,
            "rank_write": self._ranker.write,
            "rank_scores": self._rank,
            "rank_drop": self._ranker.drop,
            "demonstrations": context.demonstrations,
        }
        fault, value = "", None
        try:
            asked = known[what](*arguments, **named)
            value = await asked if asyncio.iscoroutine(asked) else asked
        except HarnessError as error:
            fault, value = type(error).__name__, str(error)
        except Exception as error:  # noqa: BLE001 - the memory asked for something odd
            fault, value = "MethodError", f"{what} raised {type(error).__name__}: {error}"
        await channel.send(("answer", number, fault, value))

    async def _rank(self, query: str, slots: Sequence[int]) -> list[float]:
        import numpy as np

        found = await self._ranker.scores(query, np.array(slots, dtype=np.int64))
        return [float(one) for one in found]

    def _lent_s(self) -> float:
        """Seconds that the model took, as far as it was asked over HTTP."""
        return 0.0 if self._route is None else self._route.lent_s()

    def _hidden(self) -> Exception | None:
        """What failed behind the model, whatever the memory made of it."""
        return getattr(self.context.ask, "failure", None)

    def _gone(self, why: str) -> MethodError:
        self._kill()
        return MethodError(why)

    def _kill(self) -> None:
        if self._route is not None:
            self._route.cut()
        if self._channel is not None:
            self._channel.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._channel = self._process = None

    def _log(self) -> Path:
        return self.context.folder.with_name(f"{self.context.folder.name}.log")

    def _last_words(self) -> str:
        try:
            lines = self._log().read_text("utf-8", "replace").strip().splitlines()
        except OSError:
            return ""
        return f": {lines[-1][-_LAST_WORDS:]}" if lines else ""
