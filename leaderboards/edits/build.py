"""Build the board of an edit task from the published runs of a results folder.

Runs are grouped into sections of what must be equal; within one, a method has a run for each seed,
the newest of equal work, and all runs of a seed have the same data. Trajectories come from the
runs' checkpoint tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.errors import ResultsError
from harness.results.schema import RunStatus
from harness.results.store import ResultsStore
from harness.statistics import mean_with_interval
from harness.statistics.tradeoff import Crossing, StartsBelow, area_between, first_crossing
from harness_leaderboards.edits.boards import EditBoard, Forgetting
from harness_leaderboards.edits.model import (
    AtLevel,
    EditLeaderboard,
    EditRow,
    EditSection,
    Failure,
    Over,
)
from harness_leaderboards.edits.notes import failures_of, notes_of
from harness_leaderboards.edits.runs import (
    FINAL,
    EditedRun,
    data_of,
    newest,
    read_run,
    side_by_side,
)
from harness_leaderboards.edits.samples import Samples
from harness_leaderboards.model import LocalSetting
from harness_leaderboards.runs import unranked_run

_KS = "forget_quality_ks_distance"


@dataclass(frozen=True)
class _Measures:
    """What is compared in a section.

    Attributes:
        main: the main measure of forgetting; None where no run has one along its edit.
        measured: all that runs have along their edits.
        kept: metric of what must not be lost.
        kept_name: what to call it.
    """

    main: Forgetting | None
    measured: tuple[Forgetting, ...]
    kept: str
    kept_name: str


def build_edits(board: EditBoard, store: ResultsStore) -> EditLeaderboard:
    """Build a board.

    Returns:
        One section for each setting that has complete runs, more where runs of a seed are on
        different data, and the runs that are not ranked.
    """
    summaries = [one for one in store.runs() if one.task == board.task]
    complete = {one.run_id for one in summaries if one.status is RunStatus.COMPLETE}
    runs, problems = list[EditedRun](), list[str]()
    for row in store.run_rows().to_dict("records"):
        if row["run_id"] in complete:
            try:
                runs.append(read_run(store, {str(name): value for name, value in row.items()}))
            except ResultsError as error:
                problems.append(str(error))
    settings = dict[LocalSetting, list[EditedRun]]()
    for run in newest(runs):
        settings.setdefault(run.setting, []).append(run)
    samples = Samples(store, board.task)
    by_id = {run.run_id: run for run in runs}
    sections = [
        _section(board, members, [one for one in everything if one not in members], by_id, samples)
        for everything in settings.values()
        for members in side_by_side(everything)
    ]
    return EditLeaderboard(
        board,
        tuple(sections),
        tuple(
            unranked_run(one, str(one.status)) for one in summaries if one.run_id not in complete
        ),
        (*store.problems, *problems, *dict.fromkeys(samples.problems)),
    )


def _section(
    board: EditBoard,
    runs: Sequence[EditedRun],
    elsewhere: Sequence[EditedRun],
    by_id: Mapping[str, EditedRun],
    samples: Samples,
) -> EditSection:
    """A section of runs; those `elsewhere` have the same setting and other data."""
    measures = _measures(board, runs)
    methods = dict[str, list[EditedRun]]()
    for run in sorted(runs, key=lambda one: one.seed):
        methods.setdefault(run.method, []).append(run)
    plain = {members[0].editor: members for members in methods.values() if not members[0].base}
    references = {
        run.run_id: reference for run in runs if (reference := _reference(run, by_id)) is not None
    }
    rows = _sorted(
        board,
        [
            _row(
                board,
                members,
                plain.get(members[0].base, ()) if members[0].base else (),
                references,
                measures,
                [samples.failure(run) for run in members if run.n_failed],
            )
            for members in methods.values()
        ],
    )
    retrained = [
        members for members in methods.values() if members[0].label.split(":")[0] == board.reference
    ]
    return EditSection(
        setting=runs[0].setting,
        data=data_of(runs),
        examples=samples.examples(runs),
        rows=tuple(rows),
        main=measures.main.metric if measures.main else "",
        kept_metric=measures.kept,
        kept_name=measures.kept_name,
        reference_spread=_spread(board, retrained, samples),
        notes=(
            *notes_of(board, runs, elsewhere, references, bool(measures.main)),
            *failures_of(rows),
        ),
    )


def _reference(run: EditedRun, by_id: Mapping[str, EditedRun]) -> EditedRun | None:
    """The retrained model's run that a run was compared with, if it is there, on the same data."""
    found = by_id.get(run.reference_id)
    return found if found and found.content_hash == run.content_hash else None


