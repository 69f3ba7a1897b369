"""Build the board of an edit task from the published runs of a results folder.

Runs are grouped into sections of what must be equal; within one, a method has a run for each seed,
the newest of equal work. Trajectories come from the runs' checkpoint tables.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import ResultsError
from harness.results.schema import RunStatus
from harness.results.store import ResultsStore
from harness.statistics import mean_with_interval
from harness.statistics.tradeoff import Crossing, Point, area_between, first_crossing
from harness_leaderboards.edits.boards import EditBoard, Forgetting
from harness_leaderboards.edits.model import (
    AtLevel,
    EditLeaderboard,
    EditRow,
    EditSection,
    EditSetting,
    Over,
)
from harness_leaderboards.runs import unranked_run

_START, _FINAL = "start", "final"
_STEPS = ("step-", "request-")


@dataclass(frozen=True)
class EditedRun:
    """A complete run with its evaluations."""

    run_id: str
    work_key: str
    setting: EditSetting
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

    def at(self, checkpoint: str) -> Mapping[str, float]:
        """Metrics of an evaluation; none where it was not made."""
        for look in self.looks:
            if look["checkpoint"] == checkpoint:
                return look["metrics"]
        return {}

    @property
    def in_steps(self) -> bool:
        """Whether it was to be evaluated along the edit."""
        return any(look["checkpoint"] == _START for look in self.looks)

    def points(self, forgetting: str, kept: str) -> list[Point]:
        """The trajectory of the last edit."""
        last = max(look["request"] for look in self.looks)
        return [
            Point(
                look["step"],
                look["seconds"],
                look["metrics"][forgetting],
                look["metrics"][kept],
            )
            for look in self.looks
            if look["request"] == last
            and (look["checkpoint"] in (_START, _FINAL) or look["checkpoint"].startswith(_STEPS))
            and forgetting in look["metrics"]
            and kept in look["metrics"]
        ]


def build_edits(board: EditBoard, store: ResultsStore) -> EditLeaderboard:
    """Build a board.

    Returns:
        One section for each setting that has complete runs, and the runs that are not ranked.
    """
    summaries = [one for one in store.runs() if one.task == board.task]
    complete = {one.run_id for one in summaries if one.status is RunStatus.COMPLETE}
    runs, problems = list[EditedRun](), list[str]()
    for row in store.run_rows().to_dict("records"):
        if row["run_id"] in complete:
            try:
                runs.append(_read(store, {str(name): value for name, value in row.items()}))
            except ResultsError as error:
                problems.append(str(error))
    sections = dict[EditSetting, list[EditedRun]]()
    for run in _newest(runs):
        sections.setdefault(run.setting, []).append(run)
    return EditLeaderboard(
        board,
        tuple(_section(board, setting, members) for setting, members in sections.items()),
        tuple(
            unranked_run(one, str(one.status)) for one in summaries if one.run_id not in complete
        ),
        (*store.problems, *problems),
    )


def _read(store: ResultsStore, row: Mapping[str, Any]) -> EditedRun:
    parts = json.loads(row["method_parts"])
    frame = store.checkpoints(row["run_id"])
    looks = tuple(
        {
            **{str(name): value for name, value in look.items()},
            "missing": json.loads(look["missing"] or "{}"),
        }
        for look in frame.to_dict("records")
    )
    written = [json.dumps(part, sort_keys=True) for part in parts]
    limit = row["sample_limit"]
    return EditedRun(
        run_id=row["run_id"],
        work_key=row["work_key"],
        setting=EditSetting(
            task_version=row["task_version"],
            subset=row["subset"],
            task_options=_world(row["task_options"]),
            model=row["model"],
            model_id=row["model_id"],
            model_revision=row["model_revision"],
            sample_limit=int(limit) if limit == limit and limit is not None else None,
        ),
        label=row["method"],
        method="+".join(written),
        editor=written[0],
        base=written[0] if parts[1]["name"] != "none" else "",
        seed=int(row["train_seed"] or 0),
        n_failed=int(row["n_failed"] or 0),
        looks=looks,
    )


def _world(options: str) -> str:
    """The task's options without those that say what else is looked at."""
    given = json.loads(options)
    for name in ("attacks", "relearn_steps", "keep_weights"):
        given.pop(name, None)
    return json.dumps(given, sort_keys=True)


