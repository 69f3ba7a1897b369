"""The one client that methods ask: it meters, journals and replays.

Every answered call is appended to the run's journal before the method sees it. When an unfinished
item is played again after a kill, the same requests get the same answers from the journal, so
nothing is bought twice and an episode continues where it was.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import EndpointError, HarnessError, InfrastructureError, MethodError
from harness.models.chat import ChatModel, ChatRequest, ChatResponse, Message, Phase, Sampling


@dataclass(frozen=True)
class CallRecord:
    """One call as metered: for the trace, the row's tokens and the split by phase."""

    phase: Phase
    request: ChatRequest
    response: ChatResponse

    def as_json(self) -> dict[str, Any]:
        """The call as the trace table keeps it."""
        return {
            "phase": self.phase.value,
            "messages": [
                {"role": one.role, "content": one.content} for one in self.request.messages
            ],
            "output": self.response.text,
            "input_tokens": self.response.input_tokens,
            "output_tokens": self.response.output_tokens,
            "latency_s": self.response.latency_s,
            "finish_reason": self.response.finish_reason,
        }


class Gate:
    """A started model with its limit of requests in flight, shared by all runs that name it."""

    def __init__(self, model: ChatModel, max_in_flight: int) -> None:
        self._model = model
        self._free = asyncio.Semaphore(max_in_flight)

    async def chat(self, request: ChatRequest) -> ChatResponse:
        """Answer a request when there is room.

        Raises:
            InfrastructureError: whatever the model raised that was nobody's fault here.
        """
        async with self._free:
            try:
                return await self._model.chat(request)
            except HarnessError:
                raise
            except Exception as error:
                raise EndpointError(f"the model raised {type(error).__name__}: {error}") from error


class StreamClient:
    """The metered model of one stream; `begin` is called before each of its items."""

    def __init__(
        self,
        gate: Gate,
        sampling: Sampling,
        seed_text: str,
        journal: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self._gate = gate
        self._sampling = sampling
        self._seed_text = seed_text
        self._journal = journal
        self._loop = asyncio.get_running_loop()
        self.begin("", ())

    def begin(self, item: str, answered: Iterable[Mapping[str, Any]]) -> None:
        """Start an item, with the calls of it that the journal holds."""
        self._item = item
        self._asked = Counter[str]()
        self._answered: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for call in answered:
            self._answered[call["key"]].append(call)
        self.calls: list[CallRecord] = []
        self.failure: InfrastructureError | None = None
        """Set when a call failed, so that a method that swallows exceptions hides nothing."""

    async def __call__(
        self,
        messages: Sequence[Message],
        *,
        phase: Phase = Phase.ACT,
        max_tokens: int | None = None,
        stop: Sequence[str] = (),
    ) -> str:
        """Ask the model and return its text."""
        request = self._request(messages, max_tokens, tuple(stop))
        key = request.key()
        turn = self._asked[key]
        self._asked[key] += 1
        recorded = self._answered.get(key, [])
        if turn < len(recorded):
            response = ChatResponse(**recorded[turn]["response"])
        else:
            response = await self._buy(request, key)
        self.calls.append(CallRecord(Phase(phase), request, response))
        return response.text

    def blocking(self, messages: Sequence[Message], *, phase: Phase = Phase.ACT) -> str:
        """Ask from synchronous code, which runs in a thread of the stream."""
        return asyncio.run_coroutine_threadsafe(self(messages, phase=phase), self._loop).result()

    async def _buy(self, request: ChatRequest, key: str) -> ChatResponse:
        try:
            response = await self._gate.chat(request)
            self._journal(
                {
                    "kind": "call",
                    "item": self._item,
                    "key": key,
                    "response": {
                        "text": response.text,
                        "input_tokens": response.input_tokens,
                        "output_tokens": response.output_tokens,
                        "latency_s": round(response.latency_s, 6),
                        "finish_reason": response.finish_reason,
                    },
                }
            )
        except InfrastructureError as error:
            self.failure = error
            raise
        return response

    def _request(
        self, messages: Sequence[Message], max_tokens: int | None, stop: tuple[str, ...]
    ) -> ChatRequest:
        if not messages or not all(isinstance(one, Message) for one in messages):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise MethodError("the method asked the model with something that is no message list")
        sampling = self._sampling
        limit = sampling.max_tokens if max_tokens is None else min(max_tokens, sampling.max_tokens)
        seed = None
        if not sampling.greedy:
            text = f"{self._seed_text}/{self._item}/{len(self.calls)}"
            seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
        return ChatRequest(tuple(messages), sampling.temperature, sampling.top_p, limit, stop, seed)
