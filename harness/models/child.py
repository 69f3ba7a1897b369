"""A server process that this one starts, watches and ends, whatever happens to either."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.errors import UsageError
from harness.models import guard

_GRACE_S = 10.0
_READ_BYTES = 2**20
_ERROR = re.compile(r"\b\w*(?:Error|Exception|error): \S.*")
_HARMLESS = re.compile(r"(?:INFO|WARNING|DEBUG) ")
_PREFIX = re.compile(r"^\([\w-]+ pid=\d+\)\s+")


class ServerProcess:
    """One command under a guard that ends it when this process is gone.

    Args:
        command: what to run.
        environment: all its variables.
        log: file to which its output is appended.

    Raises:
        UsageError: it cannot be started.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        try:
            with log.open("ab") as file:
                self._begins = file.tell()
                self._guard = subprocess.Popen(  # noqa: S603 - the command is the purpose
                    [sys.executable, "-I", guard.__file__, str(_GRACE_S), *command],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=file,
                    env=dict(environment),
                    start_new_session=True,
                )
        except OSError as error:
            raise UsageError(f"cannot start {command[0]}: {error.strerror}.") from error
        first = self._guard.stdout.readline() if self._guard.stdout else b""
        self.pid = int(first or 0)
        """Process id of the command; 0 if it could not be started."""

    @property
    def exit_code(self) -> int | None:
        """How it ended, 128 + N for signal N; None while it runs."""
        return self._guard.poll()

    async def ends_within(self, seconds: float) -> bool:
        """Wait for its end."""
        until = time.monotonic() + seconds
        while self._guard.poll() is None:
            if time.monotonic() >= until:
                return False
            await asyncio.sleep(0.05)
        return True

    async def stop(self) -> None:
        """End it with all that it started."""
        if self._guard.stdin is not None:
            self._guard.stdin.close()
        await asyncio.to_thread(self._guard.wait)
        if self._guard.stdout is not None:
            self._guard.stdout.close()

    def last_words(self) -> str:
        """The last thing it said."""
        return (self._lines() or ["(nothing yet)"])[-1]

    def last_lines(self, count: int = 12) -> str:
        """The end of what it said, led by the first error in it if that is not shown anyway."""
        lines = self._lines()
        shown = lines[-count:]
        errors = (_ERROR.search(line) for line in lines if not _HARMLESS.match(line))
        first = next((found[0] for found in errors if found), "")
        if first and not any(first in line for line in shown):
            shown = [f"first error: {first}", "...", *shown]
        return "\n".join(f"    {line[:400]}" for line in shown) or "    (it said nothing)"

    def _lines(self) -> list[str]:
        """What it said since it was started, without empty lines and process names."""
        try:
            with self.log.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(self._begins, size - _READ_BYTES))
                text = file.read().decode("utf-8", "replace")
        except OSError as error:
            return [f"(cannot read {self.log}: {error.strerror})"]
        return [_PREFIX.sub("", line.rstrip()) for line in text.splitlines() if line.strip()]


def free_port() -> int:
    """A loopback port that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
