"""One worker process that answers calls to an object of its own, and the wire between.

The parent names a class; the worker makes one object of it and answers ``call(name, *arguments)``
with what its method returns, one call at a time, pickled over a socket pair. An exception of
`harness.errors` comes back as itself, any other as a `TaskError`. The worker ends with its parent,
however that ends, since the socket then closes; it never writes to the parent's standard output.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from multiprocessing.connection import Connection
from typing import IO, Any

from harness import errors
from harness.errors import HarnessError, TaskError

_MODULE = "harness_tasks.evo_memory.worker_process"
_GRACE_S = 2.0
_PATIENCE_S = 300.0
"""For one call; a world that takes longer is as good as dead."""
_SHOWN = 400
"""Characters of a dead worker's last words that a message shows."""


class WorkerDied(Exception):
    """The process ended before it answered; the text says how."""


class WorkerProcess:
    """The parent's side of a worker; not safe for threads, so lock it while a call runs.

    Args:
        served: ``module:class`` of the object that answers, made without arguments.
    """

    def __init__(self, served: str) -> None:
        self._served = served
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection[Any, Any] | None = None
        self._words: IO[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process, or None before `start` and after `close`."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process; nothing happens if it runs."""
        if self._process is not None:
            return
        ours, theirs = socket.socketpair()
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, this module
                [sys.executable, "-m", _MODULE, str(theirs.fileno()), self._served],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._words,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                start_new_session=True,  # an interrupt at the terminal is the parent's to handle
            )
        self._connection = Connection(ours.detach())

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a method of the served object and wait for what it returns.

        Raises:
            WorkerDied: the process ended.
            HarnessError: what the method raised.
        """
        if self._connection is None:
            raise WorkerDied("it was not started")
        try:
            self._connection.send((name, arguments))
            if not self._connection.poll(_PATIENCE_S):
                self._end()
                raise WorkerDied(f"no answer to {name} within {_PATIENCE_S:g} s")
            failed, answer = self._connection.recv()
        except (EOFError, OSError) as error:
            raise WorkerDied(self._last_words()) from error
        if failed:
            raise _rebuilt(*answer)
        return answer

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """End the process, by force if it does not end itself."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            try:
                self._process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._words is not None:
            self._words.close()
        self._process = self._connection = self._words = None

    def _last_words(self) -> str:
        if self._process is None or self._words is None:
            return "it is closed"
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_S)
        self._words.seek(0)
        words = self._words.read().decode(errors="replace").strip()
        said = f": {words[-_SHOWN:]}" if words else ""
        return f"exit status {self._process.returncode}{said}"


def _rebuilt(name: str, text: str, trace: str) -> HarnessError:
    """An exception that was raised in the worker, as its class in `harness.errors`."""
    kind: Any = getattr(errors, name, None)
    if not (isinstance(kind, type) and issubclass(kind, HarnessError)):
        kind, text = TaskError, f"{name}: {text}"
    # Some classes build their text from several arguments; here it is there already.
    error: HarnessError = kind.__new__(kind)
    Exception.__init__(error, text)
    error.add_note(trace)
    return error


def _answer(served: Any, name: str, arguments: tuple[Any, ...]) -> tuple[bool, Any]:
    try:
        return False, getattr(served, name)(*arguments)
    except Exception as error:  # noqa: BLE001 - whatever is raised is told to the parent
        return True, (type(error).__name__, str(error), traceback.format_exc())


def main(descriptor: int, served: str) -> None:
    """Answer calls until the parent closes its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    module, _, class_name = served.partition(":")
    answering = getattr(importlib.import_module(module), class_name)()
    with Connection(descriptor) as connection:
        while True:
            try:
                name, arguments = connection.recv()
                connection.send(_answer(answering, name, arguments))
            except (EOFError, OSError):
                break
    # What the worlds started (threads, a Java process) must not keep an orphan alive.
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
