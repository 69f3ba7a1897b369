"""Metrics that a task computes from all samples of a run, so that they can be computed again.

A task's own function of rows (`aggregate` of an edit, `summarise` of the others) is applied to rows
of which some come from the other side. A figure that no such function gives (a training's memory)
is compared as the run's row has it, over seeds.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from harness import options
from harness.errors import HarnessError
from harness.protocols.edit.task import Probe, ProbeResult
from harness.protocols.solve.puzzle import Problem, sample_id
from harness.registry import Kind, find
from harness.results.schema import SampleRecord, Status
from harness_leaderboards.boards.spec import Cluster
from harness_leaderboards.comparing.items import checkpoint_of, column_of
from harness_leaderboards.comparing.matching import RunPair
from harness_leaderboards.comparing.metrics import Plan
from harness_leaderboards.comparing.runs import Run

_SHARED = 0.9
"""Share of the items that all orders or seeds must have for them to be crossed with items."""

Cell = tuple[str, str, str]
Of = Callable[[Sequence[SampleRecord]], float]


@dataclass(frozen=True)
class Row:
    """The samples of one item in a cell of a comparison.

    Attributes:
        cell: subset, seed of data and sampling, and of a training the order: a metric is computed
            in each cell, and averaged over those of a subset.
        samples: of the item.
    """

    cell: Cell
    samples: tuple[SampleRecord, ...]


@dataclass(frozen=True)
class Recomputable:
    """Rows of both sides, item by item, and the metric as a function of them.

    Attributes:
        columns: for each training seed, else for each order, the rows of baseline and candidate.
        clusters: of each row, the same in all columns.
        statistic: of rows; higher is better; the mean over subsets.
    """

    columns: list[tuple[list[Row], list[Row]]]
    clusters: list[str]
    statistic: Callable[[Sequence[Row]], float]


def recomputable(pairs: Sequence[RunPair], plan: Plan) -> Recomputable | str:
    """Rows and function of a metric; or why it cannot be computed again, in words."""
    functions = dict[Cell, Of]()
    by_column = defaultdict[str, dict[tuple[Any, ...], tuple[Row, Row]]](dict)
    for pair in pairs:
        cell = _cell(pair)
        try:
            functions.setdefault(cell, _function(pair.baseline, plan.name))
            ours, theirs = _samples(pair.baseline), _samples(pair.candidate)
        except HarnessError as error:
            return f"{plan.name} cannot be computed again: {error}"
        if not all(math.isfinite(_total(functions[cell], some)) for some in (ours, theirs)):
            return f"{plan.name} is no function of the samples of {pair.baseline.text('task')}"
        for key in ours.keys() & theirs.keys():
            rows = Row(cell, ours[key]), Row(cell, theirs[key])
            by_column[str(pair.seed) if pair.trained else column_of(pair)][cell, key] = rows
    common = set.intersection(*(set(some) for some in by_column.values()))
    if len(common) < _SHARED * max(map(len, by_column.values())):
        return "each seed has items of its own"
    order = sorted(common)
    first = next(iter(by_column.values()))
    return Recomputable(
        columns=[
            ([some[key][0] for key in order], [some[key][1] for key in order])
            for _, some in sorted(by_column.items())
        ],
        clusters=[_cluster(first[key][0], plan.cluster) for key in order],
        statistic=_statistic(functions, 1.0 if plan.higher_is_better else -1.0),
    )


def _cell(pair: RunPair) -> Cell:
    subset, data = pair.baseline.text("subset"), str(pair.baseline.whole("data_seed") or 0)
    if pair.trained:  # orders of one training are no further trainings
        return subset, f"{data}/", pair.baseline.text("order")
    return subset, f"{data}/{pair.seed}", ""


def of_runs(pairs: Sequence[RunPair], name: str) -> tuple[list[float], list[float]]:
    """A figure as the rows of the runs have it, averaged over subsets, by seed; both sides."""
    seeds = defaultdict[int, list[tuple[float, float]]](list)
    for pair in pairs:
        values = [_number(run, name) for run in (pair.baseline, pair.candidate)]
        if values[0] is not None and values[1] is not None:
            seeds[pair.seed].append((values[0], values[1]))
    most = max(map(len, seeds.values()), default=0)
    # A seed that lacks a subset would compare other subsets than the rest.
    whole = [some for _, some in sorted(seeds.items()) if len(some) == most]
    return (
        [math.fsum(one for one, _ in some) / most for some in whole],
        [math.fsum(other for _, other in some) / most for some in whole],
    )


def _number(run: Run, name: str) -> float | None:
    value = dict(run.row.get("metrics") or {}).get(name)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _cluster(row: Row, cluster: Cluster) -> str:
    one = row.samples[0]
    # A stream is one in all its orders.
    return "/".join((*row.cell[:2], one.stream_id)) if cluster is Cluster.STREAM else one.source_id


def _statistic(functions: dict[Cell, Of], sign: float) -> Callable[[Sequence[Row]], float]:
    def statistic(rows: Sequence[Row]) -> float:
        cells = defaultdict[Cell, list[SampleRecord]](list)
        for row in rows:
            cells[row.cell].extend(row.samples)
        subsets = defaultdict[str, list[float]](list)
        for cell, some in cells.items():
            subsets[cell[0]].append(functions[cell](some))
        means = [math.fsum(some) / len(some) for some in subsets.values()]
        return sign * math.fsum(means) / len(means) if means else math.nan

    return statistic


def _total(of: Of, samples: dict[tuple[Any, ...], tuple[SampleRecord, ...]]) -> float:
    return of([one for some in samples.values() for one in some])


def _samples(run: Run) -> dict[tuple[Any, ...], tuple[SampleRecord, ...]]:
    """The samples of a run by item and content; of an edit, those of its last evaluation."""
    frame = run.store.samples(run.text("task"), [run.run_id])
    found = defaultdict[tuple[Any, ...], list[SampleRecord]](list)
    final = checkpoint_of("edit") if run.text("protocol") == "edit" else None
    for row in frame.to_dict("records"):
        if final is None or row["checkpoint"] == final:
            one = _record({str(name): value for name, value in row.items()})
            found[one.sample_id, one.sample_hash].append(one)
    return {key: tuple(some) for key, some in found.items()}


def _record(row: dict[str, Any]) -> SampleRecord:
    score = row["score"]
    return SampleRecord(
        sample_id=row["sample_id"],
        sample_hash=row["sample_hash"],
        source_id=row["source_id"],
        stream_id=row["stream_id"],
        step=int(row["step"]),
        group=row["group"],
        status=Status(row["status"]),
        score=None if score is None or score != score else float(score),
        metrics=row["metrics"],
        repeat=int(row["repeat"]),
        checkpoint=row["checkpoint"],
        error=row["error"] or "",
        latency_s=float(row["latency_s"]),
    )


def _function(run: Run, name: str) -> Of:
    """The metric of samples as the task of a run computes it.

    Raises:
        UsageError: the task, or its data, are not there.
    """
    task: Any = find(Kind.TASK, run.text("task")).load()
    owner = f"task '{run.text('task')}'"
    made = task(options.build(task.Options, run.fields("task_options"), owner))
    protocol = run.text("protocol")
    if protocol == "edit":
        reference = _reference(run)

        def edited(samples: Sequence[SampleRecord]) -> float:
            return float(made.aggregate(_results(samples), reference).metrics.get(name, math.nan))

        return edited
    if protocol == "solve":
        problems = made.problems(run.whole("data_seed") or 0)

        def solved(samples: Sequence[SampleRecord]) -> float:
            known = {one.sample_id for one in samples}
            asked = [one for one in problems if known & set(_asked(one))]
            return float(made.summarise(asked, samples).metrics.get(name, math.nan))

        return solved
    if protocol == "adapt":

        def adapted(samples: Sequence[SampleRecord]) -> float:
            return float(made.summarise(samples).metrics.get(name, math.nan))

        return adapted
    return lambda _: math.nan


def _asked(problem: Problem) -> list[str]:
    """The samples of a puzzle."""
    return [sample_id(problem.puzzle.puzzle_id, n) for n in range(len(problem.answers))]


def _reference(run: Run) -> list[ProbeResult] | None:
    """The evaluation that an edit was compared with, where its run is in the same folder."""
    reference = run.text("reference_run_id")
    if not reference or not (run.store.root / "runs" / f"{reference}.parquet").is_file():
        return None
    found = Run(run.store, run.store.row(reference))
    return _results(one for some in _samples(found).values() for one in some)


def _results(samples: Iterable[SampleRecord]) -> list[ProbeResult]:
    return [
        ProbeResult(
            Probe(one.sample_id, one.group, one.source_id, one.sample_hash),
            one.score,
            one.metrics,
            problem=one.error,
        )
        for one in samples
    ]
