"""`Sweep`: what a user asks for, as command line, YAML file and Python object at once.

The text under each field is its help. A run's resolved sweep is saved as ``artifacts/RUN/spec.yaml`` and can be
run again with ``harness run --config``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import UnknownName, UsageError

_ORDER = re.compile(r"native|shuffle:\d+|easy-hard|hard-easy")
_SEEDS = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")


class Sweep(BaseModel):
    """Lists that are expanded into runs."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    task: str
    """The task; harness ls tasks lists them."""
    method: tuple[str, ...] = ()
    """A method such as exprag:k=8 or react+exprag; repeatable. Default: the task's own choice."""
    model: tuple[str, ...] = ()
    """A model such as smollm2 or openai:NAME; repeatable. Default: the task's own choice."""
    task_options: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Option of the task, NAME=VALUE, such as subset=babyai; repeatable."""
    sampling: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Sampling setting, NAME=VALUE, such as temperature=0.2; repeatable."""
    model_args: dict[str, str] = Field(default_factory=dict[str, str])
    """Engine argument, NAME=VALUE, such as retries=3; repeatable."""
    embedder: str = "minilm"
    """What retrieval compares texts with: minilm, bm25, hf:NAME or openai:NAME."""
    base_url: tuple[str, ...] = ()
    """Address of an OpenAI-compatible server; repeatable."""
    limit: int | None = Field(default=None, ge=1)
    """Only the first N items of the subset."""
    order: tuple[str, ...] = ("native",)
    """native, shuffle:SEED, easy-hard or hard-easy; repeatable."""
    seeds: str = "0"
    """Sample seeds such as 0-4 or 0,3; several need a temperature above 0."""
    data_seed: int = Field(default=0, ge=0)
    """Seed of generated data."""
    results: str = "results"
    """Folder for results."""
    max_in_flight: int = Field(default=32, ge=1)
    """Most requests under way at once for a model."""
    fresh: bool = False
    """Start a new attempt even if an equal run exists."""

    def orders(self) -> tuple[str, ...]:
        """The orders, checked."""
        for order in self.order:
            if not _ORDER.fullmatch(order):
                raise UsageError(
                    f"order '{order}' is unknown; use native, shuffle:SEED (such as shuffle:1), "
                    "easy-hard or hard-easy."
                )
        return tuple(dict.fromkeys(self.order))

    def sample_seeds(self) -> tuple[int, ...]:
        """The seeds that `seeds` names."""
        if not _SEEDS.fullmatch(self.seeds.replace(" ", "")):
            raise UsageError(f"seeds '{self.seeds}' are unreadable; write 0-4 or 0,3,7.")
        found = list[int]()
        for part in self.seeds.replace(" ", "").split(","):
            first, _, last = part.partition("-")
            found.extend(range(int(first), int(last or first) + 1))
        if not found:
            raise UsageError(f"seeds '{self.seeds}' name none; the first must not exceed the last.")
        return tuple(dict.fromkeys(found))


def read_sweep(values: Mapping[str, Any], config: Path | None = None) -> Sweep:
    """Join a YAML file and given values; the values win.

    Raises:
        UsageError: the file cannot be read, or holds what a sweep does not have.
    """
    merged: dict[str, Any] = _read_yaml(config) if config else {}
    for name, value in values.items():
        if name in ("task_options", "sampling", "model_args"):
            merged[name] = {**_mapping(merged.get(name), name), **value}
        else:
            merged[name] = value
    for name in merged:
        if name not in Sweep.model_fields:
            raise UnknownName("field of a sweep", str(name), Sweep.model_fields)
    if not merged.get("task"):
        raise UsageError("which task? Name one with --task; harness ls tasks lists them.")
    for name in ("method", "model", "order", "base_url"):
        if isinstance(merged.get(name), str):
            merged[name] = (merged[name],)
    if "seeds" in merged:
        merged["seeds"] = _seeds_text(merged["seeds"])
    try:
        return Sweep.model_validate(merged)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{where}={first['input']!r} is refused: {first['msg']}.") from error


def _read_yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        loaded: object = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no readable YAML: {error}.") from error
    return _mapping(loaded, str(path))


def _mapping(value: object, where: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UsageError(f"{where} must hold NAME: VALUE pairs.")
    return dict(cast("dict[str, Any]", value))


def _seeds_text(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(str(one) for one in cast("list[Any]", value))
    return str(value)
