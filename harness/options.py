"""Typed options: how ``k=v`` text becomes the option object of a task, a method or a model.

An option class is a frozen pydantic model; the docstring under each field is its help text. What
comes in is text (from a command line, a file or a method string) or plain values (from Python);
what goes out is the validated object, or a `UsageError` that names the option and the mend.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.fields import FieldInfo

from harness.errors import UnknownName, UsageError


class Options(BaseModel):
    """Base of every option class."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _read_text(cls, raw: Any) -> Any:
        """Give text its meaning where pydantic has none: ``none``, and lists split at commas."""
        if not isinstance(raw, dict):
            return raw
        values = typing.cast("dict[str, Any]", raw)
        return {name: _from_text(cls, name, value) for name, value in values.items()}

    def given(self) -> dict[str, Any]:
        """Every option with its resolved value, as plain JSON values."""
        return self.model_dump(mode="json")

    def differing(self) -> dict[str, Any]:
        """The options that differ from their defaults; those without a default always do."""
        fields = type(self).model_fields
        required = {name for name, field in fields.items() if field.is_required()}
        plain = type(self).model_construct(
            **{
                name: getattr(self, name) if name in required else _default(field)
                for name, field in fields.items()
            }
        )
        usual = plain.given()
        return {
            k: v for k, v in self.given().items() if k in required or (k, v) not in usual.items()
        }


AnyOptions = TypeVar("AnyOptions", bound=Options)


@dataclass(frozen=True)
class OptionInfo:
    """One option as `harness show` prints it."""

    name: str
    type: str
    default: str
    help: str


class NoOptions(Options):
    """For what has nothing to choose."""


def build(kind: type[AnyOptions], raw: Mapping[str, Any], owner: str) -> AnyOptions:
    """Validate `raw` as options of `owner` (words such as ``method 'exprag'``).

    Raises:
        UnknownName: an option that the class does not have.
        UsageError: a value that the option does not take.
    """
    for name in raw:
        if name not in kind.model_fields:
            raise UnknownName(f"option of {owner}", name, kind.model_fields)
    try:
        return kind.model_validate(dict(raw))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][:1])
        reason = first["msg"].removeprefix("Value error, ")
        value = f"={first['input']!r}" if first["loc"] else ""
        what = f"option {where}{value} is" if where else "these options are"
        raise UsageError(f"{owner}: {what} refused: {reason}.") from error


def describe(kind: type[Options]) -> list[OptionInfo]:
    """List the options of a class with their types, defaults and help."""
    return [
        OptionInfo(
            name=name,
            type=_type_text(field.annotation),
            default="required" if field.is_required() else _value_text(_default(field)),
            help=" ".join((field.description or "").split()),
        )
        for name, field in kind.model_fields.items()
    ]


def _default(field: FieldInfo) -> Any:
    return field.get_default(call_default_factory=True, validated_data={})


def parse_assignments(pairs: Iterable[str], flag: str) -> dict[str, str]:
    """Read ``["k=v", ...]`` as given to a repeatable flag such as ``-T``."""
    values: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"{flag} takes NAME=VALUE, got '{pair}'; for example {flag} k=4.")
        values[name.strip().replace("-", "_")] = value.strip()
    return values


def _from_text(kind: type[Options], name: str, value: Any) -> Any:
    field = kind.model_fields.get(name)
    if field is None or not isinstance(value, str):
        return value
    accepts = _alternatives(field.annotation)
    if value.lower() == "none" and type(None) in accepts:
        return None
    if any(typing.get_origin(one) in (list, tuple) for one in accepts):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def _type_text(annotation: Any) -> str:
    if typing.get_origin(annotation) is typing.Literal:
        return " | ".join(str(value) for value in typing.get_args(annotation))
    alternatives = _alternatives(annotation)
    if len(alternatives) > 1:
        return " | ".join(_type_text(one) for one in alternatives)
    if annotation is type(None):
        return "none"
    members = getattr(annotation, "__members__", None)
    if members:
        return " | ".join(str(member.value) for member in members.values())
    if typing.get_origin(annotation) in (list, tuple):
        return f"list of {_type_text(typing.get_args(annotation)[0])}"
    return getattr(annotation, "__name__", str(annotation))


def _value_text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, (list, tuple)):
        return ",".join(str(one) for one in typing.cast("Iterable[Any]", value)) or "(empty)"
    return str(getattr(value, "value", value)) or "(empty)"
