"""The cells and ranks of one table, from the sums of its methods' runs.

With S_g the summed metric and n_g the scored samples of unit g of a subset, averaged over seeds,
N = sum(n_g) and w the weight of the subset, unit g adds ``w * S_g / N`` to a method's figure. The
interval is the cluster-robust t interval over units, ranks come from `harness.statistics.ranks`.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.protocols.solve.rules import estimate
from harness.statistics.means import MeanEstimate, mean_of_contributions
from harness.statistics.ranks import rank_methods
from harness_leaderboards.boards import BoardSpec
from harness_leaderboards.boards.spec import Cluster, Source, Weight
from harness_leaderboards.ranking.model import Cell, Cost, Pair, RankedRow, RankedTable
from harness_leaderboards.ranking.runs import Chosen
from harness_leaderboards.ranking.samples import RunSums

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ALPHA = 0.05

_Unit = str
_Parts = Mapping[_Unit, tuple[float, float]]
"""For each unit what it adds to the figure, and its share in it."""

_Runs = Sequence[tuple[Chosen, RunSums | None]]


@dataclass(frozen=True)
class Member:
    """A method of a table: its runs on each subset, by seed."""

    by_subset: Mapping[str, _Runs]

    @property
    def newest(self) -> Chosen:
        """Its last run, which says what it is called."""
        return max((run for runs in self.by_subset.values() for run, _ in runs), key=_age)


def _age(run: Chosen) -> str:
    return run.run_id


@dataclass(frozen=True)
class _Measured:
    """A method with its figures."""

    member: Member
    cells: tuple[Cell, ...]
    average: Cell
    parts: _Parts
    reason: str


def table_of(spec: BoardSpec, subsets: Sequence[str], members: Sequence[Member]) -> RankedTable:
    """Measure and rank the methods of a table; best first, those without a rank last."""
    full = _full(members)
    measured = [_measure(spec, subsets, one, full) for one in members]
    sign = 1.0 if spec.metric.higher_is_better else -1.0

    def place(one: _Measured) -> tuple[bool, bool, float, str, str]:
        value = one.average.value
        best_first = 0.0 if value is None else -sign * value
        newest = one.member.newest
        return (bool(one.reason), value is None, best_first, newest.label, newest.model)

    measured.sort(key=place)
    ranked = [one for one in measured if not one.reason]
    rows = [_row(one) for one in measured]
    table = RankedTable("", tuple(subsets), {}, "", tuple(rows), (), 0, 1.0, ())
    return _ranked(spec, table, ranked)


def value_of(spec: BoardSpec, runs: _Runs) -> MeanEstimate | None:
    """The figure of some runs of a method on a subset; None where nothing was scored."""
    of_runs = spec.metric.of is Source.RUNS
    parts = _run_parts(spec, runs) if of_runs else _sample_parts(spec, runs)
    return _estimate(spec, parts) if parts else None


def _estimate(spec: BoardSpec, parts: _Parts) -> MeanEstimate:
    if spec.metric.equal_sources and len({round(share, 12) for _, share in parts.values()}) == 1:
        return estimate([one / share for one, share in parts.values()])
    return mean_of_contributions(
        [one for one, _ in parts.values()], [share for _, share in parts.values()]
    )


def _row(one: _Measured) -> RankedRow:
    newest = one.member.newest
    return RankedRow(newest.label, newest.model, one.average, one.cells, None, None, one.reason)


def _ranked(spec: BoardSpec, table: RankedTable, ranked: Sequence[_Measured]) -> RankedTable:
    """Give the methods with the full set of items their ranks."""
    import numpy as np

    units = sorted({unit for one in ranked for unit in one.parts})
    if not units:
        return table
    zero = (0.0, 0.0)
    sign = 1.0 if spec.metric.higher_is_better else -1.0
    found = rank_methods(
        np.array([[sign * one.parts.get(unit, zero)[0] for one in ranked] for unit in units]),
        np.array([ranked[0].parts.get(unit, zero)[1] for unit in units]),
    )
    rows = [
        replace(row, rank_low=best, rank_high=worst)
        for row, (best, worst) in zip(table.rows, found.ranks, strict=False)
    ]
    pairs = [
        Pair(
            row=one.row,
            column=one.column,
            difference=sign * one.difference + 0.0,
            low=_turned(one.low, one.high, sign)[0],
            high=_turned(one.low, one.high, sign)[1],
            p=one.p,
            better=0 if one.p >= ALPHA else int(math.copysign(1, one.difference)),
        )
        for one in found.pairs
    ]
    return replace(
        table,
        rows=(*rows, *table.rows[len(rows) :]),
        pairs=tuple(pairs),
        units=found.units,
        smallest_p=found.smallest_p,
        notes=_notes(spec, found.units, found.smallest_p),
    )


def _turned(
    low: float | None, high: float | None, sign: float
) -> tuple[float | None, float | None]:
    if sign > 0:
        return low, high
    return (None if high is None else -high + 0.0), (None if low is None else -low + 0.0)


def _notes(spec: BoardSpec, units: int, smallest_p: float) -> tuple[str, ...]:
    if smallest_p < ALPHA:
        return ()
    kind = "seed" if spec.metric.of is Source.RUNS else spec.metric.cluster.value
    have = f"{units} {kind}{'s' if units != 1 else ''}"
    verb = "decide" if units != 1 else "decides"
    return (f"{have} {verb} no rank at {ALPHA}: at least 6 {kind}s are needed.",)


def _full(members: Sequence[Member]) -> dict[tuple[str, int], frozenset[str]]:
    """For each subset and seed the samples without a score of most methods; ties: the fewest."""
    seen = defaultdict[tuple[str, int], Counter[frozenset[str]]](Counter)
    for member in members:
        for subset, runs in member.by_subset.items():
            for run, sums in runs:
                seen[subset, run.seed][sums.unscored if sums else frozenset()] += 1
    return {
        place: min(found, key=lambda one: (-found[one], len(one), sorted(one)))
        for place, found in seen.items()
    }


def _measure(
    spec: BoardSpec,
    subsets: Sequence[str],
    member: Member,
    full: Mapping[tuple[str, int], frozenset[str]],
) -> _Measured:
    cells, parts, reasons = list[Cell](), list[_Parts](), list[str]()
    for subset in subsets:
        runs = member.by_subset.get(subset, ())
        cell, own = _cell(spec, subset, runs)
        cells.append(cell)
        parts.append(own)
        lacking = sum(
            len(sums.unscored - full[subset, run.seed]) for run, sums in runs if sums is not None
        )
        if lacking:
            reasons.append(f"{lacking} samples that others have are not scored")
        elif any(sums and sums.unscored != full[subset, run.seed] for run, sums in runs):
            reasons.append("scored on other samples than most")
        if runs and len(cell.seeds) < spec.minimum_seeds:
            has = f"{len(cell.seeds)} seed{'s' if len(cell.seeds) != 1 else ''}"
            reasons.append(f"{has} of the {spec.minimum_seeds} that a rank needs")
    missing = [cell.subset for cell in cells if cell.value is None]
    if missing:
        shown = f"{len(cells) - len(missing)} of {len(cells)} subsets" if len(cells) > 1 else ""
        reasons.insert(0, shown or "nothing is scored")
    if len(cells) == 1:
        return _Measured(member, tuple(cells), cells[0], parts[0], "; ".join(reasons))
    average, together = _average(spec, cells, parts, member)
    return _Measured(member, tuple(cells), average, together, "; ".join(dict.fromkeys(reasons)))


def _cell(spec: BoardSpec, subset: str, runs: _Runs) -> tuple[Cell, _Parts]:
    """A method on a subset."""
    parts = _run_parts(spec, runs) if spec.metric.of is Source.RUNS else _sample_parts(spec, runs)
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


def _with_value(spec: BoardSpec, cell: Cell, parts: _Parts) -> Cell:
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


def _run_parts(spec: BoardSpec, runs: _Runs) -> _Parts:
    """Each seed (of one draw of the data) is a unit."""
    values = {
        f"{run.seed}/{run.content}": run.metrics[spec.metric.name]
        for run, _ in runs
        if spec.metric.name in run.metrics
    }
    if len(values) < len(runs):
        return {}  # a mean over some seeds only is of something else
    return {unit: (value / len(values), 1 / len(values)) for unit, value in values.items()}


def _sample_parts(spec: BoardSpec, runs: _Runs) -> _Parts:
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


def _average(
    spec: BoardSpec, cells: Sequence[Cell], parts: Sequence[_Parts], member: Member
) -> tuple[Cell, _Parts]:
    """A method over all subsets; without a value where one is missing."""
    present = [one for one in cells if one.value is not None]
    runs = [one for subset in member.by_subset.values() for one in subset]
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
    counts = [one.n or 1 for one in cells]
    equal = spec.average is Weight.SUBSETS
    weights = [1 / len(cells) if equal else count / sum(counts) for count in counts]
    together = defaultdict[str, list[float]](lambda: [0.0, 0.0])
    for own, weight in zip(parts, weights, strict=True):
        for unit, (total, share) in own.items():
            together[unit][0] += weight * total
            together[unit][1] += weight * share
    whole = {unit: (total, share) for unit, (total, share) in together.items()}
    return _with_value(spec, replace(cell, clusters=len(whole)), whole), whole


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


def _cost(runs: _Runs) -> Cost:
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
