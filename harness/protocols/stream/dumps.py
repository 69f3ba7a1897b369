"""The states of a memory on disk: dumps of what entries cannot rebuild, and what came after them.

A dump is written whole before its item is committed, with a hash of its files beside it. Between
two dumps (`Memory.snapshot_every`) an item leaves what the memory was told, so that a resumed or
rolled-back memory learns it again with the answers that were journalled.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from harness.errors import HarnessError, MethodError, StorageError
from harness.hooks import call_hook
from harness.models.client import StreamClient
from harness.protocols.stream.method import Memory
from harness.protocols.stream.types import Entry, Experience, Feedback, Turn


@dataclass(frozen=True)
class Lesson:
    """What a memory was told of an item, and what it was made to forget."""

    sample_id: str
    step: int
    experience: Experience | None
    """None where it was told nothing."""
    removed: tuple[str, ...]
    begun: int
    """Calls of the item that came before it was learned."""

    def as_json(self) -> dict[str, Any]:
        """The lesson as plain values."""
        told = self.experience
        return {**vars(self), "experience": None if told is None else asdict(told)}

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> Self:
        """Rebuild a lesson from its JSON."""
        experience: Experience | None = None
        if plain["experience"] is not None:
            told = dict(plain["experience"])
            told["turns"] = tuple(Turn(**one) for one in told["turns"])
            told["feedback"] = Feedback(**told["feedback"])
            told["retrieved"], told["pruned"] = tuple(told["retrieved"]), tuple(told["pruned"])
            experience = Experience(**told)
        removed = tuple(plain["removed"])
        return cls(plain["sample_id"], plain["step"], experience, removed, plain["begun"])


class Dumps:
    """The dumps of one memory.

    Args:
        memory: the memory; one that its entries rebuild, or that no item changes, has no dumps.
        folder: where they lie.
        client: the model that lessons are learned again with.
        calls: finds the journalled calls of an item.
        lessons: those after the newest dump, of an earlier execution.
    """

    def __init__(
        self,
        memory: Memory,
        folder: Path,
        client: StreamClient,
        calls: Callable[[str], Sequence[Mapping[str, Any]]],
        lessons: Iterable[Lesson] = (),
    ) -> None:
        self._memory = memory
        self._folder = folder
        self._client = client
        self._calls = calls
        self._lessons = list(lessons)
        self.needed = memory.stateful and not memory.rebuilt_from_entries

    @property
    def keeps_lessons(self) -> bool:
        """Whether lessons are learned again."""
        return self.needed and self._memory.snapshot_every > 1

    async def begin(self, step: int) -> None:
        """Make sure that there is a dump to return to before the first item is played.

        Args:
            step: the last commit; -1 before the first item.
        """
        if self.needed and self._newest(step) is None:
            await self._write(step)

    def adopt(self, dump: Path) -> None:
        """Take another run's final dump as the state before the first item."""
        if self.needed:
            shutil.copytree(dump, _place(self._folder, -1), dirs_exist_ok=True)

    async def finish(self, step: int) -> None:
        """Secure the final state, which other runs may begin with."""
        if self.needed and self._newest(step) != step:
            await self._write(step)
            self.committed(step)

    async def commit(self, step: int, lesson: Lesson | None) -> None:
        """Secure a state before its item is committed.

        Args:
            step: the item's.
            lesson: what it did to the memory; None where it did nothing.
        """
        if not self.needed:
            return
        if lesson is not None:
            self._lessons.append(lesson)
        if (step + 1) % self._memory.snapshot_every == 0:
            await self._write(step)

    def committed(self, step: int) -> None:
        """Drop what the newest dump has made superfluous."""
        if not self.needed:
            return
        newest = self._newest(step)
        for other in self._steps():
            if newest is not None and other < newest:
                shutil.rmtree(_place(self._folder, other), ignore_errors=True)
                _seal(self._folder, other).unlink(missing_ok=True)
        self._lessons = [one for one in self._lessons if newest is None or one.step > newest]

    async def back(self, step: int, entries: Mapping[str, Entry]) -> None:
        """Return the memory to the commit of a step.

        Raises:
            MethodError: there is no dump of it, or it was changed behind the harness's back.
        """
        if self._memory.rebuilt_from_entries:
            await call_hook(self._memory.restore, entries)
            return
        if not self.needed:
            return
        newest = self._newest(step)
        if newest is None:
            raise MethodError(
                f"the memory's dump {_place(self._folder, step)} is gone; start over with --fresh."
            )
        folder = _place(self._folder, newest)
        seal = _seal(self._folder, newest)
        if seal.is_file() and seal.read_text() != folder_hash(folder):
            raise MethodError(
                f"the memory's dump {folder} was changed after it was written; start over with "
                "--fresh."
            )
        await call_hook(self._memory.load, folder)
        self._lessons = [one for one in self._lessons if one.step <= step]
        for lesson in self._lessons:
            if lesson.step > newest:
                self._client.begin(lesson.sample_id, self._calls(lesson.sample_id), lesson.begun)
                if lesson.removed:
                    await call_hook(self._memory.remove, lesson.removed)
                if lesson.experience is not None:
                    await call_hook(self._memory.evolve, lesson.experience)

    def _newest(self, step: int) -> int | None:
        return max((one for one in self._steps() if one <= step), default=None)

    def _steps(self) -> list[int]:
        """Steps that have a whole dump."""
        numbers = (one.name.removeprefix("step-") for one in self._folder.glob("step-??????"))
        return [int(number) - 1 for number in numbers if number.isdigit()]

    async def _write(self, step: int) -> None:
        """Write the memory, whole or not at all."""
        target = _place(self._folder, step)
        fresh = target.with_name(target.name + ".new")
        with blamed(self._memory):
            try:
                shutil.rmtree(fresh, ignore_errors=True)
                shutil.rmtree(target, ignore_errors=True)
                fresh.mkdir(parents=True)
                await call_hook(self._memory.dump, fresh)
                _seal(self._folder, step).write_text(folder_hash(fresh))
                os.replace(fresh, target)
            except OSError as error:
                raise StorageError(
                    f"cannot write the memory to {target}: {error.strerror}."
                ) from error


def _place(folder: Path, step: int) -> Path:
    """The dump after a step; named by the number of items behind it."""
    return folder / f"step-{step + 1:06d}"


def _seal(folder: Path, step: int) -> Path:
    return folder / f"step-{step + 1:06d}.sha256"


def folder_hash(folder: Path) -> str:
    """Hash of the names and contents of all files below a folder."""
    digest = hashlib.sha256()
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        with path.open("rb") as file:
            inner = hashlib.file_digest(file, "sha256").digest()
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + inner)
    return digest.hexdigest()


@contextmanager
def blamed(memory: Memory) -> Generator[None]:
    """What a memory raises outside of an item stops its run with a reason, and no other run."""
    try:
        yield
    except HarnessError:
        raise
    except Exception as error:
        raise MethodError(
            f"{type(memory).__name__} raised {type(error).__name__}: {error}"
        ) from error
