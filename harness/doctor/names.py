"""What is registered: which models and tasks work now, and which plug-ins are broken."""

from __future__ import annotations

import inspect
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from harness import catalogue, options, prepare
from harness.data import MirrorFile, mirror
from harness.doctor.finding import Asked, Finding, State, guarded
from harness.errors import UsageError
from harness.models.base import Model, ModelRequest
from harness.options import Options
from harness.protocols.task import Task
from harness.registry import OWN_DISTRIBUTION, Kind, Need, Registered, registered, shadowed


def models(asked: Asked) -> Iterator[Finding]:
    """Every model and embedder."""
    del asked
    for one in registered(Kind.MODEL):
        name = f"{one.role}.{one.name}"
        yield from guarded("models", name, lambda one=one: [_model(one)])


def tasks(asked: Asked) -> Iterator[Finding]:
    """Every task, subset by subset."""
    del asked
    for one in registered(Kind.TASK):
        yield from guarded("tasks", one.name, lambda one=one: _task(one))


def mirror_files(asked: Asked) -> Iterator[Finding]:
    """The local mirror, and what tasks would read from it."""
    del asked
    yield from guarded("data", "HARNESS_DATA", lambda: [_mirror()])
    seen = set[str]()
    for one in registered(Kind.TASK):
        for finding in guarded("data", one.name, lambda one=one: _files(one)):
            if finding.name not in seen:
                yield finding
            seen.add(finding.name)


def packages(asked: Asked) -> Iterator[Finding]:
    """Packages that register something, with how much."""
    del asked
    counts = defaultdict[str, Counter[Kind]](Counter)
    for kind in Kind:
        for one in registered(kind):
            counts[one.distribution][kind] += 1
    for package, counted in sorted(counts.items()):
        listed = ", ".join(f"{n} {kind}{'s' * (n > 1)}" for kind, n in counted.items())
        yield Finding("plug-ins", package, State.OK, f"{_version(package)} registers {listed}")


def plugins(asked: Asked) -> Iterator[Finding]:
    """Methods, boards and verbs that do not load, or need more packages."""
    del asked
    for kind in (Kind.METHOD, Kind.BOARD, Kind.COMMAND):
        for one in registered(kind):
            name = f"{kind} {one.name}"
            yield from guarded("plug-ins", name, lambda one=one, name=name: _plugin(one, name))


def hidden(asked: Asked) -> Iterator[Finding]:
    """Names that two packages register."""
    del asked
    for kind in Kind:
        for sentence in shadowed(kind):
            yield Finding("plug-ins", f"{kind} twice", State.NOTE, sentence)


def _model(one: Registered) -> Finding:
    name = f"{one.role}.{one.name}"
    reason = catalogue.row(one).broken
    loaded: Any = None if reason else one.load()
    if not reason and not (isinstance(loaded, type) and issubclass(loaded, Model)):
        reason = f"{one.entry_point.value} is no Model"
    if reason:
        return Finding("models", name, State.BROKEN, reason)
    lacking = catalogue.lacking(loaded)
    if lacking:
        instead = ", or a running server named by --base-url" if loaded.uses_base_url else ""
        return _lacking("models", name, lacking, instead)
    try:
        bare = loaded(ModelRequest(one.name))
    except UsageError as error:  # it needs a name or a file, and says how to give one
        return Finding("models", name, State.OK, "ready when named", str(error))
    if not isinstance(bare, prepare.Preparable):
        return Finding("models", name, State.OK, "nothing to fetch")
    files = bare.files()
    if files.ready:
        size = prepare.megabytes(files.size())
        return Finding("models", name, State.OK, f"{size} in {files.folder}")
    download = f", {files.megabytes} MB to download" if files.megabytes else ""
    return Finding(
        *("models", name, State.NOTE, f"made ready at first use{download}; to do it now"),
        f"harness models prepare {one.name}",
    )


def _task(one: Registered) -> Iterator[Finding]:
    reason = catalogue.row(one).broken
    loaded: Any = None if reason else one.load()
    if not reason and not (isinstance(loaded, type) and issubclass(loaded, Task)):
        reason = f"{one.entry_point.value} follows no protocol that this version knows"
    elif not reason and inspect.isabstract(loaded):
        reason = f"{one.entry_point.value} has no {', '.join(sorted(loaded.__abstractmethods__))}"
    if reason:
        yield Finding("tasks", one.name, State.BROKEN, reason)
        return
    for subset in loaded.subsets or ("",):
        name = f"{one.name}/{subset}" if subset else one.name
        yield from guarded(
            "tasks", name, lambda name=name, subset=subset: [_subset(loaded, name, subset)]
        )


def _subset(task: type[Task], name: str, subset: str) -> Finding:
    chosen = _chosen(task, subset)
    lacking = [need for need in task.needs(chosen) if not need.installed()]
    if lacking:
        return _lacking("tasks", name, lacking)
    version = task(chosen).version
    return Finding("tasks", name, State.OK, f"version {version}")


def _chosen(task: type[Task], subset: str) -> Options:
    given = {"subset": subset} if subset else {}
    return options.build(task.Options, given, f"task '{task.__name__}'")


def _mirror() -> Finding:
    folder = mirror()
    if folder is None:
        said = "not set: no local mirror of data sets"
        return Finding("data", "HARNESS_DATA", State.NOTE, said)
    return Finding("data", "HARNESS_DATA", State.OK, str(folder))


def _files(one: Registered) -> Iterator[Finding]:
    """The files of a task that loads; `tasks` tells of those that do not."""
    if catalogue.row(one).broken:
        return
    loaded: Any = one.load()
    if not (isinstance(loaded, type) and issubclass(loaded, Task)):
        return
    for subset in loaded.subsets or ("",):
        for file in loaded.mirror_files(_chosen(loaded, subset)):
            yield _file(file, f"{one.name}/{subset}" if subset else one.name)


def _file(file: MirrorFile, user: str) -> Finding:
    said = f"{user}: {file.purpose}"
    try:
        path = file.find()
    except UsageError:  # the line about HARNESS_DATA says why
        path = None
    if path is not None:
        return Finding("data", file.path, *_readable(path, said))
    state = State.MISSING if file.required else State.NOTE
    mend = "put it into the folder that HARNESS_DATA names"
    return Finding("data", file.path, state, f"not there ({said})", mend)


def _readable(path: Path, said: str) -> tuple[State, str]:
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        return State.BROKEN, f"cannot be read: {error.strerror} ({said})"
    return State.OK, f"{path.stat().st_size} bytes ({said})"


def _plugin(one: Registered, name: str) -> Iterator[Finding]:
    """Only what is wrong; a registered name that works needs no line."""
    described = one.kind is Kind.METHOD
    loaded = one.load()
    reason = catalogue.row(one).broken if described else ""
    lacking = catalogue.lacking(loaded) if described else ()
    if reason:
        yield Finding("plug-ins", name, State.BROKEN, reason)
    elif lacking:
        yield _lacking("plug-ins", name, lacking)


def _lacking(section: str, name: str, needs: Sequence[Need], instead: str = "") -> Finding:
    wanted = ", ".join(need.package for need in needs) + instead
    return Finding(section, name, State.MISSING, f"needs {wanted}", _command(needs))


def _command(needs: Iterable[Need]) -> str:
    extras = ",".join(dict.fromkeys(need.extra for need in needs))
    return f"pip install '{OWN_DISTRIBUTION}[{extras}]'"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "of unknown version"