def _measures(board: EditBoard, runs: Sequence[EditedRun]) -> _Measures:
    """What runs have along their edits; else only the first of what is kept that is known."""
    for kept, name in board.kept:
        measured = tuple(
            one
            for one in board.forgetting
            if any(len(run.points(one.metric, kept)) > 1 for run in runs)
        )
        if measured:
            return _Measures(measured[0], measured, kept, name)
    known = {name for run in runs for look in run.looks for name in look["metrics"]}
    kept, name = next((pair for pair in board.kept if pair[0] in known), board.kept[0])
    return _Measures(None, (), kept, name)


def _row(
    board: EditBoard,
    runs: Sequence[EditedRun],
    base: Sequence[EditedRun],
    references: Mapping[str, EditedRun],
    measures: _Measures,
    failures: Sequence[Failure],
) -> EditRow:
    return EditRow(
        method=runs[-1].label,
        base=base[-1].label if base else "",
        run_ids=tuple(run.run_id for run in runs),
        seeds=tuple(run.seed for run in runs),
        failures=tuple(failures),
        end=_end(board, runs),
        levels=tuple(_levels(measures, runs, base, references)),
        area=_area(runs, measures),
        curve=_curve(runs, measures),
        attacks=_attacks(runs),
        unattacked=_unattacked(runs),
        missing={
            name: reason
            for run in runs
            for look in run.looks
            if look["checkpoint"] == FINAL
            for name, reason in look["missing"].items()
        },
        step_seconds=_mean(run.at(FINAL).get("step_seconds") for run in runs),
        peak_memory_bytes=_most_memory(runs),
        preserved=_mean(run.at(FINAL).get("step_preserved") for run in runs),
    )


def _end(board: EditBoard, runs: Sequence[EditedRun]) -> dict[str, Over]:
    found = dict[str, Over]()
    for metric, _ in board.end:
        values = {run.seed: run.at(FINAL)[metric] for run in runs if metric in run.at(FINAL)}
        if values:
            found[metric] = over(values.values())
    return found


_Found = Crossing | StartsBelow | None


def _levels(
    measures: _Measures,
    runs: Sequence[EditedRun],
    base: Sequence[EditedRun],
    references: Mapping[str, EditedRun],
) -> Iterable[AtLevel]:
    kept = measures.kept
    for measure in measures.measured:
        for level in (*measure.levels, None):
            own = (
                {run.seed: level for run in runs}
                if level is not None
                else {
                    run.seed: references[run.run_id].at(FINAL).get(measure.metric)
                    for run in runs
                    if run.run_id in references
                }
            )
            mine = _crossings(runs, measure.metric, kept, own)
            if not mine:
                continue
            others = _crossings(base, measure.metric, kept, own)
            reached = {seed: one for seed, one in mine.items() if isinstance(one, Crossing)}
            whole = len(reached) == len(mine)
            yield AtLevel(
                measure=measure.metric,
                level=level,
                reached=len(reached),
                seeds=len(mine),
                below=tuple(s for s, one in mine.items() if isinstance(one, StartsBelow)),
                kept={seed: one.kept for seed, one in reached.items()},
                over=over(one.kept for one in reached.values()) if whole else None,
                steps=_mean(one.step for one in reached.values()) if whole else None,
                seconds=_mean(one.seconds for one in reached.values()) if whole else None,
                gain=_gain(mine, others),
            )


