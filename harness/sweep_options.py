"""The options of ``harness run``, made from the fields of `Sweep`, so that they are written once.

A text or a number becomes an option; a tuple or a dictionary a repeatable one, whose environment
variable is split at commas; a boolean a flag. Help is the field's docstring, the variable
``HARNESS_<FIELD>``.
"""

from __future__ import annotations

import inspect
import os
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer
from pydantic.fields import FieldInfo

from harness.options import parse_assignments
from harness.sweep import Sweep

_FLAGS = {
    "task_options": ("--task-option", "-T"),
    "sampling": ("--sampling", "-M"),
    "model_args": ("--model-arg",),
    "fresh": ("--fresh",),
}

_VARIABLES = {"cache": "HARNESS_RESPONSE_CACHE"}
"""Fields whose variable has another name: HARNESS_CACHE is the folder of fetched models."""


def with_sweep_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a sweep.

    Args:
        command: its first parameter receives the given fields as a dictionary; its others are
            options of its own.
    """
    _, *parameters = inspect.signature(command, eval_str=True).parameters.values()
    own = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in parameters]
    shared = [_parameter(name, field) for name, field in Sweep.model_fields.items()]

    def run(**values: Any) -> None:
        rest = {parameter.name: values.pop(parameter.name) for parameter in own}
        command(given_fields(values), **rest)

    run.__doc__ = command.__doc__
    run.__annotations__ = {one.name: one.annotation for one in (*shared, *own)}
    run.__dict__["__signature__"] = inspect.Signature([*shared, *own])
    return run


def given_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that the command line or the environment gives, in the form of a sweep."""
    found = dict[str, Any]()
    for name, value in values.items():
        field = Sweep.model_fields[name]
        if _repeats(field):
            texts = tuple(value or ()) or _from_environment(name)
            value = parse_assignments(texts, _option(name)[-1]) if _is_mapping(field) else texts
        # A number may be 0, which equals False.
        if value is not None and value is not False and value not in ((), {}):
            found[name] = value
    return found


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    help_text = " ".join((field.description or "").split())
    repeats = _repeats(field)
    kind: Any = list[str] | None if repeats else _plain(field)
    # A repeatable option reads its variable itself: it is split at commas, not at blanks.
    variable = None if repeats else _VARIABLES.get(name, f"HARNESS_{name.upper()}")
    option = typer.Option(*_option(name), envvar=variable, help=help_text, show_default=False)
    default: Any = False if field.annotation is bool else None
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind, option],
    )


def _option(name: str) -> tuple[str, ...]:
    return _FLAGS.get(name, (f"--{name.replace('_', '-')}",))


def _from_environment(name: str) -> tuple[str, ...]:
    option = _option(name)[0].removeprefix("--").replace("-", "_").upper()
    text = os.environ.get(f"HARNESS_{option}", "")
    return tuple(one.strip() for one in text.split(",") if one.strip())


def _plain(field: FieldInfo) -> Any:
    if field.annotation is bool:
        return bool
    accepted = (field.annotation, *typing.get_args(field.annotation))
    for number in (int, float):
        if number in accepted:
            return number | None
    return str | None


def _is_mapping(field: FieldInfo) -> bool:
    return typing.get_origin(field.annotation) is dict


def _repeats(field: FieldInfo) -> bool:
    return _is_mapping(field) or typing.get_origin(field.annotation) is tuple
