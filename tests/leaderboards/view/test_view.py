"""Leaderboards served on this machine, following runs as they land."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest
import ranked_boards
import small_site

from harness.errors import UnknownName, UsageError
from harness.results.journal import Journal
from harness_leaderboards.site.keeper import SiteKeeper
from harness_leaderboards.site.model import SiteBoard, SiteOptions
from harness_leaderboards.site.serve import application, listen


def build(store, names):
    """A board of what has run so far."""
    runs = [run for run in store.runs() if run.status == "complete"]
    if not runs:
        raise UsageError("no finished run of evo-memory; make one with: harness run")
    rows = [
        ranked_boards.row(
            run.method, [0.5], subsets=["reasoning"], runs=[[run.run_id]], rank=(1, 1)
        )
        for run in runs
    ]
    table = ranked_boards.table(rows, ["reasoning"])
    return [SiteBoard(ranked_boards.board([table]))], ["board x cannot be loaded"]


class Served:
    """A keeper and its server in a thread of their own."""

    def __init__(self, root, folder):
        self.keeper = SiteKeeper(root, folder, (), build, SiteOptions())
        self.keeper.build()
        self.socket = listen(0)
        self.port = self.socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.folder = folder
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        self._started.wait(20)

    async def _serve(self):
        from aiohttp import web

        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        server = application(self.folder, self.port, self.keeper.progress)
        runner = web.AppRunner(server, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.SockSite(runner, self.socket).start()
        watching = asyncio.create_task(self.keeper.watch())
        self._started.set()
        await self._end.wait()
        watching.cancel()
        self.keeper.stop()
        await runner.cleanup()

    def close(self):
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(20)
        self.socket.close()

    def ask(self, path, method="GET", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, dict(answer.getheaders()), body


@pytest.fixture
def served(results, tmp_path):
    results.store.prepare()
    small_site.publish(results, "exprag")
    one = Served(results.root, tmp_path / "site")
    yield one
    one.close()


def test_pages_and_data_carry_the_headers_of_a_closed_page(served):
    for path in ("/", "/board/evo-memory.html", "/assets/table.js", "/nothing", "/live.json"):
        _, headers, _ = served.ask(path)
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_what_lies_outside_the_site_is_not_handed_out(served, tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    (served.folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    for path in (
        *("/../secret.txt", "/%2e%2e/secret.txt", "/board/../../secret.txt"),
        *("/..%2fsecret.txt", "/%2fetc/passwd", "//etc/passwd", "/link.txt"),
        *("/.harness-site", "/board/..%5c..%5csecret.txt", "/assets/%00", "/board"),
    ):
        status, _, body = served.ask(path)
        assert status == 404, path
        assert b"secret" not in body


def test_only_this_machine_is_answered_by_its_own_name(served):
    assert served.ask("/", Host=f"localhost:{served.port}")[0] == 200
    for host in ("evil.example", f"evil.example:{served.port}", "127.0.0.1", "localhost:1"):
        assert served.ask("/live.json", Host=host)[0] == 403
    assert served.ask("/", method="POST")[0] == 405


def test_progress_of_running_runs_is_told(served, results):
    assert json.loads(served.ask("/live.json")[2])["running"] == []
    path = results.root / "journal" / "01RUNNING.jsonl"
    journal = Journal(path)
    summary = {
        "work_key": "k",
        "code_hash": "c",
        "task": "evo-memory",
        "subset": "babyai",
        "method": "react+exprag",
        "model": "smollm2",
        "order": "native",
        "sample_seed": 0,
        "n_planned": 60,
        "started_at": "2026-01-02 03:04:05",
    }
    journal.append({"kind": "run", "summary": summary})
    (running,) = json.loads(served.ask("/live.json")[2])["running"]
    assert (running["method"], running["n_done"], running["n_planned"]) == ("react+exprag", 0, 60)
    journal.close()


def test_a_port_in_use_is_one_sentence(served):
    with pytest.raises(UsageError, match=f"port {served.port} of 127.0.0.1 cannot be taken"):
        listen(served.port)


def test_before_the_first_run_the_page_says_so(tmp_path):
    keeper = SiteKeeper(tmp_path, tmp_path / "site", (), build, SiteOptions())
    keeper.build()
    assert "no finished run of evo-memory" in (tmp_path / "site" / "index.html").read_text()


def test_an_unknown_board_is_an_error(tmp_path):
    def unknown(store, names):
        raise UnknownName("board", "evo-memo", ["evo-memory"])

    with pytest.raises(UnknownName, match="did you mean evo-memory"):
        SiteKeeper(tmp_path, tmp_path / "site", ("evo",), unknown, SiteOptions()).build()


@pytest.mark.browser
def test_a_page_follows_runs_as_they_land(served, results, tab):
    page = tab.page
    page.goto(f"{served.url}board/evo-memory.html")
    assert page.locator("#t0 tbody tr").count() == 1
    page.locator("#t0 th[data-key=value] button").click()
    journal = Journal(results.root / "journal" / "01RUNNING.jsonl")
    summary = {
        "work_key": "k",
        "code_hash": "c",
        "task": "evo-memory",
        "subset": "babyai",
        "method": "<b>evil</b>",
        "model": "smollm2",
        "order": "native",
        "sample_seed": 0,
        "n_planned": 60,
        "started_at": "2026-01-02 03:04:05",
    }
    journal.append({"kind": "run", "summary": summary})
    page.locator("#live tbody tr", has_text="<b>evil</b>").wait_for()
    assert "0 of 60" in page.locator("#live").inner_text()
    journal.delete()
    journal.close()
    small_site.publish(results, "react+exprag")
    page.get_by_role("button", name="Show them").click(timeout=60_000)
    page.locator("#t0 tbody tr").nth(1).wait_for()
    page.locator("#t0 [aria-sort=descending]").wait_for()
    page.goto(served.url)
    assert "board x cannot be loaded" in page.locator(".problems").inner_text()


def test_the_command_serves_and_ends_cleanly(results, tmp_path):
    small_site.publish(results, "exprag")
    code = "from harness.cli import main; main()"
    command = [sys.executable, "-c", code, "view", "--results", str(results.root)]
    command += ["--no-open", "--board", "evo-memory"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            address = process.stdout.readline().strip()
            assert address.startswith("http://127.0.0.1:")
            port = int(address.rstrip("/").rsplit(":", 1)[1])
            with socket.create_connection(("127.0.0.1", port)) as plain:
                plain.sendall(
                    f"GET /../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
                    "Connection: close\r\n\r\n".encode()
                )
                assert plain.recv(100).startswith(b"HTTP/1.1 404")
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
            assert "Traceback" not in process.stderr.read()
        finally:
            process.kill()
    assert list(tmp_path.glob("harness-view-*")) == []
