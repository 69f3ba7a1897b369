"""A server that misbehaves in every way known: each sample gets a result or an error row."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter

import pytest
from aiohttp import web
from endpoints import completion, endless, half, raw, reset, silent, stalled, status
from support import MODEL, harness

from harness.results.store import ResultsStore

CANARY = "sk-canary-7f3a9b2c55d1"
ITEMS = 36


async def slow(_request):
    await asyncio.sleep(0.3)
    return web.json_response(completion("Yes"))


def echoes_the_key(request):
    return web.Response(status=400, text=f"bad key {request.headers['Authorization']}")


def text(value):
    return lambda _request: web.json_response(completion(value))


BEHAVIOURS = {
    "good": text("Yes"),
    "slow": slow,
    "half": half,
    "reset": reset,
    "silent": silent,
    "stalled": stalled,
    "endless": endless,
    "html": raw(b"<html>busy</html>", "text/html"),
    "not json": raw(b"{'single': quotes}"),
    "wrong type": raw(json.dumps(completion("Yes")).encode(), "image/png"),
    "429": status(429),
    "429 with Retry-After": status(429, **{"Retry-After": "0.05"}),
    "500": status(500),
    "echo": echoes_the_key,
    "no usage": lambda _request: web.json_response({"choices": completion("No")["choices"]}),
    "empty choices": lambda _request: web.json_response({"choices": []}),
    "unicode and NUL": text("Yes \x00 \ud83d 🐍 \u202e"),
    "empty": text(""),
}
ALWAYS_ANSWERED = {"good", "slow", "wrong type", "no usage", "unicode and NUL", "empty"}


class Hostile:
    """Behaves towards the n-th new prompt as the n-th behaviour says; twice, or for ever."""

    def __init__(self, *, passes: bool) -> None:
        self.passes = passes
        self.seen: Counter[str] = Counter()
        self.behaviour: dict[str, str] = {}
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.url = ""

    async def chat(self, request):
        body = await request.json()
        prompt = body["messages"][-1]["content"]
        names = list(BEHAVIOURS)
        name = self.behaviour.setdefault(prompt, names[len(self.behaviour) % len(names)])
        self.seen[prompt] += 1
        if self.passes and self.seen[prompt] > 1:
            name = "good"
        response = BEHAVIOURS[name](request)
        return await response if asyncio.iscoroutine(response) else response

    async def models(self, _request):
        return web.json_response({"data": [{"id": MODEL}]})

    def serve(self):
        asyncio.set_event_loop(self.loop)
        app = web.Application()
        app.router.add_get("/v1/models", self.models)
        app.router.add_post("/v1/chat/completions", self.chat)
        runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=0.01
        )
        self.loop.run_until_complete(runner.setup())
        self.loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self.ready.set()
        self.loop.run_forever()
        self.loop.run_until_complete(runner.cleanup())
        self.loop.close()

    def __enter__(self):
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        assert self.ready.wait(20)
        return self

    def __exit__(self, *_error):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(20)


def arguments(server, results):
    return [
        *("run", "--task", "evo-memory", "--model", f"openai:{MODEL}", "--base-url", server.url),
        *("--method", "baseline", "-T", "families=syllogism", "-T", f"items={ITEMS // 4}"),
        *("-T", "streams=4", "--results", str(results), "--model-arg", "timeout_s=1"),
        *("--model-arg", "retries=1", "--model-arg", "backoff_s=0.01", "--max-in-flight", "64"),
    ]


def samples(results):
    store = ResultsStore(results)
    (run,) = store.runs()
    assert not store.problems
    frame = store.samples(run.task, [run.run_id])
    traces = store.traces(run.task, [run.run_id])
    assert len(frame) == len(traces) == run.n_planned == ITEMS
    return run, frame


@pytest.mark.parametrize("passes", [False, True], ids=["for ever", "once"])
def test_every_sample_gets_a_result_or_an_error_row(tmp_path, passes):
    with Hostile(passes=passes) as server:
        done = harness(*arguments(server, tmp_path), env={"OPENAI_API_KEY": CANARY})
        assert "Traceback" not in done.stderr
        run, frame = samples(tmp_path)
        errors = Counter(server.behaviour.values())
        refused = errors["echo"]
        if passes:
            assert (run.n_error, done.returncode) == (refused, 1)
        else:
            answered = sum(errors[name] for name in ALWAYS_ANSWERED)
            assert run.n_done == answered
            assert run.n_error == ITEMS - answered
        assert set(frame.status) <= {"ok", "error"}, list(frame[frame.status == "failed"].error)
        assert all(frame[frame.status == "error"].error.str.len() > 20)
        # What is missing is completed once the server behaves.
        server.behaviour = dict.fromkeys(server.behaviour, "good")
        again = harness(*arguments(server, tmp_path), env={"OPENAI_API_KEY": CANARY})
        assert again.returncode == 0, again.stdout
        run, _ = samples(tmp_path)
        assert (run.n_done, run.n_error) == (ITEMS, 0)
    everything = done.stdout + done.stderr + again.stdout + again.stderr
    assert CANARY not in everything
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in files if CANARY.encode() in path.read_bytes()]