def _newest(runs: Iterable[EditedRun]) -> list[EditedRun]:
    """The newest run of each method and seed in a setting."""
    chosen = dict[tuple[EditSetting, str, int], EditedRun]()
    for run in sorted(runs, key=lambda one: one.run_id):
        chosen[run.setting, run.method, run.seed] = run
    return list(chosen.values())


def _section(board: EditBoard, setting: EditSetting, runs: Sequence[EditedRun]) -> EditSection:
    kept, kept_name = _kept(board, runs)
    methods = dict[str, list[EditedRun]]()
    for run in sorted(runs, key=lambda one: one.seed):
        methods.setdefault(run.method, []).append(run)
    references = {run.seed: run for run in runs if run.label.split(":")[0] == board.reference}
    plain = {members[0].editor: members for members in methods.values() if not members[0].base}
    measured = [
        one
        for one in board.forgetting
        if any(len(run.points(one.metric, kept)) > 1 for run in runs)
    ]
    rows = [
        _row(board, members, plain, references, (kept, measured)) for members in methods.values()
    ]
    spread = _spread(board, list(references.values()))
    notes = (
        []
        if references
        else [
            f"no finished run of {board.reference}: nothing says how a model looks that never saw "
            "the forget set."
        ]
    )
    return EditSection(setting, tuple(_sorted(board, rows)), kept, kept_name, spread, tuple(notes))


def _kept(board: EditBoard, runs: Sequence[EditedRun]) -> tuple[str, str]:
    """The first measure of what must not be lost that the runs have."""
    known = {name for run in runs for look in run.looks for name in look["metrics"]}
    for metric, name in board.kept:
        if metric in known:
            return metric, name
    return board.kept[0]


def _row(
    board: EditBoard,
    runs: Sequence[EditedRun],
    plain: Mapping[str, Sequence[EditedRun]],
    references: Mapping[int, EditedRun],
    measures: tuple[str, Sequence[Forgetting]],
) -> EditRow:
    kept, measured = measures
    base = plain.get(runs[0].base, ()) if runs[0].base else ()
    presets = board.forgetting[0].levels
    main = board.forgetting[0].metric
    areas = (
        {run.seed: area_between(run.points(main, kept), min(presets), max(presets)) for run in runs}
        if len(presets) > 1
        else {}
    )
    return EditRow(
        method=runs[-1].label,
        base=base[-1].label if base else "",
        run_ids=tuple(run.run_id for run in runs),
        seeds=tuple(run.seed for run in runs),
        diverged=sum(run.n_failed > 0 for run in runs),
        end=_end(board, runs),
        levels=tuple(_levels(measured, runs, base, references, kept)),
        area=_whole(areas, len(runs)),
        curve=_curve(runs, main, kept),
        attacks=_attacks(runs),
        missing={
            name: reason
            for run in runs
            for look in run.looks
            if look["checkpoint"] == _FINAL
            for name, reason in look["missing"].items()
        },
        step_seconds=_mean(run.at(_FINAL).get("step_seconds") for run in runs),
        peak_memory_bytes=_most_memory(runs),
        preserved=_mean(run.at(_FINAL).get("step_preserved") for run in runs),
    )


def _end(board: EditBoard, runs: Sequence[EditedRun]) -> dict[str, Over]:
    found = dict[str, Over]()
    for metric, _ in board.end:
        values = {run.seed: run.at(_FINAL)[metric] for run in runs if metric in run.at(_FINAL)}
        if values:
            found[metric] = over(values.values())
    return found


def _levels(
    measured: Sequence[Forgetting],
    runs: Sequence[EditedRun],
    base: Sequence[EditedRun],
    references: Mapping[int, EditedRun],
    kept: str,
) -> Iterable[AtLevel]:
    for measure in measured:
        for level in (*measure.levels, None):
            own = (
                {run.seed: level for run in runs}
                if level is not None
                else {seed: run.at(_FINAL).get(measure.metric) for seed, run in references.items()}
            )
            mine = _crossings(runs, measure.metric, kept, own)
            if not mine:
                continue
            others = _crossings(base, measure.metric, kept, own)
            reached = {seed: one for seed, one in mine.items() if one is not None}
            whole = len(reached) == len(mine)
            yield AtLevel(
                measure=measure.metric,
                level=level,
                reached=len(reached),
                seeds=len(mine),
                kept={seed: one.kept for seed, one in reached.items()},
                over=over(one.kept for one in reached.values()) if whole else None,
                steps=_mean(one.step for one in reached.values()) if whole else None,
                seconds=_mean(one.seconds for one in reached.values()) if whole else None,
                gain=_gain(mine, others),
            )


