"""The verb ``view``: leaderboards in a browser, following the runs of a results folder."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import socket

    from aiohttp import web

    from harness.results.store import ResultsStore
    from harness_leaderboards.site.keeper import SiteKeeper
    from harness_leaderboards.site.model import SiteBoard


def view(
    results: Annotated[
        Path, typer.Option("--results", help="Folder for results.", envvar="HARNESS_RESULTS")
    ] = Path("results"),
    port: Annotated[
        int, typer.Option(envvar="HARNESS_PORT", min=0, max=65535, help="0: any free one.")
    ] = 0,
    board: Annotated[
        list[str] | None,
        typer.Option(envvar="HARNESS_BOARD", help="A board to show; all that have runs if none."),
    ] = None,
    open_browser: Annotated[
        bool | None,
        typer.Option("--open/--no-open", help="Open a browser; if none is said, at a terminal."),
    ] = None,
) -> None:
    """Show leaderboards in a browser, live while runs land; Ctrl-C ends it.

    Raises:
        UsageError: the folder is not there, the port is in use, or a board is unknown.
    """
    from harness.errors import UsageError
    from harness_leaderboards.site.keeper import SiteKeeper
    from harness_leaderboards.site.model import SiteOptions
    from harness_leaderboards.site.serve import HOST, application, listen

    root = results.expanduser()
    names = [name for one in board or () for name in one.split(",") if name]
    if not root.is_dir():
        raise UsageError(f"there is no folder '{results}'; name the one with results: --results.")
    with tempfile.TemporaryDirectory(prefix="harness-view-", ignore_cleanup_errors=True) as place:
        folder = Path(place) / "site"
        keeper = SiteKeeper(root, folder, names, _build, SiteOptions())
        with contextlib.closing(listen(port)) as taken:
            typer.echo("building the pages ...", err=True)
            keeper.build()
            own_port = taken.getsockname()[1]
            address = f"http://{HOST}:{own_port}/"
            typer.echo(address)
            typer.echo("Ctrl-C ends it.", err=True)
            if open_browser or (open_browser is None and sys.stdout.isatty()):
                import webbrowser

                webbrowser.open(address)
            server = application(folder, own_port, keeper.progress)
            asyncio.run(_serve(server, taken, keeper))


def _build(store: ResultsStore, names: Sequence[str]) -> tuple[list[SiteBoard], list[str]]:
    from harness_leaderboards.building import build_all, site_board

    built, problems = build_all(store, names)
    return [site_board(one) for one in built], problems


async def _serve(server: web.Application, taken: socket.socket, keeper: SiteKeeper) -> None:
    """Answer until the process is asked to end."""
    from aiohttp import web as servers

    runner = servers.AppRunner(server, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await servers.SockSite(runner, taken).start()
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    watching = asyncio.create_task(keeper.watch())
    end = asyncio.create_task(ended.wait())
    try:
        await asyncio.wait({watching, end}, return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            watching.result()
    finally:
        for task in (watching, end):
            task.cancel()
        keeper.stop()
        await runner.cleanup()
