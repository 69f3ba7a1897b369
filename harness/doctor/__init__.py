"""`harness doctor`: what works here now, and what to type for the rest.

Every check is a function of `Asked` that yields a `Finding` for each line. Checks look and change
nothing: they import no heavy package (``--deep`` does, in processes of its own), fetch nothing, and
ask no server that was not named. A check that fails is a finding itself.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import groupby

from harness.doctor import engines, folders, installed, names, servers
from harness.doctor.finding import Asked, Finding, State, guarded
from harness.doctor.servers import without_secret
from harness.text import clean

__all__ = ["Asked", "Finding", "State", "broken", "examine", "lines"]

CHECKS: dict[str, tuple[Callable[[Asked], Iterable[Finding]], ...]] = {
    "system": (installed.system,),
    "packages": (installed.packages,),
    "engines": (engines.torch, engines.gpus, engines.vllm, engines.companions),
    "models": (names.models,),
    "servers": (servers.answering, servers.key),
    "tasks": (names.tasks,),
    "data": (names.mirror_files,),
    "folders": (folders.cache, folders.results),
    "plug-ins": (names.packages, names.plugins, names.hidden),
    "imports": (engines.imports,),
}
"""The checks of each section, in the order in which they are told."""


def examine(asked: Asked) -> list[Finding]:
    """Look at everything; never raises, and never tells the key of a server."""
    found = list[Finding]()
    # What a plug-in prints while it is imported must not end up in the output of --json.
    with contextlib.redirect_stdout(sys.stderr):
        for section, checks in CHECKS.items():
            for check in checks:
                found += guarded(section, check.__name__, lambda check=check: check(asked))
    return [_safe(one) for one in found]


def broken(found: Iterable[Finding]) -> bool:
    """Whether something is broken; what is merely missing is not."""
    return any(one.state is State.BROKEN for one in found)


def lines(found: Iterable[Finding]) -> list[str]:
    """Lay findings out as text, under a heading for each section."""
    every, text = list(found), list[str]()
    for section, members in groupby(every, key=lambda one: one.section):
        own = list(members)
        width = max(len(one.name) for one in own)
        text.append(f"{section}:")
        for one in own:
            said = f"{one.detail}: {one.mend}" if one.mend else one.detail
            text.append(f"  {one.state:<7}  {one.name:<{width}}  {said}".rstrip())
        text.append("")
    return [*text, _summary(every)]


def _safe(one: Finding) -> Finding:
    """A finding without the key and on one line, whatever servers and plug-ins said."""
    name, detail, mend = (clean(without_secret(text)) for text in (one.name, one.detail, one.mend))
    return replace(one, name=name, detail=detail, mend=mend)


def _summary(found: list[Finding]) -> str:
    counts = {state: sum(one.state is state for one in found) for state in State}
    said = [f"{counts[state]} {state}" for state in (State.BROKEN, State.MISSING) if counts[state]]
    return ", ".join(said) or "everything that was looked at works"
