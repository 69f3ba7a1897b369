"""What a hook of a method may return, checked before it is used or stored.

Third-party values come in, the same values in plain types go out (lists as tuples, NumPy numbers
as floats), or a `MethodError` that says which hook returned what.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

from harness.errors import MethodError
from harness.protocols.stream.method import AgentReport
from harness.protocols.stream.types import Context, Entry, Hit, Retrieval

_ENTRY_TEXTS = ("id", "text", "key", "sample_id")
_MOST_CHARS = 1_000_000
"""Of one text of an entry; what is longer is no memory of an item."""


def retrieval(value: Any) -> Retrieval:
    """Check what `search` returned."""
    found = _expect(value, Retrieval, "search")
    return Retrieval(_hits(found.hits, "search"))


def context(value: Any) -> Context:
    """Check what `synthesize` returned."""
    shown = _expect(value, Context, "synthesize")
    text = _expect(shown.text, str, "synthesize", "as the text of its context")
    return Context(_hits(shown.items, "synthesize"), text)


def known_ids(hits: Iterable[Hit], held: Mapping[str, Entry], hook: str) -> None:
    """Check that hits are entries that the memory holds, or texts that are none and have no id."""
    for hit in hits:
        if hit.id and hit.id not in held:
            raise MethodError(f"{hook} returned the id '{hit.id[:80]}', which no entry has")


def report(value: Any) -> AgentReport:
    """Check what `act` returned."""
    said = _expect(value, AgentReport, "act")
    pruned = [_expect(one, str, "act", "as a pruned id") for one in _each(said.pruned, "act")]
    invalid = int(_number(said.invalid_outputs, "act", "as invalid_outputs"))
    return AgentReport(tuple(pruned), invalid, notes(said.notes, "act"))


def notes(value: Any, hook: str) -> dict[str, float]:
    """Check counts by name."""
    return {
        _expect(name, str, hook, "as the name of a note"): _number(count, hook, "as a note")
        for name, count in _expect(value, Mapping, hook, "as notes").items()
    }


def entries(value: Any, known: Mapping[str, Entry]) -> dict[str, Entry]:
    """Check what a memory says that it holds; what was `known` before needs no second look."""
    held = dict(_expect(value, Mapping, "entries"))
    for name, entry in held.items():
        if known.get(name) is entry:
            continue
        _expect(entry, Entry, "entries", "as an entry")
        for text in _ENTRY_TEXTS:
            held_text = _expect(getattr(entry, text), str, "entries", f"as an entry's {text}")
            if len(held_text) > _MOST_CHARS:
                raise MethodError(
                    f"entries has an entry whose {text} has {len(held_text):,} characters, more "
                    f"than {_MOST_CHARS:,}"
                )
        if entry.id != name:
            raise MethodError(f"entries has the entry '{entry.id}' under the key '{name}'")
        _expect(entry.step, int, "entries", "as an entry's step")
        for pair in _expect(entry.meta, Mapping, "entries", "as an entry's meta").items():
            for text in pair:
                _expect(text, str, "entries", "in an entry's meta")
    return held


def _hits(value: Any, hook: str) -> tuple[Hit, ...]:
    return tuple(_hit(one, hook) for one in _each(value, hook))


def _hit(value: Any, hook: str) -> Hit:
    hit = _expect(value, Hit, hook, "as a hit")
    return Hit(
        _expect(hit.id, str, hook, "as a hit's id"),
        _expect(hit.text, str, hook, "as a hit's text"),
        _number(hit.score, hook, "as a hit's score"),
    )


def _each(value: Any, hook: str) -> Iterable[Any]:
    if isinstance(value, str):
        raise MethodError(f"{hook} returned a text where a tuple is wanted")
    return _expect(value, Iterable, hook, "where a tuple is wanted")


def _number(value: Any, hook: str, where: str) -> float:
    return float(_expect(value, Real, hook, where))


def _expect(value: Any, kind: type[Any], hook: str, where: str = "") -> Any:
    if not isinstance(value, kind):
        place = f" {where}" if where else ""
        raise MethodError(f"{hook} returned {type(value).__name__}, not {kind.__name__}{place}")
    return value
