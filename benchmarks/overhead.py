"""What the harness itself costs in CPU, per sample and at start; the server answers at once.

Runs the `harness` command on generated questions at two sizes, several times in turn with a floor
(aiohttp and one appended line per answer, nothing else), and reports the slope between the sizes:
processor time for each further sample, user and system, of the client process alone. Medians with
minimum and maximum.

    python benchmarks/overhead.py [--repeats 5] [--small 200] [--large 2200]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version

METHODS = ("baseline", "exprecent", "exprag", "remem")
STREAMS = 20


def serve(port: multiprocessing.Queue) -> None:
    """An OpenAI-compatible server that answers the same at once."""
    from aiohttp import web

    answer = {
        "choices": [{"message": {"content": "1"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1},
    }

    async def chat(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response(answer)

    async def models(_request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "echo"}]})

    async def main() -> None:
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/v1/chat/completions", chat)
        app.router.add_get("/v1/models", models)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port.put(site._server.sockets[0].getsockname()[1])
        await asyncio.Event().wait()

    asyncio.run(main())


FLOOR = """
import asyncio, json, sys, aiohttp
url, count = sys.argv[1], int(sys.argv[2])
async def main():
    with open(sys.argv[3], "a") as journal:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            gate = asyncio.Semaphore(32)
            async def one(n):
                body = {"model": "echo", "messages": [{"role": "user", "content": f"question {n}"}]}
                async with gate, session.post(url + "/chat/completions", json=body) as answer:
                    text = (await answer.json())["choices"][0]["message"]["content"]
                journal.write(json.dumps({"sample": n, "text": text}) + "\\n")
                journal.flush()
            await asyncio.gather(*(one(n) for n in range(count)))
asyncio.run(main())
"""


def cpu_of(command: list[str]) -> tuple[float, float]:
    """CPU and wall seconds of a command."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.perf_counter() - started


def harness_command(url: str, method: str, samples: int, folder: str) -> list[str]:
    """One run of one method."""
    return [
        *(sys.executable, "-c", "from harness.cli import main; main()", "run"),
        *("--task", "evo-memory", "--method", method, "--model", "openai:echo"),
        *("--base-url", url, "--embedder", "bm25", "--results", folder, "--fresh"),
        *("-T", f"streams={STREAMS}", "-T", f"items={samples // STREAMS}"),
        *("-T", "families=letter_counting,syllogism", "-T", "store=all"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--small", type=int, default=200)
    parser.add_argument("--large", type=int, default=2200)
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    port = context.Queue()
    server = context.Process(target=serve, args=(port,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{port.get()}/v1"
    costs: dict[str, list[tuple[float, float]]] = {name: [] for name in ("floor", *METHODS)}
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(options.repeats):
            for name in costs:
                cpu = []
                for size in (options.small, options.large):
                    if name == "floor":
                        journal = os.path.join(folder, f"floor-{repeat}-{size}")
                        command = [sys.executable, "-c", FLOOR, url, str(size), journal]
                    else:
                        command = harness_command(url, name, size, folder)
                    cpu.append(cpu_of(command)[0])
                slope = (cpu[1] - cpu[0]) / (options.large - options.small) * 1000
                costs[name].append((slope, cpu[0] - slope * options.small / 1000))
    server.terminate()
    packages = ("method-harness", "aiohttp", "pydantic", "pyarrow")
    print("versions:", json.dumps({name: version(name) for name in packages}))
    print(f"{'':12}{'ms per sample (min-max)':>28}{'x floor':>9}{'start, CPU-s':>14}")
    floor = statistics.median(slope for slope, _ in costs["floor"])
    for name, found in costs.items():
        slopes, starts = [one[0] for one in found], [one[1] for one in found]
        middle = statistics.median(slopes)
        span = f"{middle:.2f} ({min(slopes):.2f}-{max(slopes):.2f})"
        print(f"{name:12}{span:>28}{middle / floor:>9.1f}{statistics.median(starts):>14.2f}")


if __name__ == "__main__":
    main()
