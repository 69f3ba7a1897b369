"""Reading what a model wrote for a memory: tags, JSON, a yes or a no, lines of text.

Nothing here raises on any text. What cannot be read is None, so that a caller can count it: an
answer that says nothing and an answer that nobody could read are two things.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, cast

_WORD = re.compile(r"\b(yes|no)\b", re.IGNORECASE)
_TRAILING_COMMA = re.compile(r",\s*([}\]])")
_MOST_BEGINNINGS = 50
"""Braces at which JSON is looked for; an answer has one or two."""


def clean(text: str) -> str:
    """A text on one line, without characters that no file can hold."""
    return " ".join(storable(text).split())


def storable(text: str) -> str:
    """A text without halves of characters, which JSON can spell and no file can hold."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "").strip()


def tagged(text: str, tag: str) -> str | None:
    """The text between the first ``<tag>`` and its end; None if there is none or it is empty.

    A tag that is never closed reaches to the end, as in an answer that was cut.
    """
    return next(iter(all_tagged(text, tag)), None)


def all_tagged(text: str, tag: str) -> list[str]:
    """The texts between each ``<tag>`` and its end, empty ones left out."""
    bodies = (storable(found) for found in _tag(tag).findall(text))
    return [body for body in bodies if body]


def is_closed(text: str, tag: str) -> bool:
    """Whether the last ``<tag>`` of a text is closed."""
    lowered = text.lower()
    return lowered.rfind(f"</{tag}>") > lowered.rfind(f"<{tag}>")


@cache
def _tag(tag: str) -> re.Pattern[str]:
    return re.compile(rf"<{tag}>(.*?)(?=</?{tag}>|\Z)", re.IGNORECASE | re.DOTALL)


def verdict(text: str) -> bool | None:
    """Read a yes or a no: the first word, or else the only one of the two that occurs."""
    said = [word.lower() for word in _WORD.findall(text)]
    first = re.match(r"\W*(yes|no)\b", text, re.IGNORECASE)
    if first:
        return first[1].lower() == "yes"
    return said[0] == "yes" if len(set(said)) == 1 else None


def json_object(text: str) -> dict[str, Any] | None:
    """The first JSON object in a text, whatever stands around it; None if there is none."""
    return next(_objects(text), None)


def _objects(text: str) -> Iterator[dict[str, Any]]:
    decoder = json.JSONDecoder(strict=False)
    for source in (text, _TRAILING_COMMA.sub(r"\1", text)):
        begin = source.find("{")
        for _ in range(_MOST_BEGINNINGS):
            if begin < 0:
                break
            try:
                value, _end = decoder.raw_decode(source, begin)
            except (ValueError, RecursionError):
                begin = source.find("{", begin + 1)
                continue
            yield cast("dict[str, Any]", value)
            break


def listed(value: Any) -> list[Any] | None:
    """A JSON list; None for anything else."""
    return cast("list[Any]", value) if isinstance(value, list) else None


def phrases(value: Any, most: int, chars: int) -> tuple[str, ...] | None:
    """The texts of a JSON list, cleaned and bounded, each once; None if it is no list.

    Args:
        value: what JSON had there.
        most: texts that are kept.
        chars: of each text.
    """
    found = listed(value)
    if found is None:
        return None
    texts = (clean(one)[:chars] for one in found if isinstance(one, str))
    return tuple(dict.fromkeys(text for text in texts if text))[:most]


def records(text: str, fields: Sequence[str]) -> list[dict[str, str]]:
    """Records of labelled lines (``Title: ...``) or headings (``## Title ...``).

    A new record begins where a field comes again, or one that stands before the last.

    Args:
        text: the model's output.
        fields: their names in order, in lower case.
    """
    found, current, last = list[dict[str, str]](), dict[str, str](), -1
    for match in _fields(tuple(fields)).finditer(text):
        name, body = (match["heading"] or match["label"]).lower(), clean(match["body"])
        place = fields.index(name)
        if place <= last:
            found.append(current)
            current = {}
        last = place
        if body:
            current[name] = body
    return [one for one in (*found, current) if one]


@cache
def _fields(names: tuple[str, ...]) -> re.Pattern[str]:
    name = "|".join(map(re.escape, names))
    head = (
        rf"^(?:[ \t]*#[#>*_ \t]*(?%s{name})\b[*_]*[ \t]*:?"
        rf"|[ \t>*_-]*(?%s{name})[*_]*[ \t]*[:\n])[*_ \t]*"
    )
    return re.compile(
        rf"{head % ('P<heading>', 'P<label>')}(?P<body>.*?)"
        rf"(?={head % (':', ':')}|^[ \t]*#[^#]|\Z)",
        re.IGNORECASE | re.DOTALL | re.MULTILINE,
    )
