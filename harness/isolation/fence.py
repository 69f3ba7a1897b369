"""Keeps a worker's writes inside its folder, and its connections on this machine.

An audit hook (PEP 578) sees every file that Python code opens, makes, moves or removes, and every
address that it connects to or looks up. It guards against mistakes, such as a store in the home
folder that two runs would share, or telemetry that nobody switched off; it is no prison: code in
C is not seen.
"""

from __future__ import annotations

import os
import sys
from itertools import zip_longest
from pathlib import Path
from typing import Any, cast

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {
    **dict.fromkeys(("os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.chmod"), 1),
    **dict.fromkeys(("os.chown", "os.utime", "os.setxattr", "shutil.rmtree"), 1),
    **dict.fromkeys(("os.rename", "os.link", "shutil.move"), 2),
}
"""Events, and how many of their first arguments are paths that they change."""
_FOLDERS = {
    **dict.fromkeys(("os.remove", "os.rmdir"), (1,)),
    **dict.fromkeys(("os.mkdir", "os.chmod", "os.symlink"), (2,)),
    **dict.fromkeys(("os.chown", "os.utime"), (3,)),
    **dict.fromkeys(("os.rename", "os.link"), (2, 3)),
}
"""Events, and which of their arguments are open folders that their paths start in, or -1."""
_DEVICES = frozenset(
    (
        "/dev/null",
        "/dev/zero",
        "/dev/tty",
        "/dev/stdout",
        "/dev/stderr",
        "/dev/random",
        "/dev/urandom",
    )
)
_PROCESSES = frozenset(
    ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork")
)
_ADDRESSES = {"socket.connect": 1, "socket.sendto": 1, "socket.sendmsg": 1}
"""Events, and which of their arguments is the address."""
_NAMES = frozenset(("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"))
_LOOPBACK = frozenset(("127.0.0.1", "::1", "localhost", "", None))


class Fence:
    """Refuses writes outside of a folder and connections to other machines.

    The first that was tried is remembered.

    Args:
        folder: where the process may write.
    """

    def __init__(self, folder: Path) -> None:
        self._inside = os.path.realpath(folder) + os.sep
        self.breach = ""
        """What was tried; stays set if the code swallowed the exception."""

    def raise_it(self) -> None:
        """Guard this process from now on; an audit hook cannot be taken back."""
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            if _opens_for_writing(mode, flags):
                self._check(path, "write")
        elif event in _CHANGES:
            folders = [arguments[one] for one in _FOLDERS.get(event, ())]
            for path, folder in zip_longest(arguments[: _CHANGES[event]], folders, fillvalue=-1):
                self._check(path, "change", folder)
        elif event == "os.symlink":
            self._check(arguments[1], "write", arguments[2])
        elif event == "sqlite3.connect":
            self._check(arguments[0], "write")
        elif event in _PROCESSES:
            self._refuse(f"start another process {_program(arguments)}".strip())
        elif event in _ADDRESSES:
            self._check_address(arguments[_ADDRESSES[event]])
        elif event in _NAMES:
            self._check_host(arguments[0])

    def _check_address(self, address: object) -> None:
        """A socket's address: a path or None is of this machine; else its host comes first."""
        if isinstance(address, tuple) and address:
            self._check_host(cast("tuple[object, ...]", address)[0])

    def _check_host(self, host: object) -> None:
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        if name not in _LOOPBACK:
            self._refuse(f"connect to {name}")

    def _check(self, path: object, verb: str, folder: object = -1) -> None:
        if isinstance(path, int):
            return  # a descriptor that was opened before
        try:
            text = os.fsdecode(path)  # pyright: ignore[reportArgumentType]
        except TypeError:
            return
        if text in ("", ":memory:") or text.startswith("file::memory:"):
            return
        if isinstance(folder, int) and folder >= 0:
            text = os.path.join(_place(folder), text)
        real = os.path.realpath(text)
        if not (real + os.sep).startswith(self._inside) and real not in _DEVICES:
            self._refuse(f"{verb} {text}")

    def _refuse(self, what: str) -> None:
        self.breach = self.breach or what
        raise PermissionError(f"a memory in a worker process may not {what}")


def _program(arguments: tuple[object, ...]) -> str:
    """What an event wants to start, as far as it says it."""
    named = next((one for one in arguments if isinstance(one, str | bytes)), "")
    return f"({os.fsdecode(named)[:80]})" if named else ""


def _place(folder: int) -> str:
    """Path of an open folder, as far as the system tells it."""
    try:
        return os.readlink(f"/proc/self/fd/{folder}")
    except OSError:
        return ""


def _opens_for_writing(mode: object, flags: object) -> bool:
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return isinstance(flags, int) and bool(flags & _WRITES)
