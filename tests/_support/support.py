"""Shared by the tests: a real OpenAI-compatible server, and the `harness` command as a process.

The server answers as a pure function of the prompt, so that equal requests have equal answers,
and counts what it was asked. It runs in a thread of the test process on a free loopback port.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web

MODEL = "scripted-model"
ACTIONS = ("turn left", "turn right", "move forward", "check available actions", "dance", "toggle")


def digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def scripted_answer(prompt: str) -> str:
    """Answer a prompt of the built-in agents: sometimes right, in every form they offer."""
    number = digest(prompt)
    if "Think-Prune:" in prompt and number % 3:
        return ("Think: it is a matter of care", "Think-Prune: 1")[number % 2]
    if "Think: one sentence" in prompt and number % 2:
        return "Think: let me see"
    if "Reply with one line, Action:" in prompt or "Action: one action" in prompt:
        return f"Action: {ACTIONS[number % len(ACTIONS)]}"
    if "'Action:'" in prompt:
        return f"Thought: hm\nAction: {ACTIONS[number % len(ACTIONS)]}"
    if "Yes or No" in prompt:
        answer = ("Yes", "No")[number % 2]
    elif "True or False" in prompt:
        answer = ("True", "False")[number % 2]
    else:
        answer = str(number % 3 + 1)
    return f"Thought: hm\nAnswer: {answer}" if "'Answer:'" in prompt else answer


class Server:
    """A server for one test; use as a context manager."""

    def __init__(self, answer: Callable[[str], str] = scripted_answer) -> None:
        self.answer = answer
        self.asked: Counter[str] = Counter()
        self.prompts: list[str] = []
        self.embedded: Counter[str] = Counter()
        self.most_in_flight = 0
        self.broken: Callable[[str], bool] = lambda _prompt: False
        self.kill_at: int | None = None
        self.victim: subprocess.Popen[str] | None = None
        self.kill_with = signal.SIGKILL
        self._in_flight = 0
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.url = ""

    @property
    def total(self) -> int:
        return sum(self.asked.values())

    def __enter__(self) -> Server:
        self._thread.start()
        assert self._started.wait(20)
        return self

    def __exit__(self, *_error: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        app = web.Application(client_max_size=2**24)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/embeddings", self._embed)
        runner = web.AppRunner(app, access_log=None)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        port = site._server.sockets[0].getsockname()[1]  # pyright: ignore
        self.url = f"http://127.0.0.1:{port}/v1"
        self._started.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _models(self, _request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": MODEL}]})

    async def _embed(self, request: web.Request) -> web.Response:
        texts = (await request.json())["input"]
        self.embedded.update(texts)
        rows = [[digest(f"{n}{text}") % 1000 + 1 for n in range(8)] for text in texts]
        data = [{"index": n, "embedding": row} for n, row in enumerate(rows)]
        return web.json_response({"data": data})

    async def _chat(self, request: web.Request) -> web.Response:
        body = await request.json()
        prompt = "\n".join(message["content"] for message in body["messages"])
        self.asked[prompt] += 1
        self.prompts.append(prompt)
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            if self.kill_at is not None and self.total >= self.kill_at and self.victim:
                self.victim.send_signal(self.kill_with)
                self.kill_at = None
            if self.broken(prompt):
                return web.json_response({"error": "out of order"}, status=500)
            # A pause lets other streams ask, as with a real engine.
            await asyncio.sleep(0.002)
            text = self.answer(prompt)
        finally:
            self._in_flight -= 1
        return web.json_response(
            {
                "choices": [{"message": {"content": text}, "finish_reason": "stop"}],
                "usage": {
                    "prompt_tokens": len(prompt.split()),
                    "completion_tokens": len(text.split()),
                },
            }
        )


def start(
    *arguments: str, env: dict[str, str] | None = None, **options: Any
) -> subprocess.Popen[str]:
    """Start the `harness` command."""
    # A shell gives commands in the background no SIGINT, and that is inherited.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    return subprocess.Popen(
        [sys.executable, "-c", f"{heard}; from harness.cli import main; main()", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment() | (env or {}),
        **options,
    )


def harness(
    *arguments: str, env: dict[str, str] | None = None, timeout: float = 180, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run the `harness` command to its end."""
    process = start(*arguments, env=env, **options)
    out, err = process.communicate(timeout=timeout)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def clean_environment() -> dict[str, str]:
    """This environment without what would change the command's defaults."""
    kept = ("HARNESS_CACHE", "HARNESS_DATA")
    return {k: v for k, v in os.environ.items() if not k.startswith("HARNESS_") or k in kept}


def run_arguments(server: Server, results: Path, *more: str) -> list[str]:
    """Arguments of a run against a server, without back-off worth waiting for."""
    return [
        *("run", "--task", "evo-memory", "--model", f"openai:{MODEL}", "--base-url", server.url),
        *("--model-arg", "retries=1", "--model-arg", "backoff_s=0.01"),
        *("--embedder", "bm25", "--results", str(results), *more),
    ]


def comparable(results: Path) -> dict[str, Any]:
    """Everything of a results folder that must not depend on how it came about."""
    from harness.results.store import ResultsStore

    store = ResultsStore(results)
    found: dict[str, Any] = {}
    for run in store.runs():
        samples = store.samples(run.task, [run.run_id])
        rows = []
        for row in samples.to_dict("records"):
            metrics = {k: v for k, v in row["metrics"].items() if not k.startswith("seconds_")}
            kept = {k: v for k, v in row.items() if k not in ("run_id", "latency_s", "attempt")}
            rows.append({**kept, "metrics": metrics})
        traces = store.traces(run.task, [run.run_id])
        texts = [
            (row["sample_id"], row["trajectory"], row["context"], row["output"], _calls(row))
            for row in traces.to_dict("records")
        ]
        memory = store.memory(run.run_id).drop(columns=["run_id"])
        found[run.method] = {
            "status": str(run.status),
            "score": run.score,
            "samples": json.dumps(rows, sort_keys=True),
            "texts": texts,
            "memory": memory.to_json(),
        }
    assert not store.problems
    return found


def _calls(row: dict[str, Any]) -> str:
    return re.sub(r'"latency_s": [\d.e-]+', '"latency_s": 0', row["calls"])
