"""One line of `harness doctor`, and the one place where a check that fails becomes such a line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from harness.errors import HarnessError


class State(StrEnum):
    """What is to be thought of a finding."""

    OK = "ok"
    NOTE = "note"
    """Good to know; nothing is wrong."""
    MISSING = "missing"
    """Could be there; the mend says how to get it."""
    BROKEN = "broken"
    """Is there, or was asked for, and does not work: exit code 1."""


@dataclass(frozen=True)
class Finding:
    """What a check found about one thing."""

    section: str
    name: str
    state: State
    detail: str
    mend: str = ""
    """What to type, or to do."""


@dataclass(frozen=True)
class Asked:
    """What the user wants to be looked at beyond what is installed."""

    base_urls: tuple[str, ...] = ()
    """Servers to ask."""
    results: Path = Path("results")
    """Folder for results."""
    deep: bool = False
    """Also import what is installed."""


def guarded(section: str, name: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """What a check finds; a check that fails is broken itself, and the others go on."""
    try:
        return list(look())
    except HarnessError as error:
        reason = str(error)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a plug-in raises is told
        reason = f"this check failed ({type(error).__name__}: {error})"
    return [Finding(section, name, State.BROKEN, reason)]
