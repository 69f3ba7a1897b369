"""Logs of other tools as typed values: bytes come in, models go out.

What is wrong is told in one sentence, with file and place. Members that a model does not name are
passed over, and null stands for a member that is not there.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from harness.errors import UsageError

_EXPECTED = {
    "dict_type": "it has to be an object",
    "model_type": "it has to be an object",
    "list_type": "it has to be a list",
}


def _present(value: object) -> object:
    """A JSON object without its members that are null."""
    if not isinstance(value, dict):
        return value
    members = cast("dict[str, object]", value)
    return {name: one for name, one in members.items() if one is not None}


class Shape(BaseModel):
    """Part of a log."""

    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True)


class OpenShape(BaseModel):
    """Part of a log that has members of any name."""

    model_config = ConfigDict(extra="allow", frozen=True, coerce_numbers_to_str=True)


ShapeOf = TypeVar("ShapeOf", bound=BaseModel)
Object = Annotated[ShapeOf, BeforeValidator(_present)]
"""A member that is an object."""


def parse(model: type[ShapeOf], value: object, place: str) -> ShapeOf:
    """Check a value of JSON against a model.

    Args:
        model: what it has to be.
        value: as JSON has it.
        place: the file, and where in it, for people.

    Raises:
        UsageError: it is something else.
    """
    try:
        return model.model_validate(_present(value))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        # Of a value that may be one of several, pydantic names the type too.
        where = ".".join(str(part) for part in first["loc"] if "[" not in str(part))
        if first["type"] == "missing":
            raise UsageError(f"{place}: it has no {where}; name a log of the tool.") from error
        what = f"{where} is damaged" if where else "it is damaged"
        why = _EXPECTED.get(first["type"], first["msg"])
        raise UsageError(f"{place}: {what} ({why}).") from error


def read_bytes(path: Path) -> bytes:
    """The bytes of a log.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path} ({error.strerror}).") from error


def read_json(place: str, content: bytes) -> Any:
    """A value of JSON, of which every text can be written again.

    Raises:
        UsageError: it is no JSON.
    """
    try:
        found = json.loads(content)
        if rb"\ud" in content.lower():  # half a surrogate pair is no text
            whole = json.dumps(found, ensure_ascii=False).encode("utf-8", "replace")
            found = json.loads(whole)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{place} is no JSON ({error}).") from error
    return found


def read_object(place: str, content: bytes) -> dict[str, Any]:
    """A log that is one JSON object.

    Raises:
        UsageError: it is none.
    """
    found = read_json(place, content)
    if not isinstance(found, dict):
        raise UsageError(f"{place} holds no JSON object; name a log of the tool.")
    return cast("dict[str, Any]", found)


def number_of(value: object) -> float | None:
    """A number or truth value as a float; None for all else: no number, or not a finite one."""
    if not isinstance(value, bool | int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if abs(number) < float("inf") else None
