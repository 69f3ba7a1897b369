"""The cells of a ranked table, from the sums of a method's runs.

With S_g the summed metric and n_g the scored samples of unit g of a subset, over all seeds, N =
sum(n_g) and w the weight of the subset, unit g adds ``w * S_g / N`` to a method's figure and has
the share ``w * n_g / N`` in it. The interval is the cluster-robust t interval over units.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from harness.protocols.solve.rules import estimate
from harness.statistics.means import MeanEstimate, mean_of_contributions
from harness_leaderboards.boards import BoardSpec
from harness_leaderboards.boards.spec import Cluster, Source, Weight
from harness_leaderboards.ranking.model import Cell, Cost
from harness_leaderboards.ranking.runs import Chosen
from harness_leaderboards.ranking.samples import RunSums

Parts = Mapping[str, tuple[float, float]]
"""For each unit what it adds to the figure, and its share in it."""

Runs = Sequence[tuple[Chosen, RunSums | None]]
"""Runs of a method on a subset, with what their samples come to."""


def value_of(spec: BoardSpec, runs: Runs) -> MeanEstimate | None:
    """The figure of some runs of a method on a subset; None where nothing was scored."""
    parts = parts_of(spec, runs)
    return _estimate(spec, parts) if parts else None


def _estimate(spec: BoardSpec, parts: Parts) -> MeanEstimate:
    if spec.metric.equal_sources and len({round(share, 12) for _, share in parts.values()}) == 1:
        return estimate([one / share for one, share in parts.values()])
    return mean_of_contributions(
        [one for one, _ in parts.values()], [share for _, share in parts.values()]
    )


def cell_of(spec: BoardSpec, subset: str, runs: Runs) -> tuple[Cell, Parts]:
    """A method on a subset."""
    parts = parts_of(spec, runs)
    spread = [_value(spec, run, sums) for run, sums in runs]
    known = [one for one in spread if one is not None]
    known_sums = [sums for _, sums in runs if sums is not None]
    cell = Cell(
        subset=subset,
        value=None,
        low=None,
        high=None,
        n=sum(one.n for one in known_sums),
        n_planned=sum(one.n_planned for one in known_sums),
        n_failed=sum(one.n_failed for one in known_sums),
        n_invalid=sum(one.n_invalid for one in known_sums),
        clusters=len(parts),
        seeds=tuple(run.seed for run, _ in runs),
        spread=tuple(known),
        present=int(bool(parts)),
        expected=1,
        figures=_figures(spec, [run for run, _ in runs]),
        cost=_cost(runs),
        run_ids=tuple(run.run_id for run, _ in runs),
    )
    return _with_value(spec, cell, parts), parts


def _with_value(spec: BoardSpec, cell: Cell, parts: Parts) -> Cell:
    if not parts:
        return cell
    found = _estimate(spec, parts)
    return replace(cell, value=found.mean, low=found.low, high=found.high)


def _value(spec: BoardSpec, run: Chosen, sums: RunSums | None) -> float | None:
    """The figure of one run."""
    if spec.metric.of is Source.RUNS:
        return run.metrics.get(spec.metric.name)
    if sums is None or not sums.sizes.sum():
        return None
    return float(sums.totals.sum() / sums.sizes.sum())


def _run_parts(spec: BoardSpec, runs: Runs) -> Parts:
    """Each seed (of one draw of the data) is a unit."""
    values = {
        f"{run.seed}/{run.content}": run.metrics[spec.metric.name]
        for run, _ in runs
        if spec.metric.name in run.metrics
    }
    if len(values) < len(runs):
        return {}  # a mean over some seeds only is of something else
    return {unit: (value / len(values), 1 / len(values)) for unit, value in values.items()}


def _sample_parts(spec: BoardSpec, runs: Runs) -> Parts:
    """Units of all seeds together; their sums are those of all seeds."""
    totals, sizes = defaultdict[str, float](float), defaultdict[str, float](float)
    for run, sums in runs:
        if sums is None:
            continue
        for unit, total, size in zip(
            sums.units, sums.totals.tolist(), sums.sizes.tolist(), strict=True
        ):
            # Streams of two subsets may share a name; a source is itself everywhere.
            name = f"{run.subset}/{unit}" if spec.metric.cluster is Cluster.STREAM else unit
            totals[name] += total
            sizes[name] += size
    n = math.fsum(sizes.values())
    return {unit: (totals[unit] / n, sizes[unit] / n) for unit in totals if n and sizes[unit]}


def average_of(
    spec: BoardSpec, cells: Sequence[Cell], parts: Sequence[Parts], everything: Iterable[Runs]
) -> tuple[Cell, Parts]:
    """A method over all subsets; without a value where one is missing."""
    present = [one for one in cells if one.value is not None]
    runs = [one for subset in everything for one in subset]
    cell = Cell(
        subset="",
        value=None,
        low=None,
        high=None,
        n=sum(one.n for one in cells),
        n_planned=sum(one.n_planned for one in cells),
        n_failed=sum(one.n_failed for one in cells),
        n_invalid=sum(one.n_invalid for one in cells),
        clusters=0,
        seeds=tuple(sorted({seed for one in present for seed in one.seeds})),
        spread=(),
        present=len(present),
        expected=len(cells),
        figures=_mean_figures(spec, cells),
        cost=_cost(runs),
        run_ids=tuple(one for cell in cells for one in cell.run_ids),
    )
    if len(present) < len(cells):
        return cell, {}
    whole = together(parts, weights_of(spec, cells))
    return _with_value(spec, replace(cell, clusters=len(whole)), whole), whole


def weights_of(spec: BoardSpec, cells: Sequence[Cell]) -> list[float]:
    """What each subset weighs: the same, or as many as it has samples under one seed."""
    if spec.average is Weight.SUBSETS:
        return [1 / len(cells)] * len(cells)
    counts = [one.n / max(1, len(one.seeds)) or 1.0 for one in cells]
    return [one / math.fsum(counts) for one in counts]


def together(parts: Sequence[Parts], weights: Sequence[float]) -> Parts:
    """The units of several subsets; a source that is in two of them is one."""
    found = defaultdict[str, list[float]](lambda: [0.0, 0.0])
    for own, weight in zip(parts, weights, strict=True):
        for unit, (total, share) in own.items():
            found[unit][0] += weight * total
            found[unit][1] += weight * share
    return {unit: (total, share) for unit, (total, share) in found.items()}


def parts_of(spec: BoardSpec, runs: Runs) -> Parts:
    """The units of some runs of a method on a subset; none where nothing was scored."""
    return _run_parts(spec, runs) if spec.metric.of is Source.RUNS else _sample_parts(spec, runs)


def _figures(spec: BoardSpec, runs: Sequence[Chosen]) -> dict[str, float]:
    """Secondary figures, means over seeds; left out where a seed lacks one."""
    found = dict[str, float]()
    for column in spec.columns:
        values = [run.metrics[column.metric] for run in runs if column.metric in run.metrics]
        if runs and len(values) == len(runs):
            found[column.metric] = math.fsum(values) / len(values)
    return found


def _mean_figures(spec: BoardSpec, cells: Sequence[Cell]) -> dict[str, float]:
    found = dict[str, float]()
    for column in spec.columns:
        values = [one.figures[column.metric] for one in cells if column.metric in one.figures]
        if len(values) == len(cells):
            found[column.metric] = math.fsum(values) / len(values)
    return found


def _cost(runs: Runs) -> Cost:
    """What runs took, per sample; of an edit, whose samples are evaluations, memory only."""
    memory = [
        run.metrics["peak_memory_bytes"] for run, _ in runs if "peak_memory_bytes" in run.metrics
    ]
    sums = [one for _, one in runs if one is not None]
    n = sum(one.n_planned for one in sums)
    money = [run.money for run, _ in runs if run.money is not None]
    return Cost(
        input_tokens=sum(one.input_tokens for one in sums) / n if n else None,
        output_tokens=sum(one.output_tokens for one in sums) / n if n else None,
        seconds=sum(one.seconds for one in sums) / n if n else None,
        memory_bytes=max(memory, default=None),
        money=math.fsum(money) / n if n and len(money) == len(runs) else None,
    )
