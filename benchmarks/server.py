"""An OpenAI-compatible server in its own process that answers every completion the same.

It answers with bytes made once, after a settable delay, and counts what it was asked. Times are
those of ``time.monotonic``, which all processes of a machine share.

    GET  /v1/models, POST /v1/chat/completions, POST /v1/completions
    GET  /stats     what was counted, see `Stats`
    POST /reset     {"delay_s": 0.05}: count anew, with this delay
    POST /watch     {"pid": 123}: at the first completion, note the processor time that this process
                    and its descendants have used

Run as ``python -m benchmarks.server``; the first line printed is the port.
"""

from __future__ import annotations

import asyncio
import gc
import json
import time
from dataclasses import asdict, dataclass

from aiohttp import web

from benchmarks.echo import MODEL
from benchmarks.processes import cpu_of_tree

ANSWER = "42"
_HEAD = {"id": "echo-1", "created": 1, "model": MODEL}
_USAGE = {"prompt_tokens": 16, "completion_tokens": 1, "total_tokens": 17}
_CHAT = {
    "index": 0,
    "message": {"role": "assistant", "content": ANSWER},
    "finish_reason": "stop",
}
_TEXT = {"index": 0, "text": ANSWER, "finish_reason": "stop"}


def _completion(kind: str, choice: dict[str, object]) -> bytes:
    return json.dumps({**_HEAD, "object": kind, "choices": [choice], "usage": _USAGE}).encode()


_ANSWERS = {
    "/v1/chat/completions": _completion("chat.completion", _CHAT),
    "/v1/completions": _completion("text_completion", _TEXT),
}


@dataclass
class Stats:
    """What the server has counted since it was reset."""

    requests: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    first_at: float | None = None
    """When the first completion was asked for."""
    last_at: float | None = None
    """When the last one was answered."""
    first_cpu_s: float | None = None
    """Processor time of the watched processes at the first completion."""
    server_cpu_s: float = 0.0


class Echo:
    """The server's state."""

    def __init__(self) -> None:
        self.stats = Stats()
        self.delay_s = 0.0
        self.watched: int | None = None
        self._cpu_before = time.process_time()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        answer = _ANSWERS.get(request.path)
        if answer is not None:
            return await self._complete(request, answer)
        if request.path == "/v1/models":
            listed = {"id": MODEL, "object": "model", "created": 1, "owned_by": "benchmarks"}
            return web.json_response({"object": "list", "data": [listed]})
        if request.path == "/stats":
            self.stats.server_cpu_s = time.process_time() - self._cpu_before
            return web.json_response(asdict(self.stats))
        if request.path == "/reset":
            self.delay_s = float((await request.json())["delay_s"])
            self.stats, self.watched = Stats(), None
            gc.collect()
            self._cpu_before = time.process_time()
            return web.json_response({})
        if request.path == "/watch":
            self.watched = int((await request.json())["pid"])
            if self.stats.first_at is not None:  # it was quicker than this message
                self.stats.first_cpu_s = cpu_of_tree(self.watched)
            return web.json_response({})
        return web.Response(status=404)

    async def _complete(self, request: web.BaseRequest, answer: bytes) -> web.StreamResponse:
        stats = self.stats
        if stats.first_at is None:
            stats.first_at = time.monotonic()
            if self.watched is not None:
                stats.first_cpu_s = cpu_of_tree(self.watched)
        stats.requests += 1
        stats.in_flight += 1
        if stats.in_flight > stats.most_in_flight:
            stats.most_in_flight = stats.in_flight
        try:
            await request.read()
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
        except ConnectionError:
            # The client was killed.
            return web.Response(status=400)
        finally:
            stats.in_flight -= 1
            stats.last_at = time.monotonic()
        return web.Response(body=answer, content_type="application/json")


async def main() -> None:
    # No router, no application: they cost as much as the rest of an answer.
    runner = web.ServerRunner(web.Server(Echo().handle, access_log=None))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=2048)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
