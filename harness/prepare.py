"""Models made ready before they are used: what `harness models` prepares and lists.

Any registered model that is `Preparable` can be named; nothing here knows a particular one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from harness.errors import MissingData, UsageError
from harness.models.base import Model, ModelRequest
from harness.models.files import ModelFiles, Preparable
from harness.registry import Kind, Registered, find, registered, require


class Readiness(StrEnum):
    """What the first use of a model would do."""

    READY = "ready"
    NOT_FETCHED = "not fetched"
    BY_NAME = "by name"
    """Which files they are depends on the name after the colon."""


@dataclass(frozen=True)
class Prepared:
    """A model whose files are there."""

    model: str
    folder: str
    revision: str
    bytes: int


@dataclass(frozen=True)
class ModelRow:
    """One line of ``harness models list``."""

    model: str
    kind: str
    state: Readiness
    revision: str = ""
    folder: str = ""
    bytes: int = 0
    """On disk."""
    download_megabytes: int = 0
    """What the first use would download."""


def prepare(text: str, say: Callable[[str], None]) -> Prepared:
    """Make the files of a model ready.

    Args:
        text: the model as ``--model`` and ``--embedder`` take it.
        say: told what is about to take a while.

    Raises:
        UsageError: the name, a package that it needs, or what it would fetch.
    """
    model = _construct(text)
    if not model.files().ready:
        if isinstance(model, Model):
            require(model.requirements(), f"model '{text}'")
        say(f"preparing {text} ...")
    files = model.prepare_files()
    if files.folder is None or not files.ready:
        raise MissingData(f"model '{text}' was prepared but its folder is not there.")
    return Prepared(text, str(files.folder), files.revision, files.size())


def rows() -> tuple[list[ModelRow], list[str]]:
    """List the models that can be prepared, and sentences about entries that are broken."""
    found, problems = list[ModelRow](), list[str]()
    for one in registered(Kind.MODEL):
        try:
            loaded = preparable(one)
        except UsageError as error:
            problems.append(str(error))
            continue
        if loaded:
            found.append(_row(one, bare_files(one, loaded)))
    return found, problems


def lines(found: list[ModelRow]) -> Iterator[str]:
    """Lay rows out as text."""
    cells = [(row.model, row.kind, _state_text(row), row.folder) for row in found]
    widths = [max((len(row[n]) for row in cells), default=0) for n in range(3)]
    for *first, folder in cells:
        padded = [cell.ljust(width) for cell, width in zip(first, widths, strict=True)]
        yield "  ".join([*padded, folder]).rstrip()


def preparable(one: Registered) -> type[Preparable] | None:
    """Load a registered model; None if it has nothing to prepare.

    Raises:
        UsageError: the entry is broken.
    """
    loaded = one.load()
    return loaded if isinstance(loaded, type) and issubclass(loaded, Preparable) else None


def bare_files(one: Registered, loaded: type[Preparable]) -> ModelFiles | None:
    """The files of a model that is named without a target; None if it needs one."""
    try:
        return _new(loaded, ModelRequest(one.name)).files()
    except UsageError:
        return None


def megabytes(size: int) -> str:
    """A size for people."""
    return f"{size / 1e6:.0f} MB"


def _construct(text: str) -> Preparable:
    request = ModelRequest.parse(text)
    named = [one for one in registered(Kind.MODEL) if one.name == request.name]
    for one in named or [find(Kind.MODEL, request.name)]:
        loaded = preparable(one)
        if loaded:
            return _new(loaded, request)
    others = ", ".join(row.model for row in rows()[0]) or "none"
    raise UsageError(
        f"model '{request.name}' has nothing to prepare: it fetches no files. Models that do: "
        f"{others}."
    )


def _new(loaded: type[Preparable], request: ModelRequest) -> Preparable:
    """Construct a model, as the contract of `Model` has it: from a request."""
    construct: Any = loaded
    return construct(request)


def _row(one: Registered, files: ModelFiles | None) -> ModelRow:
    if files is None:
        return ModelRow(f"{one.name}:NAME", one.role, Readiness.BY_NAME)
    if not files.ready:
        return ModelRow(
            one.name,
            one.role,
            Readiness.NOT_FETCHED,
            files.revision,
            download_megabytes=files.megabytes,
        )
    folder = str(files.folder)
    return ModelRow(one.name, one.role, Readiness.READY, files.revision, folder, files.size())


def _state_text(row: ModelRow) -> str:
    if row.state is Readiness.READY:
        return f"{row.state}, {megabytes(row.bytes)}"
    if row.download_megabytes:
        return f"{row.state}, {row.download_megabytes} MB to download"
    return str(row.state)
