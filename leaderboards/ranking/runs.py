"""Which runs a ranked board is made of: complete ones, the newest of equal work, in their tables.

Rows of the runs table come in; `Chosen` runs go out, each with the setting whose table it belongs
to and the key of its row. What is equal for all rows of a table is its setting; data may only
differ between subsets, and between the seeds of an edit.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from harness.protocols.adapt.task import OPERATIONAL
from harness_leaderboards.boards import BoardSpec

_EDIT_OPERATIONAL = ("attacks", "relearn_steps", "keep_weights")
"""What else an edited model is put to; its metrics do not depend on them."""

Setting = tuple[tuple[str, str], ...]
"""What is equal for all methods of a table: names and values."""


@dataclass(frozen=True)
class Chosen:
    """A run that counts."""

    run_id: str
    subset: str
    setting: Setting
    key: tuple[str, ...]
    """What a row is: the method with its options; of solvers with model and fit data."""
    label: str
    model: str
    """Where it tells rows apart, else empty."""
    embedder: str
    seed: int
    trained: bool
    """Whether the seed is one of training."""
    content: str
    n_planned: int
    metrics: Mapping[str, float] = field(hash=False)
    money: float | None


def choose(spec: BoardSpec, rows: Iterable[Mapping[str, Any]]) -> list[Chosen]:
    """Choose the runs of a board from the rows of complete runs, whatever their task."""
    return _with_embedders(_one_data(spec, _newest(attempts(spec, rows))))


def attempts(spec: BoardSpec, rows: Iterable[Mapping[str, Any]]) -> list[Chosen]:
    """Every complete run of a board, oldest first, older attempts of equal work too."""
    wanted = set(spec.subsets)
    runs = [
        _read(spec, row)
        for row in rows
        if row["task"] == spec.task and (not wanted or row["subset"] in wanted)
    ]
    return _labelled(runs, spec.baseline)


def _read(spec: BoardSpec, row: Mapping[str, Any]) -> Chosen:
    options: dict[str, Any] = json.loads(row["task_options"] or "{}")
    options.pop("subset", None)
    said: dict[str, Any] = json.loads(row["protocol_settings"] or "{}")
    model = f"{row['model_id']}@{row['model_revision']}" if row["model_revision"] else ""
    setting = {
        "task version": row["task_version"],
        "model": model or row["model_id"] or row["model"],
        "sampling": row["sampling"],
        "order": row["order"],
        "data seed": row["data_seed"],
        "sample limit": row["sample_limit"],
    }
    key, shown = [row["method_parts"] or row["method"]], ""
    if spec.protocol == "solve":
        # Solvers with a model and without one are compared on the same puzzles.
        shown = row["model"]
        key += [f"{row['model_id']}@{row['model_revision']}", row["sampling"] or ""]
        for name in ("model", "sampling"):
            setting.pop(name)
        fit_options = spec.solve.fit_options if spec.solve else ()
        of_fit = {name: options.pop(name, None) for name in fit_options}
        key.append(json.dumps(of_fit, sort_keys=True) if "fit" in said else "")
    for name in {"adapt": OPERATIONAL, "edit": _EDIT_OPERATIONAL}.get(spec.protocol, ()):
        options.pop(name, None)
    setting["task options"] = json.dumps(options, sort_keys=True) if options else ""
    seed = row["train_seed"] if row["train_seed"] is not None else row["sample_seed"]
    return Chosen(
        run_id=row["run_id"],
        subset=row["subset"] or "",
        setting=tuple((name, _shown(value)) for name, value in setting.items()),
        key=tuple(key),
        label=row["method"],
        model=shown,
        embedder=row["embedder"] or "",
        seed=int(seed or 0),
        trained=row["train_seed"] is not None,
        content=row["content_hash"] or "",
        n_planned=int(row["n_planned"] or 0),
        metrics={name: one for name, one in row["metrics"] or () if math.isfinite(one)},
        money=row["cost"] if row["cost"] is not None and math.isfinite(row["cost"]) else None,
    )


def _shown(value: Any) -> str:
    return "" if value is None or value == "{}" else str(value)


def _labelled(runs: Iterable[Chosen], baseline: str) -> list[Chosen]:
    """Give equal methods one label, whatever they were called: the baseline's, or the newest."""
    ordered = sorted(runs, key=lambda run: run.run_id)
    labels = dict[tuple[str, ...], str]()
    for run in ordered:
        if labels.get(run.key) != baseline:
            labels[run.key] = run.label
    return [replace(run, label=labels[run.key]) for run in ordered]


def _newest(runs: Iterable[Chosen]) -> list[Chosen]:
    """The newest run of each row, subset, seed and data in a setting."""
    by_place = {
        (run.setting, run.subset, run.key, run.embedder, run.seed, run.content): run for run in runs
    }
    return list(by_place.values())


def _one_data(spec: BoardSpec, runs: list[Chosen]) -> list[Chosen]:
    """Tell settings apart by their data, so that a table never compares on different samples.

    Of an edit, whose sets are drawn for each seed, the data of a seed must be equal.
    """
    hashes = defaultdict[tuple[Any, ...], dict[str, str]](dict)
    place = {
        run.run_id: (run.setting, run.subset, run.seed if spec.protocol == "edit" else None)
        for run in runs
    }
    for run in runs:
        found = hashes[place[run.run_id]]
        found[run.content] = max(found.get(run.content, ""), run.run_id)
    told = list[Chosen]()
    for run in runs:
        found = hashes[place[run.run_id]]
        newest_first = sorted(found, key=lambda one: found[one], reverse=True)
        age = newest_first.index(run.content)
        extra = (("data", f"older data {age}: {run.content[:8]}"),) if age else ()
        told.append(replace(run, setting=(*run.setting, *extra)))
    return told


def _with_embedders(runs: list[Chosen]) -> list[Chosen]:
    """Methods without an embedder stand beside those of every embedder."""
    found = defaultdict[Setting, set[str]](set)
    for run in runs:
        found[run.setting].add(run.embedder)
    told = list[Chosen]()
    for run in runs:
        several = sorted(found[run.setting] - {""})
        for embedder in [run.embedder] if run.embedder else several or [""]:
            extra = (("embedder", embedder),) if embedder else ()
            told.append(replace(run, setting=(*run.setting, *extra)))
    return told