def _crossings(
    runs: Sequence[EditedRun], measure: str, kept: str, levels: Mapping[int, float | None]
) -> dict[int, _Found]:
    """First crossings by seed; seeds without a level are left out, and those not edited in steps.

    An edit that diverged before its second evaluation is none of the latter: it is censored.
    """
    found = dict[int, _Found]()
    for run in runs:
        level, points = levels.get(run.seed), run.points(measure, kept)
        if level is not None and (len(points) > 1 or (run.n_failed and run.in_steps)):
            found[run.seed] = first_crossing(points, level)
    return found


def _gain(mine: Mapping[int, _Found], others: Mapping[int, _Found]) -> Over | None:
    """Paired differences over common seeds; None if one has no crossing on either side."""
    differences = list[float]()
    for seed in sorted(mine.keys() & others.keys()):
        one, other = mine[seed], others[seed]
        if not isinstance(one, Crossing) or not isinstance(other, Crossing):
            return None
        differences.append(one.kept - other.kept)
    return over(differences) if differences else None


def over(values: Iterable[float]) -> Over:
    """Mean and t interval over seeds."""
    known = list(values)
    found = mean_with_interval(known, range(len(known)))
    return Over(found.mean, found.low, found.high, len(known))


def _area(runs: Sequence[EditedRun], measures: _Measures) -> Over | None:
    """Mean of what is kept over the preset levels; None unless every seed has one."""
    if measures.main is None or len(measures.main.levels) < 2:
        return None
    low, high = min(measures.main.levels), max(measures.main.levels)
    areas = [
        area_between(run.points(measures.main.metric, measures.kept), low, high) for run in runs
    ]
    known = [one for one in areas if one is not None]
    return over(known) if len(known) == len(areas) else None


def _curve(
    runs: Sequence[EditedRun], measures: _Measures
) -> tuple[tuple[float, float, float], ...]:
    """Mean over seeds at each step that all of them have."""
    if measures.main is None:
        return ()
    main, kept = measures.main.metric, measures.kept
    trajectories = [{one.step: one for one in run.points(main, kept)} for run in runs]
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
    """Means over seeds after each attack."""
    found = dict[str, dict[str, list[float]]]()
    for run in runs:
        for attack in run.attacks:
            for metric, value in attack.after.items():
                found.setdefault(attack.name, {}).setdefault(metric, []).append(value)
    return {
        name: {metric: sum(values) / len(values) for metric, values in metrics.items()}
        for name, metrics in found.items()
    }


def _unattacked(runs: Sequence[EditedRun]) -> dict[str, dict[str, float]]:
    """Means before each attack, over the runs that have a figure after it."""
    found = dict[str, dict[str, list[float | None]]]()
    for run in runs:
        for attack in run.attacks:
            for metric in attack.after:
                values = found.setdefault(attack.name, {}).setdefault(metric, [])
                values.append(attack.before.get(metric))
    return {
        name: {
            metric: mean
            for metric, values in metrics.items()
            if None not in values and (mean := _mean(values)) is not None
        }
        for name, metrics in found.items()
    }


def _spread(
    board: EditBoard, retrained: Iterable[Sequence[EditedRun]], samples: Samples
) -> dict[str, float]:
    """How far retrained models of different seeds are apart; the largest of their methods."""
    found = dict[str, float]()
    for runs in retrained:
        for metric, _ in board.end:
            values = [run.at(FINAL)[metric] for run in runs if metric in run.at(FINAL)]
            if len(values) > 1 and metric not in board.against_reference:
                found[metric] = max(found.get(metric, 0.0), max(values) - min(values))
        distance = samples.ks_between(runs) if _KS in dict(board.end) else None
        if distance is not None:
            found[_KS] = max(found.get(_KS, 0.0), distance)
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
