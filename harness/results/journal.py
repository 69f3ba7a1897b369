"""The journal of an unfinished run: one JSON object a line, handed to the system at once.

What a killed process has appended is there when the same command runs again. A last line that was
torn by the kill is dropped. One process holds a journal at a time.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from harness.errors import ResultsError, StorageError

_encode = json.JSONEncoder(separators=(",", ":")).encode


class JournalHeld(StorageError):
    """Another process is writing this journal."""


class Journal:
    """An open, exclusively locked journal."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise StorageError(f"cannot open the journal {path}: {error.strerror}.") from error
        try:
            self._size = self._take()
        except BlockingIOError as error:
            self._release()
            raise JournalHeld(f"another process is executing the run of {path}.") from error
        except OSError as error:
            self._release()
            raise StorageError(f"cannot use the journal {path}: {error.strerror}.") from error
        except JournalHeld:
            self._release()
            raise

    def _take(self) -> int:
        """Lock the file and drop a torn last line; returns the size of what is left."""
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(self._file).st_nlink == 0:
            # Whoever held it has published the run and deleted the file since it was opened here.
            raise JournalHeld(f"another process has just finished the run of {self.path}.")
        size = _whole_lines(self._file)
        os.ftruncate(self._file, size)
        return size

    def append(self, record: Mapping[str, Any]) -> int:
        """Add one record; returns where it stands, for `record_at`.

        Raises:
            StorageError: it could not be written in full; the journal is as it was before.
        """
        line = _encode(record).encode() + b"\n"
        written = 0
        try:
            while written < len(line):
                written += os.write(self._file, line[written:])
        except OSError as error:
            self._undo()
            raise StorageError(
                f"cannot write to {self.path}: {error.strerror}; make room and run the same "
                "command again, finished samples are kept."
            ) from error
        except BaseException:
            self._undo()
            raise
        self._size += len(line)
        return self._size - len(line)

    def record_at(self, offset: int) -> dict[str, Any]:
        """Read one record again."""
        line = bytearray()
        while not line.endswith(b"\n"):
            # A line is seldom longer than this, and the next one is not wanted.
            piece = os.pread(self._file, 16384, offset + len(line))
            end = piece.find(b"\n") + 1
            line += piece[:end] if end else piece
            if not piece:
                raise StorageError(f"{self.path} is shorter than it was; start over with --fresh.")
        return json.loads(line)

    def _undo(self) -> None:
        """Cut off what was written of a line; where even that fails, nothing may follow it."""
        try:
            os.ftruncate(self._file, self._size)
        except OSError:
            self._release()

    def records(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Read what is there with where it stands, oldest first."""
        return _read(self.path)

    def close(self) -> None:
        """Release the lock; the file stays if it says anything."""
        if self._file >= 0 and self._size == 0:
            self.path.unlink(missing_ok=True)
        self._release()

    def _release(self) -> None:
        """Release the lock; the file stays."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def delete(self) -> None:
        """Remove the file of a finished run, then release the lock."""
        self.path.unlink(missing_ok=True)
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Read the whole lines of a journal, which another process may be writing.

    Raises:
        ResultsError: a line in the middle is damaged.
    """
    return (record for _, record in _read(path))


def _read(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open("rb") as file:
        offset = 0
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                yield offset, json.loads(line)
                offset += len(line)
            except ValueError as error:
                raise ResultsError(
                    f"{path} line {number} is damaged; cut the file before it to keep what is "
                    "whole, or start over with --fresh."
                ) from error


def _whole_lines(file: int) -> int:
    """Length of an open file up to and including its last line feed."""
    end = os.fstat(file).st_size
    while end > 0:
        start = max(0, end - 65536)
        found = os.pread(file, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
