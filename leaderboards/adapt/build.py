"""Build a board of an adapt task from the published runs of a results folder.

Figures that are no means over images (mCE, ECE, overhead) are those of the runs, averaged over
seeds; accuracy and gain are computed from the images, photograph by photograph.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.errors import ResultsError
from harness.protocols.adapt.task import OPERATIONAL
from harness.results.schema import RunStatus, Status
from harness.results.store import ResultsStore
from harness.statistics import compare_paired, holm, mean_with_interval, verdict
from harness_leaderboards.adapt.boards import AdaptBoard
from harness_leaderboards.adapt.model import (
    AdaptLeaderboard,
    AdaptRow,
    AdaptSection,
)
from harness_leaderboards.model import LocalSetting, PairedGain
from harness_leaderboards.runs import local_setting, unranked_run

_CELL = "accuracy/"
_CLEAN = "clean"
ALPHA = 0.05

Key = tuple[str, int, int]
"""Image, how often it came before, seed of the stream."""


@dataclass(frozen=True)
class _Run:
    run_id: str
    setting: LocalSetting
    label: str
    method: str
    seed: int
    metrics: Mapping[str, float]
    axes: Mapping[str, Any]


@dataclass(frozen=True)
class _Image:
    source_id: str
    content_hash: str
    score: float | None
    failed: bool


@dataclass
class _Images:
    """What is read of the samples of a method's runs."""

    corrupted: dict[Key, _Image]
    n_failed: int = 0
    n_invalid: int = 0
    reason: str = ""


def build_adapt(board: AdaptBoard, store: ResultsStore) -> AdaptLeaderboard:
    """Build a board."""
    summaries = [one for one in store.runs() if one.task == board.task]
    complete = {one.run_id for one in summaries if one.status is RunStatus.COMPLETE}
    runs = list[_Run]()
    for row in store.run_rows().to_dict("records"):
        if row["run_id"] in complete:
            runs.append(_run({str(name): value for name, value in row.items()}))
    chosen = _newest(runs)
    unranked = [
        unranked_run(one, str(one.status)) for one in summaries if one.run_id not in complete
    ]
    groups = defaultdict[LocalSetting, dict[str, list[_Run]]](lambda: defaultdict(list))
    for run in chosen:
        groups[run.setting][run.method].append(run)
    problems, sections = list(store.problems), list[AdaptSection]()
    for setting in sorted(groups, key=_order):
        sections.append(_section(board, store, setting, list(groups[setting].values()), problems))
    return AdaptLeaderboard(board, tuple(sections), tuple(unranked), tuple(problems))


def _run(row: Mapping[str, Any]) -> _Run:
    options = json.loads(row["task_options"])
    return _Run(
        run_id=row["run_id"],
        setting=local_setting(
            row,
            {name: one for name, one in options.items() if name not in OPERATIONAL},
            str(row["content_hash"]),
        ),
        label=row["method"],
        method=row["method_parts"],
        seed=int(row["sample_seed"] or 0),
        axes=json.loads(row["protocol_settings"] or "{}"),
        metrics={name: value for name, value in row["metrics"].items() if math.isfinite(value)},
    )


def _newest(runs: Iterable[_Run]) -> list[_Run]:
    """The newest run of each method and seed in a setting."""
    ordered = sorted(runs, key=lambda one: one.run_id)
    return list({(one.setting, one.method, one.seed): one for one in ordered}.values())


def _order(setting: LocalSetting) -> tuple[str, ...]:
    return (setting.subset, setting.model, setting.task_options, setting.content_hash)


def _section(
    board: AdaptBoard,
    store: ResultsStore,
    setting: LocalSetting,
    methods: Sequence[Sequence[_Run]],
    problems: list[str],
) -> AdaptSection:
    read = list[tuple[AdaptRow, _Images]]()
    for runs in methods:
        try:
            read.append(_row(runs, _images(board, store, runs)))
        except ResultsError as error:
            problems.append(str(error))
    base = next((images for row, images in read if row.method == board.baseline), None)
    others = [(row, images) for row, images in read if row.method != board.baseline]
    notes = list[str]()
    rows = [row for row, _ in read if row.method == board.baseline]
    if base is None:
        notes.append(
            f"no complete run of {board.baseline} here: gains cannot be computed; make one with: "
            f"harness run --task {board.task} --method {board.baseline} and the options of this "
            "section."
        )
        rows += [row for row, _ in others]
    else:
        rows += _with_gains(board, base, others)
    first = [row for row in rows if row.method == board.baseline]
    rest = [row for row in rows if row.method != board.baseline]
    rest.sort(key=lambda row: (-(row.accuracy.mean if row.accuracy else -1.0), row.method))
    for row in rows:
        if row.reason:
            notes.append(f"{row.method}: {row.n_failed} images failed: {row.reason}")
    return AdaptSection(setting, (*first, *rest), tuple(notes))


