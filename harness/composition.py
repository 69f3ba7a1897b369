"""Method strings: ``react+exprag:k=8`` read into parts, and written back in one canonical way.

Grammar: ``part[:k=v,...]`` joined by ``+``. Values that contain ``+ , : =`` or quotes stand in
double quotes, where a backslash escapes. A part may be a file,
``file:./my_method.py#MyMethod[:k=v,...]``; a path that contains ``+`` or ``#`` is quoted likewise.
This module knows the grammar only; which names exist and fit together is `harness.methods`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.errors import UsageError

_EXAMPLE = "for example exprag:k=8 or react+exprag:k=8"
_FILE = "file:"
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_NEEDS_QUOTES = re.compile(r'[+,:="\\\s]|^$')


@dataclass(frozen=True)
class Part:
    """One name of a composition with the options written beside it (texts, not yet typed)."""

    name: str
    options: Mapping[str, str] = field(default_factory=dict[str, str])

    def __str__(self) -> str:
        """Write the part as the grammar reads it, options in the order given."""
        pairs = ",".join(f"{name}={quote(value)}" for name, value in self.options.items())
        name = self.name
        if name.startswith(_FILE):
            path, _, class_name = name.removeprefix(_FILE).rpartition("#")
            name = f"{_FILE}{_quote_path(path)}#{class_name}"
        return f"{name}:{pairs}" if pairs else name


def parse(text: str) -> tuple[Part, ...]:
    """Read a method string.

    Raises:
        UsageError: an empty part, an option without ``=``, an unclosed quote.
    """
    return tuple(_parse_part(part, text) for part in _split(text, "+", text))


def quote(value: str) -> str:
    """Put a value in quotes if the grammar needs them."""
    if not _NEEDS_QUOTES.search(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _quote_path(path: str) -> str:
    return quote(path) if re.search(r'[+#"]|^\s|\s$', path) else path


def _parse_part(part: str, whole: str) -> Part:
    part = part.strip()
    if part.startswith(_FILE):
        path, *rest = _split(part.removeprefix(_FILE), "#", whole)
        path = _unquote(path.strip())
        class_name, _, options = "#".join(rest).partition(":")
        class_name = class_name.strip()
        if not path or not class_name:
            raise UsageError(
                f"method '{whole}': a file needs the class after '#', "
                "for example file:./my_method.py#MyMethod."
            )
        return Part(f"{_FILE}{path}#{class_name}", _parse_options(options, whole))
    name, _, options = part.partition(":")
    name = name.strip()
    if not name:
        raise UsageError(f"method '{whole}' has an empty part; write {_EXAMPLE}.")
    return Part(name, _parse_options(options, whole))


def _parse_options(text: str, whole: str) -> dict[str, str]:
    options: dict[str, str] = {}
    if not text.strip():
        return options
    for pair in _split(text, ",", whole):
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"method '{whole}': '{pair}' is not NAME=VALUE; write {_EXAMPLE}.")
        name = name.strip().replace("-", "_")
        if name in options:
            raise UsageError(f"method '{whole}': option {name} is given twice; keep one.")
        options[name] = _unquote(value.strip())
    return options


def _unquote(value: str) -> str:
    quoted = _QUOTED.fullmatch(value)
    return re.sub(r"\\(.)", r"\1", quoted.group(1), flags=re.DOTALL) if quoted else value


def _split(text: str, separator: str, whole: str) -> list[str]:
    """Split at separators that stand outside quotes."""
    parts, start, position = list[str](), 0, 0
    while position < len(text):
        if text[position] == '"':
            quoted = _QUOTED.match(text, position)
            if quoted is None:
                raise UsageError(f"method '{whole}' has a quote that is not closed.")
            position = quoted.end()
            continue
        if text[position] == separator:
            parts.append(text[start:position])
            start = position + 1
        position += 1
    return [*parts, text[start:]]
