"""Run one command and measure it: wall, processor time, peak memory, or that it took too long.

Processor time is user and system time of the process and of every descendant that was waited for
(``wait4``). Peak memory is the largest resident set of any one of them; the kernel counts that of
the starting process in, so the driver itself imports nothing large.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """What a command cost."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    killed: bool
    """It ran past the patience, so the numbers are only what it had used by then."""


class CommandFailed(Exception):
    """A measured command that ended with an unexpected code."""


def run_measured(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    patience_s: float,
    started: Callable[[int], None] | None = None,
    log: Path,
) -> Cost:
    """Run a command to its end, or kill it and its descendants after `patience_s`.

    Args:
        started: called with the process id when the process exists.
        log: file for what it prints.

    Raises:
        CommandFailed: its exit code is not 0.
    """
    began = time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        late = threading.Event()

        def kill() -> None:
            late.set()
            # Its own session: the group holds this command and what it started, nothing else.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(patience_s, kill)
        timer.start()
        try:
            if started is not None:
                started(process.pid)
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            os.waitpid(process.pid, 0)
            raise
        finally:
            timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - began
    if process.returncode != 0 and not late.is_set():
        what = f"{' '.join(command)}\nended with {process.returncode}:"
        raise CommandFailed(f"{what}\n{last_lines(log)}")
    cpu = usage.ru_utime + usage.ru_stime
    return Cost(wall, cpu, usage.ru_maxrss / 1024, late.is_set())


def last_lines(log: Path) -> str:
    """The end of what a command printed."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-30:])


def cpu_of_tree(pid: int) -> float:
    """Seconds of processor time that a process and its descendants, dead ones too, have used.

    The kernel counts in ticks of (usually) 10 ms.
    """
    parents, ticks = dict[int, int](), dict[int, int]()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            # The name in parentheses may hold blanks.
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        number = int(folder.name)
        parents[number] = int(fields[1])
        ticks[number] = sum(int(field) for field in fields[11:15])
    members = {pid}
    while True:
        more = {one for one, parent in parents.items() if parent in members} - members
        if not more:
            return sum(ticks.get(one, 0) for one in members) / _TICKS
        members |= more