def _images(board: AdaptBoard, store: ResultsStore, runs: Sequence[_Run]) -> _Images:
    found = _Images({})
    seeds = {run.run_id: run.seed for run in runs}
    frame = store.samples(board.task, list(seeds))
    columns = ("run_id", "sample_id", "repeat", "source_id", "sample_hash", "status")
    wanted = frame[[*columns, "score", "group", "checkpoint", "error"]]
    for row in wanted.itertuples(index=False):
        one: Any = row
        found.n_failed += one.status == Status.FAILED
        found.n_invalid += one.status == Status.INVALID
        if one.status == Status.FAILED and not found.reason:
            found.reason = one.error
        score = None if one.score != one.score or one.score is None else float(one.score)
        if one.group != _CLEAN and not one.checkpoint:
            key = (one.sample_id, int(one.repeat), seeds[one.run_id])
            found.corrupted[key] = _Image(
                one.source_id, one.sample_hash, score, one.status == Status.FAILED
            )
    return found


def _row(runs: Sequence[_Run], images: _Images) -> tuple[AdaptRow, _Images]:
    scored = [one for one in images.corrupted.values() if one.score is not None]
    names = dict.fromkeys(name for run in runs for name in run.metrics)
    means = dict[str, float]()
    for name in names:
        values = [run.metrics[name] for run in runs if name in run.metrics]
        if len(values) == len(runs):  # a mean over some seeds only is of something else
            means[name] = math.fsum(values) / len(values)
    accuracy = None
    if scored:
        values = [one.score or 0.0 for one in scored]
        accuracy = mean_with_interval(values, [one.source_id for one in scored])
    row = AdaptRow(
        method=runs[-1].label,
        run_ids=tuple(run.run_id for run in runs),
        seeds=tuple(sorted(run.seed for run in runs)),
        n_scored=len(scored),
        n_planned=len(images.corrupted),
        n_failed=images.n_failed,
        n_invalid=images.n_invalid,
        accuracy=accuracy,
        figures={name: one for name, one in means.items() if not name.startswith(_CELL)},
        cells={
            name.removeprefix(_CELL): one for name, one in means.items() if name.startswith(_CELL)
        },
        gain=None,
        reason=images.reason,
        order=str(runs[-1].axes.get("order", "")),
        adapts=str(runs[-1].axes.get("adapts", "")),
        missing=dict(runs[-1].axes.get("missing", {})),
    )
    return row, images


def _same_bytes(one: _Image, other: _Image) -> bool:
    """Whether two rows are of the same image; one that failed has no bytes to be compared."""
    return one.failed or other.failed or one.content_hash == other.content_hash


def _with_gains(
    board: AdaptBoard, base: _Images, others: Sequence[tuple[AdaptRow, _Images]]
) -> list[AdaptRow]:
    """Every method against the baseline; Holm over those that can be compared."""
    found = list[tuple[AdaptRow, Any, int]]()
    for row, images in others:
        pairs = [
            (base.corrupted[key], one)
            for key, one in images.corrupted.items()
            if key in base.corrupted
            and None not in (one.score, base.corrupted[key].score)
            and _same_bytes(one, base.corrupted[key])
        ]
        either = {
            key
            for found in (images, base)
            for key, one in found.corrupted.items()
            if one.score is not None
        }
        unpaired = len(either) - len(pairs)
        compared = None
        if pairs:
            compared = compare_paired(
                [one.score or 0.0 for one, _ in pairs],
                [one.score or 0.0 for _, one in pairs],
                [one.source_id for one, _ in pairs],
            )
        found.append((row, compared, unpaired))
    tested = [compared for _, compared, _ in found if compared is not None]
    adjusted = iter(holm([one.p for one in tested]))
    rows = list[AdaptRow]()
    for row, compared, unpaired in found:
        if compared is None:
            rows.append(row)
            continue
        p = next(adjusted)
        p = compared.p if p is None else p
        gain = PairedGain(
            n=compared.n,
            clusters=compared.clusters,
            unpaired=unpaired,
            difference=compared.difference,
            low=compared.low,
            high=compared.high,
            p=p,
            verdict=verdict(compared, p, ALPHA, board.min_effect, len(tested)),
        )
        rows.append(replace(row, gain=gain))
    return rows
