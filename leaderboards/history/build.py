"""Trends of a board's methods over their attempts, and where they stepped.

All complete attempts of a method on a subset in one setting come in, not only the newest; attempts
of one code that differ in their seed are one point. A step is a change of level that a permutation
test over all places to cut would rarely show by chance.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from harness.results.schema import RunStatus
from harness.results.store import ResultsStore
from harness.statistics.steps import find_steps
from harness_leaderboards.boards.spec import Source
from harness_leaderboards.history.model import Point, Step, Trend
from harness_leaderboards.ranking.cells import value_of
from harness_leaderboards.ranking.model import RankedBoard
from harness_leaderboards.ranking.runs import Chosen, Setting, attempts
from harness_leaderboards.ranking.samples import RunSums, sums_of

_Row = Mapping[str, Any]


def trends_of(board: RankedBoard, store: ResultsStore) -> tuple[Trend, ...]:
    """The trends of a board; a method with a single attempt has none."""
    spec = board.board
    complete = {one.run_id for one in store.runs() if one.status is RunStatus.COMPLETE}
    rows = {row["run_id"]: row for row in store.rows() if row["run_id"] in complete}
    runs = attempts(spec, rows.values())
    series = defaultdict[tuple[Any, ...], list[Chosen]](list)
    for run in runs:
        series[_without_revision(run), run.embedder, run.subset, run.key, run.content].append(run)
    several = {
        place: members
        for place, members in series.items()
        if len({rows[one.run_id]["code_hash"] for one in members}) > 1
        or len(members) > len({one.seed for one in members})
    }
    sums: dict[str, RunSums] = {}
    if spec.metric.of is Source.SAMPLES:
        planned = {run.run_id: run.n_planned for members in several.values() for run in members}
        sums, _ = sums_of(spec, store, planned)
    titles = {table.subsets[0]: table.title for table in board.tables if len(table.subsets) == 1}
    found = list[Trend]()
    for members in several.values():
        points = _points(board, members, rows, sums)
        if len(points) > 1:
            last = members[-1]
            title = titles.get(last.subset, last.subset)
            found.append(Trend(spec.name, title, last.label, last.subset, points, _steps(points)))
    return tuple(sorted(found, key=lambda one: (one.title, one.subset, one.method)))


def _without_revision(run: Chosen) -> Setting:
    """The setting of an attempt, in which another revision of the model is the same model."""
    return tuple(
        (name, value.partition("@")[0] if name == "model" else value) for name, value in run.setting
    )


def _points(
    board: RankedBoard,
    runs: Iterable[Chosen],
    rows: Mapping[str, _Row],
    sums: Mapping[str, RunSums],
) -> tuple[Point, ...]:
    """Attempts in time; runs of one code whose seeds differ stand together."""
    points, waiting = list[Point](), list[Chosen]()

    def settle() -> None:
        if waiting:
            point = _point(board, waiting, rows, sums)
            if point:
                points.append(point)
            waiting.clear()

    for run in sorted(runs, key=lambda one: one.run_id):
        if waiting and (
            _code(rows[run.run_id]) != _code(rows[waiting[-1].run_id])
            or run.seed in {one.seed for one in waiting}
        ):
            settle()
        waiting.append(run)
    settle()
    return tuple(points)


def _code(row: _Row) -> tuple[str, str, str]:
    return str(row["code_hash"]), _harness(row), str(row["model_revision"])


def _harness(row: _Row) -> str:
    return str(json.loads(row["versions"] or "{}").get("harness", ""))


def _point(
    board: RankedBoard,
    runs: Sequence[Chosen],
    rows: Mapping[str, _Row],
    sums: Mapping[str, RunSums],
) -> Point | None:
    pairs = [(run, sums.get(run.run_id)) for run in runs]
    found = value_of(board.board, pairs)
    if found is None:
        return None
    row = rows[runs[0].run_id]
    return Point(
        when=_when(row["started_at"]),
        harness=_harness(row),
        code=str(row["code_hash"] or "")[:8],
        model_revision=str(row["model_revision"] or ""),
        value=found.mean,
        low=found.low,
        high=found.high,
        n=sum(one.n for _, one in pairs if one),
        run_ids=tuple(run.run_id for run in runs),
    )


def _when(value: datetime | None) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if value else ""


def _steps(points: Sequence[Point]) -> tuple[Step, ...]:
    steps = find_steps([one.value for one in points])
    edges = [0, *(one.position for one in steps), len(points)]
    levels = [
        sum(one.value for one in points[start:end]) / (end - start)
        for start, end in pairwise(edges)
    ]
    return tuple(
        Step(
            position=one.position,
            before=levels[at],
            after=levels[at + 1],
            p=one.p,
            changed=_changed(points[one.position - 1], points[one.position]),
        )
        for at, one in enumerate(steps)
    )


def _changed(before: Point, after: Point) -> tuple[str, ...]:
    """What differs on either side of a step."""
    names = {"harness": "harness", "code": "code", "model_revision": "model revision"}
    return tuple(
        f"{words} {getattr(before, name) or 'unknown'} -> {getattr(after, name) or 'unknown'}"
        for name, words in names.items()
        if getattr(before, name) != getattr(after, name)
    )
