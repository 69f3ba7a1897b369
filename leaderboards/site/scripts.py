"""Data as classic scripts, which pages load from disk where a request would be refused.

A script calls one registered function with a name and a JSON value. No letter of the value can end
a string, a script element or a line.
"""

from __future__ import annotations

import json
from typing import Any

CALL = "harnessChunk"
_ESCAPES = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}
_TABLE = str.maketrans(_ESCAPES)


def script(name: str, value: Any) -> str:
    """The text of a script that hands a value over."""
    return f"{CALL}({safe_json(name)},{safe_json(value)});\n"


def safe_json(value: Any) -> str:
    """JSON that is inert within any script; what is no number there is null."""
    text = json.dumps(_finite(value), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.translate(_TABLE)


def trimmed(text: str, limit: int) -> str:
    """A JSON text whose strings have at most `limit` letters together; other text is cut."""
    if len(text) <= limit:
        return text
    try:
        return json.dumps(_Budget(limit).trim(json.loads(text)), ensure_ascii=False)
    except (ValueError, RecursionError):
        return _cut(text, limit)


class _Budget:
    """Hands out letters, first come, first served."""

    def __init__(self, letters: int) -> None:
        self._left = letters

    def trim(self, value: Any) -> Any:
        if isinstance(value, str):
            kept = _cut(value, max(self._left, 0))
            self._left -= len(value)
            return kept
        if isinstance(value, list):
            return list(self._list(value))
        if isinstance(value, dict):
            return {str(name)[:200]: self.trim(one) for name, one in list(value.items())[:200]}
        self._left -= 4
        return value

    def _list(self, values: list[Any]) -> Any:
        for place, one in enumerate(values):
            if self._left <= 0:
                yield f"… (cut: {len(values) - place:,} more)"
                return
            yield self.trim(one)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]} … (cut: {len(text):,} letters)"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {str(name): _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return value
