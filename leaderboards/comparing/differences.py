"""In what compared runs differ besides what is compared, and when that forbids a comparison."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.errors import UsageError
from harness_leaderboards.comparing.matching import Match, RunPair
from harness_leaderboards.comparing.model import Allow, Difference, Rules
from harness_leaderboards.comparing.runs import Run

_COLUMNS: Mapping[str, str] = {
    "task version": "task_version",
    "data": "content_hash",
    "model": "model_id",
    "model revision": "model_revision",
    "engine": "engine",
    "engine version": "engine_version",
    "batch invariant": "batch_invariant",
    "embedder": "embedder",
    "embedder revision": "embedder_revision",
    "order": "order",
    "data seed": "data_seed",
    "sample seed": "sample_seed",
    "training seed": "train_seed",
    "sample limit": "sample_limit",
    "code": "code_hash",
    "commit": "commit",
    "uncommitted changes": "dirty",
    "platform": "platform",
}
_FIELDS: Mapping[str, str] = {
    "task option": "task_options",
    "sampling": "sampling",
    "engine setting": "engine_settings",
    "engine option": "engine_options",
    "package": "versions",
    "machine": "machine",
    "protocol setting": "protocol_settings",
}
"""Columns of JSON: each of their fields is told by itself."""


def differences(pairs: Sequence[RunPair]) -> tuple[Difference, ...]:
    """Everything in which paired runs differ, with the values of both sides."""
    found = defaultdict[str, list[tuple[str, str]]](list)
    for pair in pairs:
        ours, theirs = _described(pair.baseline), _described(pair.candidate)
        for name in (*ours, *(name for name in theirs if name not in ours)):
            values = ours.get(name, "none"), theirs.get(name, "none")
            if values[0] != values[1]:
                found[name].append(values)
    return tuple(
        Difference(
            name, _some(one for one, _ in values), _some(two for _, two in values), len(values)
        )
        for name, values in found.items()
    )


def refuse(matches: Sequence[Match], rules: Rules) -> None:
    """Refuse runs that are not about the same thing.

    Raises:
        UsageError: task version or data differ, and that is not allowed.
    """
    reasons: tuple[tuple[Allow, str, str, Callable[[Run], Any]], ...] = (
        (Allow.TASK_VERSION, "task_version", "version of the task", _value("task_version")),
        (Allow.DATA, "data", "data", _value("content_hash")),
    )
    for match in matches:
        for allowed, option, what, of in reasons:
            for pair in match.pairs:
                one, other = of(pair.baseline), of(pair.candidate)
                if one == other or allowed in rules.allow:
                    continue
                if allowed is Allow.DATA and _other_limit(pair):
                    continue  # fewer items: those of both sides are held together by their hashes
                raise UsageError(
                    f"runs {pair.baseline.run_id} and {pair.candidate.run_id} of {match.task} are "
                    f"not comparable: the {what} is '{one}' and '{other}'; run the baseline again, "
                    f"or accept it with --allow {option}."
                )


def _other_limit(pair: RunPair) -> bool:
    """Whether the sides took a different number of the same items; an edit also has other sets."""
    limits = {run.row.get("sample_limit") for run in (pair.baseline, pair.candidate)}
    return len(limits) > 1 and pair.baseline.text("protocol") != "edit"


def refuse_changed(task: str, changed: int, rules: Rules) -> None:
    """Refuse items whose content differs.

    Raises:
        UsageError: there are some, and that is not allowed.
    """
    if changed and Allow.DATA not in rules.allow:
        raise UsageError(
            f"{changed} items of {task} have another content on the two sides (their hashes "
            "differ); run the baseline again, or leave them out with --allow data."
        )


def equal_machines(pairs: Sequence[RunPair]) -> str:
    """Why times cannot be compared; empty where all runs were made on equal machines."""
    machines = [run.text("machine") for pair in pairs for run in (pair.baseline, pair.candidate)]
    if not all(machines):
        return "the machine of some runs is not known"
    return "" if len(set(machines)) == 1 else "the runs were made on different machines"


def _value(column: str) -> Callable[[Run], Any]:
    return lambda run: run.row.get(column)


def _described(run: Run) -> dict[str, str]:
    """A run's provenance as short texts by name."""
    found = {
        name: str(run.row[column])
        for name, column in _COLUMNS.items()
        if run.row.get(column) not in (None, "")
    }
    found["method"] = _method(run)
    for name, column in _FIELDS.items():
        for key, value in sorted(run.fields(column).items()):
            text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
            found[f"{name} {key}"] = text
    return found


def _method(run: Run) -> str:
    """A method with every option."""
    try:
        parts = json.loads(run.text("method_parts") or "[]")
        texts = [
            one["name"]
            + "".join(f" {k}={json.dumps(v)}" for k, v in sorted(one.get("options", {}).items()))
            for one in parts
        ]
    except (ValueError, TypeError, KeyError, AttributeError):
        texts = []
    return " + ".join(texts) or run.text("method")


def _some(values: Any) -> str:
    """The different values of a side, three at most."""
    distinct = list(dict.fromkeys(values))
    more = f" and {len(distinct) - 3} more" if len(distinct) > 3 else ""
    return ", ".join(distinct[:3]) + more
