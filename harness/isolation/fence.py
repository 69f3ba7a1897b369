"""Keeps a worker's writes inside its folder.

An audit hook (PEP 578) sees every file that Python code opens, makes, moves or removes. It guards
against mistakes, such as a store in the home folder that two runs would share; it is no prison:
code in C is not seen.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {
    **dict.fromkeys(("os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.chmod"), 1),
    **dict.fromkeys(("os.chown", "os.utime", "os.setxattr", "shutil.rmtree"), 1),
    **dict.fromkeys(("os.rename", "os.link", "shutil.move"), 2),
}
"""Events, and how many of their first arguments are paths that they change."""
_PROCESSES = frozenset(
    ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork")
)


class Fence:
    """Refuses writes outside of a folder, and remembers the first that was tried.

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
            for path in arguments[: _CHANGES[event]]:
                self._check(path, "change")
        elif event in ("os.symlink", "sqlite3.connect"):
            self._check(arguments[-1], "write")
        elif event in _PROCESSES:
            self._refuse("start another process")

    def _check(self, path: object, verb: str) -> None:
        if isinstance(path, int):
            return  # a descriptor that was opened before
        try:
            text = os.fsdecode(path)  # pyright: ignore[reportArgumentType]
        except TypeError:
            return
        if text in ("", ":memory:") or text.startswith("file::memory:"):
            return
        real = os.path.realpath(text)
        if not (real + os.sep).startswith(self._inside) and not real.startswith("/dev/"):
            self._refuse(f"{verb} {text}")

    def _refuse(self, what: str) -> None:
        self.breach = self.breach or what
        raise PermissionError(f"a memory in a worker process may not {what}")


def _opens_for_writing(mode: object, flags: object) -> bool:
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return isinstance(flags, int) and bool(flags & _WRITES)
