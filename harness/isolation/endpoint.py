"""The metered model and the run's embedder as an OpenAI-compatible server on the loopback.

A package that brings its own client is pointed here: its calls go through the stream's own
`StreamClient`, so that they are journalled, replayed and charged to the phase of the hook that
makes them. The run's sampling holds, whatever temperature the package asks for; its
``max_tokens`` and ``stop`` are kept. Each stream has an address of its own.

A request that fails is remembered by its `Route`, so that a package that swallows the exception
cannot turn it into a silent empty write: the hook that made it fails, whatever it returned.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import struct
import time
import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from harness.errors import (
    CeilingReached,
    HarnessError,
    InfrastructureError,
    MethodError,
    PromptTooLong,
)
from harness.models.base import Ability
from harness.models.chat import (
    ChatResponse,
    Form,
    Message,
    Phase,
    Schema,
    Tool,
    ToolCall,
    ToolChoice,
)
from harness.models.client import StreamClient
from harness.models.search import Embedder

if TYPE_CHECKING:
    from aiohttp import web

MODEL = "harness"
"""What packages call the model; any name is taken."""

_MOST_BYTES = 16 * 2**20
_RETRY_LATER, _TOO_LONG, _BAD, _UNKNOWN = 503, 413, 400, 404
_MISASKED = (ValueError, KeyError, TypeError, AttributeError)
"""What reading a request raises that is not as it should be."""


class NotServed(MethodError):
    """A path of the API that does not exist here."""


class Route:
    """One stream's way to the model.

    A memory in a worker process calls it between `begin` and `end` of a hook, and only there.

    Args:
        client: of the stream.
        embedder: of the run; None where it gives no vectors.
    """

    def __init__(self, client: StreamClient, embedder: Embedder | None) -> None:
        self.client = client
        self.embedder = embedder
        self.phase = Phase.EVOLVE
        """What the calls under way are for."""
        self._open = True
        self._failure: Exception | None = None
        self._tasks = set[asyncio.Task[Any]]()
        self._since, self._spent = 0.0, 0.0

    def begin(self, phase: Phase) -> None:
        """A hook begins, whose calls are for `phase`."""
        self.phase, self._open = phase, True

    def end(self) -> Exception | None:
        """The hook has ended; returns what failed first of what it asked for, if anything did."""
        self._open = False
        failure, self._failure = self._failure, None
        return failure

    def cut(self) -> None:
        """Whoever asked is gone: what is under way must not be answered into a later item."""
        for task in self._tasks:
            task.cancel()
        self._failure = None

    def lent_s(self) -> float:
        """Seconds in which at least one request was under way."""
        return self._spent + (time.monotonic() - self._since if self._tasks else 0.0)

    async def answer(self, path: str, body: Any) -> dict[str, Any]:
        """Answer a request.

        Raises:
            HarnessError: the model did not answer, or it is asked for what is not served.
        """
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        if not self._tasks:
            self._since = time.monotonic()
        self._tasks.add(task)
        try:
            return await self._answer(path, body)
        except HarnessError as error:
            self._failure = self._failure or error
            raise
        except _MISASKED as error:
            # Read before anything was asked: the model's own errors are of the harness's tree.
            bad = MethodError(f"it asked the model in a way that is not served ({error!r})")
            self._failure = self._failure or bad
            raise bad from error
        finally:
            self._tasks.discard(task)
            if not self._tasks:
                self._spent += time.monotonic() - self._since

    async def _answer(self, path: str, body: Any) -> dict[str, Any]:
        if not self._open:
            raise MethodError("it asked the model after its hook had returned")
        if path.endswith("/chat/completions"):
            return await self._chat(body)
        if path.endswith("/embeddings"):
            return await self._embed(body)
        raise NotServed(f"{path} is not served; /chat/completions and /embeddings are")

    async def _chat(self, body: Mapping[str, Any]) -> dict[str, Any]:
        if body.get("stream"):
            raise ValueError("answers are not streamed; ask with stream=false")
        if (body.get("n") or 1) != 1:
            raise ValueError("there is one answer to a request; ask with n=1")
        limit = body.get("max_completion_tokens") or body.get("max_tokens")
        stop = body.get("stop") or ()
        choice, named = _choice(body.get("tool_choice"))
        tools = [_tool(one) for one in body.get("tools") or ()]
        response = await self.client.reply(
            [_message(one) for one in body["messages"]],
            phase=self.phase,
            max_tokens=limit,
            stop=(stop,) if isinstance(stop, str) else tuple(stop),
            form=_form(body.get("response_format"), self.client.abilities),
            tools=[one for one in tools if named in ("", one.name)],
            tool_choice=choice,
        )
        return _completion(response)

    async def _embed(self, body: Mapping[str, Any]) -> dict[str, Any]:
        if self.embedder is None:
            raise ValueError("the run's embedder gives no vectors; take --embedder minilm")
        given: Any = body["input"]
        texts = [given] if isinstance(given, str) else list(given)
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("input is texts; lists of token ids are not served")
        vectors: Sequence[Any] = ()
        if texts:
            vectors = list(await self.embedder.embed([text or " " for text in texts]))
        wanted = body.get("dimensions")
        if vectors and wanted not in (None, len(vectors[0])):
            raise ValueError(f"vectors have {len(vectors[0])} dimensions, not {wanted}")
        packed = body.get("encoding_format") == "base64"
        data = [
            {"object": "embedding", "index": n, "embedding": _vector(vector, packed=packed)}
            for n, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": 0, "total_tokens": 0}
        return {"object": "list", "model": MODEL, "data": data, "usage": usage}


class Endpoint:
    """The server; `start` comes before any address, `close` last."""

    def __init__(self) -> None:
        # A route is kept by its memory, and is no more served when that is gone.
        self._routes = weakref.WeakValueDictionary[str, Route]()
        self._runner: web.AppRunner | None = None
        self._port = 0

    async def start(self) -> None:
        """Listen on a free port of the loopback."""
        from aiohttp import web

        application = web.Application(client_max_size=_MOST_BYTES)
        application.router.add_route("*", "/{key}/v1/{path:.*}", self._take)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = int(self._runner.addresses[0][1])

    def open(self, route: Route) -> str:
        """Serve a stream; returns its address."""
        key = secrets.token_hex(8)
        self._routes[key] = route
        return f"http://127.0.0.1:{self._port}/{key}/v1"

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _take(self, request: web.Request) -> web.Response:
        from aiohttp import web

        def refused(status: int, text: str) -> web.Response:
            return web.json_response({"error": {"message": text, "type": "harness"}}, status=status)

        route = self._routes.get(request.match_info["key"])
        if route is None:
            return refused(404, "there is no such stream")
        if request.method == "GET" and request.path.endswith("/models"):
            return web.json_response({"object": "list", "data": [{"id": MODEL, "object": "model"}]})
        if request.method != "POST":
            return refused(_UNKNOWN, f"{request.method} {request.path} is not served")
        try:
            body = await request.json()
        except ValueError as error:
            body = error  # no JSON: read as a request, it is refused like any other bad one
        try:
            return web.json_response(await route.answer(request.path, body))
        except (InfrastructureError, CeilingReached) as error:
            return refused(_RETRY_LATER, str(error))
        except PromptTooLong as error:
            return refused(_TOO_LONG, str(error))
        except NotServed as error:
            return refused(_UNKNOWN, str(error))
        except HarnessError as error:
            return refused(_BAD, str(error))


def _message(one: Mapping[str, Any]) -> Message:
    content: Any = one.get("content") or ""
    if not isinstance(content, str):
        parts = cast("Sequence[Mapping[str, Any]]", content)
        content = "".join(str(part.get("text", "")) for part in parts)
    role: Any = one["role"]
    calls = tuple(
        ToolCall(call["id"], call["function"]["name"], call["function"]["arguments"])
        for call in one.get("tool_calls") or ()
    )
    known: Mapping[str, Any] = {"developer": "system", "function": "tool"}
    role = known.get(role, role)
    return Message(role, content, calls, str(one.get("tool_call_id") or ""))


def _tool(one: Mapping[str, Any]) -> Tool:
    function: Mapping[str, Any] = one["function"]
    parameters = json.dumps(function.get("parameters") or {"type": "object"})
    return Tool(function["name"], function.get("description") or "", parameters)


def _choice(value: Any) -> tuple[ToolChoice, str]:
    """Whether a tool has to be called, and the name of the only one that may be, if it is named."""
    if value in (None, "auto"):
        return ToolChoice.AUTO, ""
    if isinstance(value, Mapping):
        return ToolChoice.REQUIRED, cast("Mapping[str, Any]", value)["function"]["name"]
    return (ToolChoice.NONE if value == "none" else ToolChoice.REQUIRED), ""


def _vector(vector: Iterable[Any], *, packed: bool) -> list[float] | str:
    """A vector as JSON numbers, or as the base64 of its 32-bit floats."""
    numbers = [float(one) for one in vector]
    if not packed:
        return numbers
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode("ascii")


def _form(value: Mapping[str, Any] | None, abilities: frozenset[Ability]) -> Form | None:
    """What the answer has to look like, where the model can be held to it."""
    if not value or Ability.SCHEMA not in abilities:
        return None
    if value.get("type") == "json_schema":
        return Schema(json.dumps(value["json_schema"]["schema"]))
    return Schema('{"type": "object"}') if value.get("type") == "json_object" else None


def _completion(response: ChatResponse) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": response.text}
    if response.tool_calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in response.tool_calls
        ]
    finish = "tool_calls" if response.tool_calls else response.finish_reason
    usage = {"prompt_tokens": response.input_tokens, "completion_tokens": response.output_tokens}
    return {
        "id": "harness",
        "object": "chat.completion",
        "created": 0,
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {**usage, "total_tokens": sum(usage.values())},
    }
