"""Runs one command and ends it, with all that it started, when whoever asked for it is gone.

Used as a script: ``python guard.py GRACE_SECONDS COMMAND ...``. Standard input is the lifeline: a
pipe that the parent keeps open, and that the system closes in whatever way the parent ends, SIGKILL
included. The first line of standard output is the command's process id. The exit code is the
command's, 128 + N where signal N ended it.

Only the standard library is used, so that it starts in a moment in any interpreter.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_LOOK_EVERY_S = 0.1


def main(arguments: list[str]) -> int:
    """Run the command until it ends or the lifeline does."""
    grace_s, command = float(arguments[0]), arguments[1:]
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    child = subprocess.Popen(  # noqa: S603 - the command is the purpose
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        start_new_session=True,
        preexec_fn=_die_with_the_guard,
    )
    print(child.pid, flush=True)  # noqa: T201 - read by the parent
    signal.signal(signal.SIGTERM, _leave)
    try:
        while child.poll() is None and not _lifeline_is_cut():
            pass
    except SystemExit:
        pass
    # A second signal must not cut the ending short.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if child.poll() is None:
        _signal_group(child.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(grace_s)
    _signal_group(child.pid, signal.SIGKILL)
    code = child.wait()
    _end_orphans()
    return code if code >= 0 else 128 - code


def _lifeline_is_cut() -> bool:
    ready, _, _ = select.select([sys.stdin], [], [], _LOOK_EVERY_S)
    return bool(ready) and not os.read(sys.stdin.fileno(), 1)


def _leave(_number: int, _frame: object) -> None:
    sys.exit()


def _die_with_the_guard() -> None:
    """If even this process is killed, the system ends the command."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    """Linux only; elsewhere the process group has to do."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _end_orphans() -> None:
    """Kill what left the command's group; the system made this process its parent."""
    until = time.monotonic() + 10.0
    while time.monotonic() < until:
        for one in _children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.01)


def _children() -> list[int]:
    try:
        names = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []
    found = list[int]()
    for name in names:
        with contextlib.suppress(OSError, ValueError, IndexError):
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                parent = file.read().rpartition(")")[2].split()[1]
            if int(parent) == os.getpid():
                found.append(int(name))
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
