"""Entry-point names to objects, loaded one by one and only when used.

Built-ins and third parties register alike, in ``pyproject.toml``::

    [project.entry-points."harness.tasks"]
    my-task = "my_package.task:MyTask"

    [project.entry-points."harness.methods"]
    "stream.memory.my-memory" = "my_package.memory:MyMemory"

    [project.entry-points."harness.models"]
    "chat.my-model" = "my_package.model:MyModel"

Methods are keyed ``protocol.role.name`` and models ``kind.name``, so that a memory and a gradient
surgery, or a chat model and an embedder, may share a name.
An entry that cannot be loaded is a named warning; the others work.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from harness.errors import MissingExtra, UnknownName, UsageError

OWN_DISTRIBUTION = "method-harness"


class Kind(StrEnum):
    """What can be registered."""

    TASK = "task"
    METHOD = "method"
    MODEL = "model"
    BOARD = "board"
    COMMAND = "command"


@dataclass(frozen=True)
class About:
    """What `harness show` prints of a task, a method or a model."""

    summary: str
    source: str
    licence: str = "Apache-2.0"


@dataclass(frozen=True)
class Need:
    """A package that must be installed, and the extra that brings it."""

    package: str
    extra: str

    def installed(self) -> bool:
        """Whether the package can be found, without importing it."""
        try:
            return importlib.util.find_spec(self.package) is not None
        except ModuleNotFoundError:  # the parent of a dotted name
            return False


@dataclass(frozen=True)
class Registered:
    """One registered name."""

    kind: Kind
    name: str
    protocol: str
    role: str
    distribution: str
    entry_point: EntryPoint

    def load(self) -> Any:
        """Import the object behind the name.

        Raises:
            UsageError: the plug-in is broken; names the package and the reason.
        """
        try:
            return self.entry_point.load()
        except (Exception, SystemExit) as error:
            reason = f"{type(error).__name__}: {error}"
            raise UsageError(
                f"{self.kind} '{self.name}' of package '{self.distribution}' cannot be loaded "
                f"({reason}); mend or uninstall that package."
            ) from error


@cache
def registered(kind: Kind) -> tuple[Registered, ...]:
    """List what is registered under a kind, sorted by key; nothing is imported."""
    found: dict[tuple[str, str, str], Registered] = {}
    for one in _every(kind):
        found.setdefault((one.protocol, one.role, one.name), one)
    return tuple(found[key] for key in sorted(found))


def shadowed(kind: Kind) -> list[str]:
    """A sentence for each name that two packages register; built-in names win."""
    used = {(one.protocol, one.role, one.name): one for one in registered(kind)}
    return [
        f"{kind} '{one.name}' of package '{one.distribution}' is hidden by the one of package "
        f"'{winner.distribution}'; rename it."
        for one in _every(kind)
        if (winner := used[one.protocol, one.role, one.name]).distribution != one.distribution
    ]


def _every(kind: Kind) -> list[Registered]:
    """Whatever is registered, the built-in ones first."""
    found = [_read(kind, point) for point in entry_points(group=f"harness.{kind}s")]
    return sorted(found, key=lambda one: (one.distribution != OWN_DISTRIBUTION, one.distribution))


def find(kind: Kind, name: str, role: str = "") -> Registered:
    """Find a task, model, board or command by name, and by role where that is given.

    Raises:
        UnknownName: with the nearest names.
    """
    candidates = [one for one in registered(kind) if role in ("", one.role)]
    for one in candidates:
        if one.name == name:
            return one
    what = role if kind is Kind.MODEL and role == "embedder" else str(kind)
    raise UnknownName(what, name, (one.name for one in candidates), _LIST_HINT.get(kind, ""))


def require(needs: Iterable[Need], what: str) -> None:
    """Refuse with the pip command where a needed package is missing."""
    for need in needs:
        if not need.installed():
            raise MissingExtra(what, need.package, need.extra)


_LIST_HINT = {
    Kind.TASK: "List them with: harness ls tasks.",
    Kind.METHOD: "List them with: harness ls methods.",
    Kind.MODEL: "List them with: harness ls models.",
}


def _read(kind: Kind, point: EntryPoint) -> Registered:
    protocol, role, name = "", str(kind), point.name
    if kind is Kind.METHOD:
        protocol, role, name = [*point.name.split(".", 2), "", ""][:3]
        if not name:
            protocol, role, name = "", "unkeyed", point.name
    elif kind is Kind.MODEL:
        role, _, name = point.name.rpartition(".")
        role = role or "chat"
    # A damaged installation can lack the name in its metadata.
    distribution = (point.dist.name if point.dist else "") or "unknown"
    return Registered(kind, name, protocol, role, distribution, point)
