"""Which figure is compared, what it is computed from, and which direction is better.

A name stands for the mean of a value that samples have, for ``median:NAME`` or ``q90:NAME`` of one,
for a figure that the task computes from a run's samples (an area, a calibration error, a harmonic
mean), or for a figure that only the run's row has.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.errors import UnknownName, UsageError
from harness.registry import Kind, find
from harness_leaderboards.boards import board_of, least_effect
from harness_leaderboards.boards.spec import BoardSpec, Cluster, Source, Weight
from harness_leaderboards.comparing.items import Wanted, path_of
from harness_leaderboards.comparing.runs import Run

_QUANTILE = re.compile(r"(median|mean|q(\d{1,2}(?:\.\d+)?)):(.+)", re.DOTALL)


class Direction(StrEnum):
    """Which way a metric is better."""

    HIGHER = "higher"
    LOWER = "lower"


class Of(StrEnum):
    """What a metric is a function of."""

    MEAN = "mean"
    QUANTILE = "quantile"
    RUN = "run"
    """All samples of a run, if its task can compute it from them; else the run's row."""


@dataclass(frozen=True)
class Plan:
    """How a task is compared.

    Attributes:
        label: the metric as the user named it.
        name: the value of samples, or the figure of runs.
        of: what it is a function of.
        quantile: in (0, 1), of a quantile.
        wanted: the value of samples that is paired; for a figure of runs, what items are listed by.
        cluster: what is independent.
        average: what weighs the same.
        equal_sources: whether each source weighs the same, however many items it has.
        min_effect: smallest difference that matters.
        higher_is_better: direction of the metric; that of items is `wanted`'s.
    """

    label: str
    name: str
    of: Of
    quantile: float
    wanted: Wanted
    cluster: Cluster
    average: Weight
    equal_sources: bool
    min_effect: float
    higher_is_better: bool
    items_are_told: bool
    """Whether a change of an item's score is better or worse by itself: not so in an edit."""


def plan_of(
    task: str,
    runs: Sequence[Run],
    named: str,
    direction: Direction | None,
    min_effect: float | None,
) -> Plan:
    """Decide how a task is compared.

    Args:
        task: its name.
        runs: of both sides.
        named: the metric that the user named; empty: the board's.
        direction: which way is better, where the user said it.
        min_effect: the smallest difference that matters, where the user said it.

    Raises:
        UsageError: the metric is unknown, or its direction.
    """
    board = board_of(task)
    metric = board.metric
    form = _QUANTILE.fullmatch(named)
    name = form[3] if form else named or metric.name
    of = Of.MEAN if form else _source(board, name, runs)
    quantile = 0.5
    if form and form[1] != "mean":
        of = Of.QUANTILE
        quantile = 0.5 if form[2] is None else float(form[2]) / 100
        if not 0 < quantile < 1:
            raise UsageError(f"'{form[1]}' is no quantile; write q1 to q99, such as q90:{name}.")
    if form and name != "score" and name not in _values_of_samples(runs):
        raise UnknownName(f"value of samples of {task}", name, {"score", *_values_of_samples(runs)})
    if direction is None:
        direction = _direction(board, name, of)
    own = name == metric.name and (of is not Of.RUN) == (metric.of is Source.SAMPLES)
    value = name if of is not Of.RUN else "score"
    return Plan(
        label=named or metric.name,
        name=name,
        of=of,
        quantile=quantile,
        wanted=Wanted(
            metric=value,
            worst=metric.worst if own or value == "score" else None,
            higher_is_better=of is Of.RUN or direction is Direction.HIGHER,
            without_groups=metric.without_groups,
        ),
        cluster=metric.cluster,
        average=board.average,
        equal_sources=own and metric.equal_sources,
        min_effect=least_effect(board) if min_effect is None else min_effect,
        higher_is_better=direction is Direction.HIGHER,
        items_are_told=of is not Of.RUN or board.protocol != "edit",
    )


def _source(board: BoardSpec, name: str, runs: Sequence[Run]) -> Of:
    if name == board.metric.name:
        return Of.MEAN if board.metric.of is Source.SAMPLES else Of.RUN
    if name == "score":
        return Of.MEAN
    of_samples = _values_of_samples(runs)
    of_runs = {key for run in runs for key in dict(run.row.get("metrics") or {})}
    if name in of_samples:
        return Of.MEAN
    if name in of_runs:
        return Of.RUN
    raise UnknownName(f"metric of {board.task}", name, {"score", *of_samples, *of_runs})


def _values_of_samples(runs: Sequence[Run]) -> set[str]:
    """Names of the metrics that samples of these runs have; of unreadable files none."""
    import duckdb

    paths = sorted({str(path_of(run)) for run in runs if path_of(run).is_file()})
    with duckdb.connect() as connection:
        query = (
            "select distinct unnest(map_keys(metrics)) "
            "from read_parquet($paths, union_by_name=true, hive_partitioning=false)"
        )
        try:
            return {str(row[0]) for row in connection.execute(query, {"paths": paths}).fetchall()}
        except duckdb.Error:
            pass
        found = set[str]()
        for path in paths:
            try:
                rows = connection.execute(query, {"paths": [path]}).fetchall()
            except duckdb.Error:
                continue
            found |= {str(row[0]) for row in rows}
    return found


def _direction(board: BoardSpec, name: str, of: Of) -> Direction:
    """Which way a metric is better: as its board or its task says.

    Raises:
        UsageError: neither says it.
    """
    if name == board.metric.name:
        return Direction.HIGHER if board.metric.higher_is_better else Direction.LOWER
    for column in board.columns:
        if column.metric == name and column.higher_is_better is not None:
            return Direction.HIGHER if column.higher_is_better else Direction.LOWER
    try:
        known = find(Kind.TASK, board.task).load().metrics
    except (UsageError, AttributeError):
        known = ()
    for info in known:
        if info.name == name:
            return Direction.HIGHER if info.higher_is_better else Direction.LOWER
    if name in _KNOWN_LOWER:
        return Direction.LOWER
    if name == "score" or name in _KNOWN_HIGHER:
        return Direction.HIGHER
    raise UsageError(
        f"whether a higher {name} is better is not known ({of} of {board.task}); say --direction "
        "higher or --direction lower."
    )


_KNOWN_LOWER = frozenset({"ece", "nll", "brier", "mce", "relative_mce", "forgetting"})
_KNOWN_HIGHER = frozenset({"accuracy", "model_utility", "forget_quality", "success", "progress"})
