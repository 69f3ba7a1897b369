"""A server that behaves as told, well or badly, at the level of HTTP; for one test's event loop."""

from __future__ import annotations

import asyncio
import contextlib

from aiohttp import web


def completion(text="4", **changes):
    usage = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
    choice = {"index": 0, "message": {"role": "assistant", "content": text}}
    body = {"choices": [{**choice, "finish_reason": "length"}], "usage": usage}
    return {**body, **changes}


def status(code, text="overloaded", **headers):
    return lambda _request: web.Response(status=code, text=text, headers=headers)


def answering(body):
    return lambda _request: web.json_response(body)


def raw(body, content_type="application/json"):
    return lambda _request: web.Response(body=body, content_type=content_type)


async def reset(request):
    request.transport.abort()
    return web.Response()


async def half(request):
    request.transport.write(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"choices"')
    request.transport.close()
    return web.Response()


async def silent(_request):
    await asyncio.Event().wait()


async def stalled(request):
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b'{"choices"')
    await asyncio.Event().wait()


async def endless(request):
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" " * 65536)


class Server:
    """Answers each post with the next handler; the last one goes on for ever."""

    def __init__(self, *handlers, models=None):
        self.handlers = list(handlers)
        self.models = models or answering({"data": [{"id": "tiny"}, {"id": "tiny-chat"}]})
        self.seen = []
        self.url = ""

    async def answer(self, request):
        self.seen.append((request.path, dict(request.headers), await request.json()))
        handler = self.handlers.pop(0) if len(self.handlers) > 1 else self.handlers[0]
        return await self.respond(handler, request)

    async def list_models(self, request):
        return await self.respond(self.models, request)

    async def respond(self, handler, request):
        response = handler(request)
        return await response if asyncio.iscoroutine(response) else response

    @contextlib.asynccontextmanager
    async def running(self):
        app = web.Application(client_max_size=2**26)
        app.router.add_get("/v1/models", self.list_models)
        app.router.add_post("/v1/{path:.*}", self.answer)
        runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=0.01
        )
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, backlog=512)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()
