"""The worker process of a memory: ``python -m harness.isolation.child FD FOLDER``.

It opens the memory that the first message names and then calls one hook for each message. What
the memory asks in between (the model, similarities, demonstrations) goes back over the same
channel. It ends when the channel does.
"""

from __future__ import annotations

import asyncio
import os
import platform
import socket
import sys
import threading
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from harness import errors
from harness.errors import HarnessError, MethodError
from harness.hooks import call_hook
from harness.isolation.channel import Channel, TooLarge
from harness.isolation.fence import Fence
from harness.models.chat import ChatResponse, Message, Phase
from harness.models.search import Ranker, SimilaritySearch
from harness.protocols.stream import checks
from harness.protocols.stream.method import Memory, MemoryContext
from harness.protocols.stream.settings import StreamSettings, TieBreak
from harness.protocols.stream.types import Delta, Entry, Experience

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Answer = TypeVar("Answer")

_CHECKS = {"search": checks.retrieval, "synthesize": checks.context}
"""Of hooks whose value is sent back."""


@dataclass(frozen=True)
class Opening:
    """What a worker has to know to open its memory; every value is plain."""

    method: str
    """Method string whose right part is the memory."""
    settings: Mapping[str, Any]
    seed_text: str
    endpoint: str


@dataclass
class Peer:
    """The process that asked for the worker, as the memory's hooks reach it.

    Hooks have a loop and a thread of their own, so that one that blocks stops no message.
    """

    channel: Channel
    loop: asyncio.AbstractEventLoop
    """Of the channel."""
    answers: dict[int, asyncio.Future[Any]] = field(
        default_factory=dict[int, "asyncio.Future[Any]"]
    )
    numbers: count[int] = field(default_factory=count)

    def begin(self, what: str, *arguments: Any, **named: Any) -> Future[Any]:
        """Ask for something from any thread; requests go out in the order they are made."""
        asking = self._ask(what, arguments, named)
        return asyncio.run_coroutine_threadsafe(asking, self.loop)

    async def ask(self, what: str, *arguments: Any, **named: Any) -> Any:
        """Ask for something and wait for it."""
        return await asyncio.wrap_future(self.begin(what, *arguments, **named))

    async def _ask(self, what: str, arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
        number = next(self.numbers)
        answer = self.answers[number] = self.loop.create_future()
        await self.channel.send(("ask", number, what, arguments, named))
        try:
            return await answer
        finally:
            del self.answers[number]

    def settle(self, number: int, fault: str, value: Any) -> None:
        """Hand out an answer, or raise what asking for it raised."""
        answer = self.answers.get(number)
        if answer is None or answer.done():
            return
        if fault:
            kind = getattr(errors, fault, MethodError)
            answer.set_exception(kind(value))
        else:
            answer.set_result(value)


class RemoteAsk:
    """The metered model of the stream, which is the other process's."""

    def __init__(self, peer: Peer, hooks: asyncio.AbstractEventLoop) -> None:
        self._peer = peer
        self._hooks = hooks

    async def __call__(self, messages: Sequence[Message], **named: Any) -> str:
        """Ask the model."""
        response: ChatResponse = await self.reply(messages, **named)
        return response.text

    async def reply(self, messages: Sequence[Message], **named: Any) -> ChatResponse:
        """Ask the model for all that it answers."""
        return await self._peer.ask("reply", tuple(messages), **named)

    async def complete(self, prompt: str, **named: Any) -> ChatResponse:
        """Continue a text as it is."""
        return await self._peer.ask("complete", prompt, **named)

    async def loglikelihood(self, context: str, continuation: str, **named: Any) -> Any:
        """Score a continuation of a text."""
        return await self._peer.ask("loglikelihood", context, continuation, **named)

    def blocking(self, messages: Sequence[Message], *, phase: Phase = Phase.ACT) -> str:
        """Ask from synchronous code."""
        return self.wait(self(messages, phase=phase))

    def wait(self, asking: Coroutine[Any, Any, Answer]) -> Answer:
        """Any of the above from synchronous code."""
        return asyncio.run_coroutine_threadsafe(asking, self._hooks).result()


class RemoteRanker(Ranker):
    """The other process's ranker, with the run's embedder."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def write(self, slots: Sequence[int], texts: Sequence[str]) -> None:
        """Put texts into slots."""
        await self._peer.ask("rank_write", list(slots), list(texts))

    async def scores(self, query: str, slots: NDArray[np.int64]) -> Sequence[float]:
        """Similarity of the query to the texts in these slots."""
        return await self._peer.ask("rank_scores", query, slots.tolist())

    def drop(self, slots: Sequence[int]) -> None:
        """Forget the texts in these slots."""
        if slots:
            self._peer.begin("rank_drop", list(slots))


class Worker:
    """Calls the hooks of one memory, one at a time."""

    def __init__(self, fence: Fence, memory: Memory) -> None:
        self._fence = fence
        self._memory = memory
        self._told: dict[str, Entry] = {}
        """The entries that the other process knows of."""

    async def call(self, hook: str, arguments: Sequence[Any]) -> tuple[Any, ...]:
        """Call a hook; returns what it returned and how the entries changed."""
        try:
            if hook in ("dump", "load"):
                arguments = [Path(one) for one in arguments]
            value = await call_hook(getattr(self._memory, hook), *arguments)
            if not self._fence.breach:
                return self._state(_CHECKS[hook](value) if hook in _CHECKS else None)
            problem: Exception = PermissionError()
        except Exception as error:  # noqa: BLE001 - told to the other process
            problem = error
        if self._fence.breach:
            tried = f"it tried to {self._fence.breach}"
            return ("raised", "", f"{tried}, which a memory in a worker process may not")
        name = type(problem).__name__
        if isinstance(problem, HarnessError) and hasattr(errors, name):
            return ("raised", name, str(problem))
        return ("raised", "", f"{hook} raised {name}: {problem}")

    def _state(self, value: Any) -> tuple[Any, ...]:
        held = checks.entries(self._memory.entries(), self._told)
        delta = Delta.between(self._told, held)
        self._told = held
        memory = self._memory
        notes = {str(name): float(count) for name, count in memory.notes().items()}
        return ("returned", value, delta, str(memory.fingerprint()), bool(memory.unaided), notes)


async def serve(end: socket.socket, folder: Path) -> None:
    """Serve a memory until the channel ends."""
    fence = Fence(folder)
    channel = await Channel.over(end)
    peer = Peer(channel, asyncio.get_running_loop())
    hooks = asyncio.new_event_loop()
    threading.Thread(target=hooks.run_forever, daemon=True).start()
    opening = Opening(*await channel.receive())

    async def opened() -> Worker:
        memory = _opened(opening, peer, folder)
        platform.processor()  # clients name it in their headers; the first time it starts `uname`
        fence.raise_it()
        return Worker(fence, memory)

    calls = set[asyncio.Task[None]]()
    becoming = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(opened(), hooks))

    async def call(hook: str, arguments: Sequence[Any]) -> None:
        try:
            worker = await asyncio.shield(becoming)
            calling = asyncio.run_coroutine_threadsafe(worker.call(hook, arguments), hooks)
            report = await asyncio.wrap_future(calling)
        except Exception as error:  # noqa: BLE001 - told to the other process
            report = ("raised", "", f"it cannot be opened ({type(error).__name__}: {error})")
        try:
            await channel.send(report)
        except TooLarge as error:
            await channel.send(("raised", "", f"{hook} left {error}"))

    while True:
        try:
            kind, *rest = await channel.receive()
        except EOFError:
            os._exit(0)  # whatever its threads still do
        if kind == "answer":
            peer.settle(*rest)
        else:
            task = asyncio.create_task(call(*rest))
            calls.add(task)
            task.add_done_callback(calls.discard)


def _opened(opening: Opening, peer: Peer, folder: Path) -> Memory:
    """Construct the memory, in the loop of the hooks."""
    from harness.methods import resolve

    settings = StreamSettings.model_validate(dict(opening.settings))
    part = resolve(opening.method, "stream").right
    older_first = settings.tie_break is TieBreak.OLDER

    def demonstrations(count: int) -> Sequence[Experience]:
        return peer.begin("demonstrations", count).result()

    context = MemoryContext(
        settings=settings,
        ask=RemoteAsk(peer, asyncio.get_running_loop()),
        similarity=SimilaritySearch(RemoteRanker(peer), older_first=older_first),
        seed_text=opening.seed_text,
        demonstrations=demonstrations,
        folder=folder,
        endpoint=opening.endpoint,
    )
    return part.type(part.options, context)


def main() -> None:
    """Take the socket and the folder from the command line."""
    sys.dont_write_bytecode = True
    end = socket.socket(fileno=int(sys.argv[1]))
    folder = Path(sys.argv[2])
    asyncio.run(serve(end, folder))


if __name__ == "__main__":
    main()
