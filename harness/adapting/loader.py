"""Images for a stream, made ahead of the method in other processes, in order."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from harness.errors import InfrastructureError, InvalidSample
from harness.protocols.adapt.task import Picture, Reader

if TYPE_CHECKING:
    from harness.protocols.adapt.task import Pixels

_PIECE = 8
"""Images of one job: few enough to spread a batch, enough to outweigh the message."""
_AHEAD = 2
"""Batches that are made before the method asks for them, at least."""


@dataclass(frozen=True)
class Image:
    """A picture that was made, or why it could not be."""

    picture: Picture
    pixels: Pixels | None
    content_hash: str
    """Of its bytes."""
    problem: str = ""


class Loader:
    """Makes images.

    Args:
        reader: makes one.
        size: side of the images in pixels.
        workers: processes; 0: a thread of this one; None: one less than there are cores.
    """

    def __init__(self, reader: Reader, size: int, workers: int | None) -> None:
        self._reader = reader
        self._size = size
        self._workers = max(1, (os.cpu_count() or 2) - 1) if workers is None else workers

    def batches(self, wanted: Iterable[Sequence[Picture]]) -> Generator[list[Image]]:
        """The images of each batch, in order; close it to stop the processes.

        Raises:
            InfrastructureError: a process that makes images died.
        """
        pool = self._pool()
        waiting = deque[list[Future[list[Image]]]]()
        try:
            for pictures in wanted:
                pieces = [pictures[n : n + _PIECE] for n in range(0, len(pictures), _PIECE)]
                waiting.append(
                    [pool.submit(_make, self._reader, self._size, piece) for piece in pieces]
                )
                if sum(map(len, waiting)) > 2 * self._workers and len(waiting) > _AHEAD:
                    yield _finished(waiting.popleft())
            while waiting:
                yield _finished(waiting.popleft())
        except BrokenProcessPool as error:
            raise InfrastructureError(
                "a process that makes images died, perhaps for lack of memory; run the same "
                "command again, with fewer of them: -T workers=1"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _pool(self) -> Executor:
        if self._workers == 0:
            return ThreadPoolExecutor(1)
        # Not forked: this process has threads of torch.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self._workers, mp_context=context, initializer=_begin_process)


def _finished(pieces: list[Future[list[Image]]]) -> list[Image]:
    return [one for piece in pieces for one in piece.result()]


def _begin_process() -> None:
    """Make ready; Ctrl-C is the parent's to handle, and one process takes one core."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Without this the process would wait for ever for work of a parent that was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _make(reader: Reader, size: int, pictures: Sequence[Picture]) -> list[Image]:
    found = list[Image]()
    for picture in pictures:
        try:
            pixels = reader.read(picture, size)
        except InvalidSample as error:
            found.append(Image(picture, None, "", str(error)))
        else:
            found.append(Image(picture, pixels, hashlib.sha256(pixels.tobytes()).hexdigest()[:16]))
    return found
