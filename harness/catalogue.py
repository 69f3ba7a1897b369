"""What `harness ls` and `harness show` say of everything that is registered."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from harness.errors import UnknownName, UsageError
from harness.methods import PAIR
from harness.options import OptionInfo, describe
from harness.protocols.stream.method import MethodPair
from harness.registry import About, Kind, Need, Registered, registered, shadowed

_LISTS: dict[str, tuple[Kind, ...]] = {
    "tasks": (Kind.TASK,),
    "methods": (Kind.METHOD,),
    "models": (Kind.MODEL,),
    "all": (Kind.TASK, Kind.METHOD, Kind.MODEL),
}


@dataclass(frozen=True)
class Row:
    """One line of ``harness ls``."""

    kind: str
    role: str
    name: str
    summary: str
    package: str
    missing: tuple[str, ...] = ()
    """Packages that would have to be installed."""
    broken: str = ""


@dataclass(frozen=True)
class Card:
    """What ``harness show`` prints."""

    kind: str
    role: str
    name: str
    package: str
    module: str
    about: About
    needs: tuple[Need, ...]
    options: tuple[OptionInfo, ...]
    metrics: tuple[tuple[str, str], ...] = ()
    composed: str = ""
    """For a pair: its two parts."""
    notes: tuple[str, ...] = field(default=())


def rows(what: str) -> tuple[list[Row], list[str]]:
    """List names and what is broken.

    Raises:
        UnknownName: no such list.
    """
    if what not in _LISTS:
        raise UnknownName("list", what, _LISTS)
    found, problems = list[Row](), list[str]()
    for kind in _LISTS[what]:
        problems += shadowed(kind)
        found += [row(one) for one in registered(kind)]
    return found, problems + [one.broken for one in found if one.broken]


def row(one: Registered) -> Row:
    """Look at one name: whether it loads, and which packages it lacks."""
    try:
        loaded = one.load()
        summary = _about(loaded, one).summary
    except UsageError as error:
        return Row(str(one.kind), one.role, one.name, "", one.distribution, broken=str(error))
    missing = tuple(need.package for need in lacking(loaded))
    return Row(str(one.kind), one.role, one.name, summary, one.distribution, missing)


def lacking(loaded: Any) -> tuple[Need, ...]:
    """What a task (with its default options), a method or a model needs and is not installed."""
    return tuple(need for need in _needs(loaded) if not need.installed())


def lines(found: Sequence[Row]) -> Iterator[str]:
    """Lay rows out as text, under a heading for each kind and role."""
    width = max((len(row.name) for row in found), default=0) + 2
    columns = max(60, shutil.get_terminal_size((100, 24)).columns)
    heading = ""
    for row in found:
        title = row.kind if row.role == row.kind else f"{row.kind} ({row.role})"
        if title != heading:
            if heading:
                yield ""
            heading = title
            yield f"{title}:"
        text = f"broken: {row.broken}" if row.broken else row.summary
        if row.missing:
            text += f" [needs {', '.join(row.missing)}]"
        line = f"  {row.name:<{width}}{text}"
        yield line if len(line) <= columns or row.broken else line[: columns - 3] + "..."


def cards(name: str) -> list[Card]:
    """Everything that has a name.

    Raises:
        UnknownName: nothing has it.
    """
    every = [one for kind in _LISTS["all"] for one in registered(kind)]
    named = [one for one in every if one.name == name]
    if not named:
        raise UnknownName("name", name, (one.name for one in every), "List them with: harness ls.")
    return [_card(one) for one in named]


def card_lines(card: Card) -> Iterator[str]:
    """Lay a card out as text."""
    yield f"{card.name}: {card.kind}" + (f" ({card.role})" if card.role != card.kind else "")
    yield f"  {card.about.summary}"
    yield f"  source:   {card.about.source}"
    yield f"  licence:  {card.about.licence}"
    yield f"  code:     {card.module} (package {card.package})"
    if card.composed:
        yield f"  is:       {card.composed}"
    if card.needs:
        state = [f"{n.package}{'' if n.installed() else ' (missing)'}" for n in card.needs]
        yield f"  needs:    {', '.join(state)}"
    yield from (f"  {note}" for note in card.notes)
    if card.metrics:
        yield "  metrics:"
        yield from (f"    {metric:<17} {text}" for metric, text in card.metrics)
    if card.options:
        yield "  options:"
        for option in card.options:
            yield f"    {option.name} = {option.default}    ({option.type})"
            yield f"        {option.help}"
    yield ""


def _card(one: Registered) -> Card:
    loaded = one.load()
    if isinstance(loaded, MethodPair):
        return _pair_card(one, loaded)
    kind: Any = loaded
    metrics = tuple((metric.name, metric.help) for metric in getattr(kind, "metrics", ()))
    notes = list[str]()
    if one.kind is Kind.TASK:
        notes.append(f"default model: {kind.default_model}")
        notes.append(f"default methods: {', '.join(kind.default_methods)}")
        if kind.subsets:
            notes.append(f"subsets: {', '.join(kind.subsets)}")
    if one.kind is Kind.METHOD and one.role == "memory":
        notes.append("stateful: " + ("yes" if kind.stateful else "no, order cannot matter"))
    return Card(
        str(one.kind),
        one.role,
        one.name,
        one.distribution,
        kind.__module__,
        _about(kind, one),
        _needs(kind),
        tuple(describe(kind.Options)),
        metrics,
        notes=tuple(notes),
    )


def _pair_card(one: Registered, pair: MethodPair) -> Card:
    from harness.methods import resolve

    method = resolve(one.name, one.protocol)
    options = [option for part in method.parts for option in describe(part.type.Options)]
    preset = {name: str(v) for part in method.parts for name, v in part.options.differing().items()}
    shown = tuple(
        OptionInfo(o.name, o.type, preset.get(o.name, o.default).lower(), o.help) for o in options
    )
    return Card(
        str(one.kind),
        PAIR,
        one.name,
        one.distribution,
        one.entry_point.module,
        pair.about,
        method.needs,
        shown,
        composed=f"{pair.agent}+{pair.memory}",
    )


def _about(loaded: Any, one: Registered) -> About:
    about = getattr(loaded, "about", None)
    if not isinstance(about, About):
        raise UsageError(
            f"{one.kind} '{one.name}' of package '{one.distribution}' has no 'about'; give its "
            "class an About(summary, source)."
        )
    return about


def _needs(loaded: Any) -> tuple[Need, ...]:
    needs: Any = getattr(loaded, "needs", ())
    if callable(needs):
        try:
            return tuple(cast("Iterable[Need]", needs(loaded.Options())))
        except ValueError:
            return ()
    return tuple(needs)