def _crossings(
    runs: Sequence[EditedRun], measure: str, kept: str, levels: Mapping[int, float | None]
) -> dict[int, Crossing | None]:
    """First crossings by seed; seeds without a level are left out, and those not edited in steps.

    An edit that diverged before its second evaluation is none of the latter: it is censored.
    """
    found = dict[int, Crossing | None]()
    for run in runs:
        level, points = levels.get(run.seed), run.points(measure, kept)
        if level is not None and (len(points) > 1 or (run.n_failed and run.in_steps)):
            found[run.seed] = first_crossing(points, level)
    return found


def _gain(
    mine: Mapping[int, Crossing | None], others: Mapping[int, Crossing | None]
) -> Over | None:
    """Paired differences over common seeds; None if one of them is censored on either side."""
    differences = list[float]()
    for seed in sorted(mine.keys() & others.keys()):
        one, other = mine[seed], others[seed]
        if one is None or other is None:
            return None
        differences.append(one.kept - other.kept)
    return over(differences) if differences else None


def over(values: Iterable[float]) -> Over:
    """Mean and t interval over seeds."""
    known = list(values)
    found = mean_with_interval(known, range(len(known)))
    return Over(found.mean, found.low, found.high, len(known))


def _whole(values: Mapping[int, float | None], count: int) -> Over | None:
    known = [value for value in values.values() if value is not None]
    return over(known) if known and len(known) == count else None


def _curve(
    runs: Sequence[EditedRun], measure: str, kept: str
) -> tuple[tuple[float, float, float], ...]:
    """Mean over seeds at each step that all of them have."""
    trajectories = [{one.step: one for one in run.points(measure, kept)} for run in runs]
    if not trajectories:
        return ()
    common = sorted(set.intersection(*(set(one) for one in trajectories)))
    return tuple(
        (
            step,
            sum(one[step].forgetting for one in trajectories) / len(trajectories),
            sum(one[step].kept for one in trajectories) / len(trajectories),
        )
        for step in common
    )


def _attacks(runs: Sequence[EditedRun]) -> dict[str, dict[str, float]]:
    found = dict[str, dict[str, list[float]]]()
    for run in runs:
        for look in run.looks:
            name = str(look["checkpoint"])
            if name in (_START, _FINAL) or name.startswith(_STEPS):
                continue
            for metric, value in look["metrics"].items():
                found.setdefault(name, {}).setdefault(metric, []).append(value)
    return {
        name: {metric: sum(values) / len(values) for metric, values in metrics.items()}
        for name, metrics in found.items()
    }


def _spread(board: EditBoard, references: Sequence[EditedRun]) -> dict[str, float]:
    """How far retrained models of different seeds are apart."""
    found = dict[str, float]()
    for metric, _ in board.end:
        values = [run.at(_FINAL)[metric] for run in references if metric in run.at(_FINAL)]
        if len(values) > 1:
            found[metric] = max(values) - min(values)
    return found


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _most_memory(runs: Sequence[EditedRun]) -> int | None:
    known = [
        int(look["peak_memory_bytes"])
        for run in runs
        for look in run.looks
        if look["peak_memory_bytes"] == look["peak_memory_bytes"] and look["peak_memory_bytes"]
    ]
    return max(known) if known else None


def _sorted(board: EditBoard, rows: Iterable[EditRow]) -> list[EditRow]:
    """Baseline, reference, then editors by name, each with its surgeries behind it."""

    def place(row: EditRow) -> tuple[bool, bool, str, bool, str]:
        name = row.method.split(":")[0].split("+")[0]
        return (
            row.method != board.baseline,
            name != board.reference,
            row.base or row.method,
            bool(row.base),
            row.method,
        )

    return sorted(rows, key=place)
