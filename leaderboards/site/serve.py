"""Hands out a site on this machine alone, with the progress of running runs as JSON."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness_leaderboards.site.pages import policy

if TYPE_CHECKING:
    from aiohttp import web

HOST = "127.0.0.1"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".csv": "text/csv; charset=utf-8",
    ".svg": "image/svg+xml",
}

Handler = Callable[["web.Request"], Awaitable["web.StreamResponse"]]


def headers() -> dict[str, str]:
    """What every answer carries."""
    return {
        "Content-Security-Policy": f"{policy(live=True)}; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-cache",
    }


def listen(port: int) -> socket.socket:
    """Take a port of this machine; 0 takes any free one.

    Raises:
        UsageError: the port is in use, or may not be taken.
    """
    taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((HOST, port))
        taken.listen(64)
    except (OSError, OverflowError) as error:
        taken.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"port {port} of {HOST} cannot be taken ({reason}); name another with --port, or "
            "leave it out for any free one."
        ) from error
    return taken


def application(
    folder: Path, port: int, progress: Callable[[], Awaitable[dict[str, Any]]]
) -> web.Application:
    """The server of a folder.

    Args:
        folder: the site; it may be replaced while it is handed out.
        port: that browsers ask, part of the names that are answered to.
        progress: gives what ``/live.json`` says.
    """
    import logging

    from aiohttp import web

    # Whoever sends what is no request gets an answer, and the terminal no traceback.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    # Another name means that a page from elsewhere had its name point here.
    names = {f"{name}:{port}" for name in (HOST, "localhost")}

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.headers.get("Host", "").lower() not in names:
            response: web.StreamResponse = web.Response(status=403, text="no such host here\n")
        elif request.method not in ("GET", "HEAD"):
            response = web.Response(status=405, text="only reading is possible\n")
        else:
            response = await handler(request)
        response.headers.update(headers())
        return response

    async def live(_request: web.Request) -> web.Response:
        return web.json_response(await progress())

    async def page(request: web.Request) -> web.StreamResponse:
        path = _inside(folder, request.match_info["path"] or "index.html")
        if path is None:
            return web.Response(status=404, text="there is no such page\n")
        kind = _TYPES.get(path.suffix, "application/octet-stream")
        return web.FileResponse(path, headers={"Content-Type": kind})

    server = web.Application(middlewares=[guard])
    server.router.add_get("/live.json", live)
    server.router.add_route("*", "/{path:.*}", page)
    return server


def _inside(folder: Path, path: str) -> Path | None:
    """A file of the site; None for any other, and for whatever leads out of the folder."""
    parts = path.split("/")
    if any(not part or part.startswith(".") or "\\" in part or "\0" in part for part in parts):
        return None
    try:
        found = folder.joinpath(*parts).resolve(strict=True)
        return found if found.is_relative_to(folder.resolve()) and found.is_file() else None
    except (OSError, ValueError):
        return None
