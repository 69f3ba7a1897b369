"""The runs of an edit task as a board needs them: read, the newest of equal work, side by side.

Rows of the results store come in. Runs go out, grouped so that one group never holds two runs of a
seed on different data.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.results.store import ResultsStore
from harness.statistics.tradeoff import Point
from harness_leaderboards.model import LocalSetting
from harness_leaderboards.runs import local_setting

START, FINAL = "start", "final"
_STEPS = ("step-", "request-")
_RELEARN = "relearn"
_ELSEWHERE = ("attacks", "relearn_steps", "keep_weights")
"""Options that say what else is looked at: attacks are named with their strength."""


@dataclass(frozen=True)
class Attacked:
    """What an attack made of a run's edited model: metrics before and after."""

    name: str
    """The attack, with its strength if it has one."""
    before: Mapping[str, float]
    after: Mapping[str, float]


@dataclass(frozen=True)
class EditedRun:
    """A complete run with its evaluations."""

    run_id: str
    setting: LocalSetting
    content_hash: str
    """Of the data: sets and probes."""
    reference_id: str
    """The run of a retrained model that it was compared with; empty for none."""
    label: str
    method: str
    """Editor and surgery with their options."""
    editor: str
    """The editor with its options."""
    base: str
    """The editor again, where a surgery completes it; else empty."""
    seed: int
    n_failed: int
    looks: tuple[Mapping[str, Any], ...]
    attacks: tuple[Attacked, ...]

    def at(self, checkpoint: str) -> Mapping[str, float]:
        """Metrics of an evaluation; none where it was not made."""
        return _at(self.looks, checkpoint)

    @property
    def in_steps(self) -> bool:
        """Whether it was to be evaluated along the edit."""
        return any(look["checkpoint"] == START for look in self.looks)

    def points(self, forgetting: str, kept: str) -> list[Point]:
        """The trajectory of the last edit, from before its first step."""
        last = max(look["request"] for look in self.looks)
        before = f"request-{last}/end" if last else START
        found = list[Point]()
        for look in self.looks:
            name, metrics = look["checkpoint"], look["metrics"]
            begins = self.in_steps and name == before
            goes_on = look["request"] == last and (name == FINAL or name.startswith(_STEPS))
            if (begins or goes_on) and forgetting in metrics and kept in metrics:
                step = 0 if begins else look["step"]
                found.append(Point(step, look["seconds"], metrics[forgetting], metrics[kept]))
        return found


def read_run(store: ResultsStore, row: Mapping[str, Any]) -> EditedRun:
    """Read a published run.

    Raises:
        ResultsError: its table of checkpoints cannot be read.
    """
    parts, options = json.loads(row["method_parts"]), json.loads(row["task_options"])
    looks = tuple(
        {
            **{str(name): value for name, value in look.items()},
            "missing": json.loads(look["missing"] or "{}"),
        }
        for look in store.checkpoints(row["run_id"]).to_dict("records")
    )
    written = [json.dumps(part, sort_keys=True) for part in parts]
    reference = row["reference_run_id"]
    return EditedRun(
        run_id=row["run_id"],
        setting=local_setting(
            row, {name: value for name, value in options.items() if name not in _ELSEWHERE}
        ),
        content_hash=str(row["content_hash"]),
        reference_id=reference if isinstance(reference, str) else "",
        label=row["method"],
        method="+".join(written),
        editor=written[0],
        base=written[0] if parts[1]["name"] != "none" else "",
        seed=int(row["train_seed"] or 0),
        n_failed=int(row["n_failed"] or 0),
        looks=looks,
        attacks=tuple(_attacks(looks, options.get("relearn_steps"))),
    )


def newest(runs: Iterable[EditedRun]) -> list[EditedRun]:
    """The newest run of each method and seed on the same data.

    An attack that it was not put to is that of the newest run which was.
    """
    chosen = dict[tuple[LocalSetting, str, str, int], EditedRun]()
    for run in sorted(runs, key=lambda one: one.run_id):
        key = (run.setting, run.content_hash, run.method, run.seed)
        attacks = {one.name: one for one in chosen[key].attacks} if key in chosen else {}
        attacks |= {one.name: one for one in run.attacks}
        chosen[key] = replace(run, attacks=tuple(attacks.values()))
    return list(chosen.values())


def side_by_side(runs: Iterable[EditedRun]) -> list[list[EditedRun]]:
    """Runs of a setting in groups in which a seed has one set of data; the newest data first.

    Data that several seeds share stay in one group.
    """
    order = sorted(runs, key=lambda one: one.run_id, reverse=True)
    groups = list[list[EditedRun]]()
    for run in sorted(order, key=lambda one: one.seed):
        _group_for(run, groups).append(run)
    return groups


def data_of(runs: Sequence[EditedRun]) -> dict[int, str]:
    """Hash of the data of each seed."""
    return {run.seed: run.content_hash for run in runs}


def _group_for(run: EditedRun, groups: list[list[EditedRun]]) -> list[EditedRun]:
    data = [data_of(group) for group in groups]
    same = [g for g, one in zip(groups, data, strict=True) if one.get(run.seed) == run.content_hash]
    free = [
        (run.content_hash not in one.values(), position)
        for position, one in enumerate(data)
        if run.seed not in one
    ]
    if same:
        return same[0]
    if free:
        return groups[min(free)[1]]
    groups.append([])
    return groups[-1]


def _at(looks: Iterable[Mapping[str, Any]], checkpoint: str) -> Mapping[str, float]:
    for look in looks:
        if look["checkpoint"] == checkpoint:
            return look["metrics"]
    return {}


def _attacks(looks: Sequence[Mapping[str, Any]], relearn_steps: int | None) -> Iterable[Attacked]:
    before = _at(looks, FINAL)
    for look in looks:
        name = str(look["checkpoint"])
        if name in (START, FINAL) or name.startswith(_STEPS):
            continue
        if name == _RELEARN and relearn_steps is not None:
            name = f"{name}, {relearn_steps} steps"
        yield Attacked(name, before, look["metrics"])
