"""`Sweep`: what a user asks for, as command line, YAML file and Python object at once.

The text under each field is its help. A run's resolved sweep is saved as
``artifacts/RUN/spec.yaml`` and can be run again with ``harness run --config``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import UnknownName, UsageError
from harness.streaming.orders import checked_order

_SEED_RANGE = re.compile(r"\s*([0-9]{1,18})\s*(?:-\s*([0-9]{1,18})\s*)?")
_SHARD = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")
_MOST_SEEDS = 10_000

Run = TypeVar("Run")


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
    order: tuple[str, ...] = ()
    """native, shuffle:SEED, easy-hard, hard-easy, grouped, interleaved or repeated:TIMES;
    repeatable."""
    orders: int | None = Field(default=None, ge=1, le=1000)
    """So many shuffles, shuffle:1 to shuffle:N, beside the orders that are named."""
    seeds: str = "0"
    """Seeds such as 0-4 or 0,3: of sampling (several then need a temperature above 0), or of an
    edit's training, drawn sets and minibatches."""
    data_seed: int = Field(default=0, ge=0, lt=2**63)
    """Seed of generated data."""
    results: str = "results"
    """Folder for results."""
    max_in_flight: int = Field(default=32, ge=1)
    """Most requests under way at once for a model."""
    fresh: bool = False
    """Start a new attempt even if an equal run exists."""
    cache: bool = False
    """Keep answers for all later runs, and take them from there; harness cache info shows them."""
    eval_backend: str | None = None
    """What evaluates edited models: transformers (in this process) or vllm."""
    reference: str | None = None
    """Run of a model that never saw the forget set, to compare edited models with."""
    shard: str | None = None
    """i/n: execute only the i-th of n parts; the same command with 1/n to n/n does it all."""
    max_tokens_total: int | None = Field(default=None, ge=1)
    """Stop asking once the runs have taken this many tokens; a higher number goes on."""
    max_cost: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Stop asking once the runs have cost this much, by --prices."""
    prices: str | None = None
    """YAML file, MODEL: {input: 0.15, output: 0.60} per million tokens."""
    max_time: str | None = None
    """Stop asking after this time, such as 45s, 30m or 1h30m."""

    def chosen_orders(self) -> tuple[str, ...]:
        """The orders, checked; native where none is asked for."""
        drawn = [f"shuffle:{seed}" for seed in range(1, (self.orders or 0) + 1)]
        named = [checked_order(one) for one in self.order]
        return tuple(dict.fromkeys([*named, *drawn])) or ("native",)

    def share(self, runs: Mapping[str, Run]) -> tuple[Run, ...]:
        """The part of a plan's runs that this command executes.

        Args:
            runs: all of them, by work key.
        """
        part, parts = self._part()
        return tuple(runs.values())[part - 1 :: parts]

    def _part(self) -> tuple[int, int]:
        """Which part of how many, counted from 1."""
        if self.shard is None:
            return 1, 1
        found = _SHARD.fullmatch(self.shard.strip())
        part, parts = (int(found[1]), int(found[2])) if found else (0, 0)
        if not 1 <= part <= parts:
            raise UsageError(f"shard '{self.shard}' is no part; write 1/4, 2/4, 3/4 or 4/4.")
        return part, parts

    def sample_seeds(self) -> tuple[int, ...]:
        """The seeds that `seeds` names."""
        found = dict[int, None]()
        for part in self.seeds.split(","):
            seeds = _SEED_RANGE.fullmatch(part)
            if not seeds:
                raise UsageError(f"seeds '{self.seeds}' are unreadable; write 0-4 or 0,3,7.")
            first, last = int(seeds[1]), int(seeds[2] or seeds[1])
            if last < first:
                raise UsageError(f"seeds '{self.seeds}': {first} exceeds {last}; write 0-4.")
            if len(found) + last - first >= _MOST_SEEDS:
                raise UsageError(f"seeds '{self.seeds}' are more than {_MOST_SEEDS}; name fewer.")
            found.update(dict.fromkeys(range(first, last + 1)))
        return tuple(found)


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
    if isinstance(merged.get("max_time"), (int, float)):
        merged["max_time"] = str(merged["max_time"])
    if isinstance(merged.get("model_args"), dict):
        args = cast("dict[str, Any]", merged["model_args"])
        merged["model_args"] = {
            str(name).replace("-", "_"): _scalar_text(value) for name, value in args.items()
        }
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
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"{path} is no readable YAML: {reason}.") from error
    given = _mapping(loaded, str(path))
    return {name: value for name, value in given.items() if value is not None}


def _mapping(value: object, where: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UsageError(f"{where} must hold NAME: VALUE pairs.")
    return dict(cast("dict[str, Any]", value))


def _scalar_text(value: object) -> object:
    """Engine arguments are texts; YAML reads ``retries: 3`` as a number."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else value


def _seeds_text(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(str(one) for one in cast("list[Any]", value))
    return str(value)
