"""The echo server as its users see it: start it, set its delay, read what it counted."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[1]
MODEL = "echo"
"""Name of the model that the server says it has."""


class EchoServer:
    """The server of `benchmarks.server` in a process of its own; use as a context manager."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "benchmarks.server"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        port = self._process.stdout.readline().strip()
        if not port:
            raise SystemExit("the echo server did not start.")
        self.base = f"http://127.0.0.1:{port}"
        self.url = f"{self.base}/v1"
        # Never through a proxy that the environment names.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.terminate()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def reset(self, delay_s: float) -> None:
        """Count anew; answer after this delay from now on."""
        self._ask("/reset", {"delay_s": delay_s})

    def watch(self, pid: int) -> None:
        """Note the processor time of this process at the next first completion."""
        self._ask("/watch", {"pid": pid})

    def stats(self) -> dict[str, Any]:
        """See `benchmarks.server.Stats`."""
        return self._ask("/stats")

    def _ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with self._opener.open(f"{self.base}{path}", data, timeout=30) as answer:
            return json.load(answer)
