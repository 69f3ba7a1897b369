"""The rows and ranks of one table: methods measured, told apart, and those that cannot be ranked.

Only methods with the same units of the same size are ranked: the samples that most methods were
scored on, and of figures of runs the seeds that most methods have. Cells come from `cells`, ranks
from `harness.statistics.ranks`.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from harness.statistics.ranks import Ranking, rank_methods, rank_trained
from harness_leaderboards.boards import BoardSpec
from harness_leaderboards.boards.spec import Source
from harness_leaderboards.ranking.cells import (
    Parts,
    Runs,
    average_of,
    cell_of,
    parts_of,
    together,
    weights_of,
)
from harness_leaderboards.ranking.model import Cell, Pair, RankedRow, RankedTable
from harness_leaderboards.ranking.runs import Chosen

ALPHA = 0.05

_Kind = TypeVar("_Kind", bound=Hashable)


@dataclass(frozen=True)
class Member:
    """A method of a table: its runs on each subset, by seed."""

    by_subset: Mapping[str, Runs]

    @property
    def newest(self) -> Chosen:
        """Its last run, which says what it is called."""
        runs = (run for runs in self.by_subset.values() for run, _ in runs)
        return max(runs, key=lambda run: run.run_id)

    @property
    def trained(self) -> bool:
        """Whether its seeds are those of training."""
        return any(run.trained for runs in self.by_subset.values() for run, _ in runs)

    def seeds(self) -> frozenset[int]:
        """The seeds that it has on every subset."""
        every = [{run.seed for run, _ in runs} for runs in self.by_subset.values()]
        return frozenset(set[int].intersection(*every))

    def under(self, seed: int) -> list[Runs]:
        """Its runs under one seed, by subset."""
        return [[one for one in runs if one[0].seed == seed] for runs in self.by_subset.values()]


@dataclass(frozen=True)
class _Measured:
    """A method with its figures."""

    member: Member
    cells: tuple[Cell, ...]
    average: Cell
    parts: Parts
    reason: str


def table_of(spec: BoardSpec, subsets: Sequence[str], members: Sequence[Member]) -> RankedTable:
    """Measure and rank the methods of a table; best first, those without a rank last."""
    full = _full(members)
    measured = _on_common(spec, [_measure(spec, subsets, one, full) for one in members])
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
    return _ranked(spec, table, ranked) if ranked else table


def _row(one: _Measured) -> RankedRow:
    newest = one.member.newest
    return RankedRow(newest.label, newest.model, one.average, one.cells, None, None, one.reason)


def _on_common(spec: BoardSpec, measured: Sequence[_Measured]) -> list[_Measured]:
    """Leave the methods without a rank that lack the units or the seeds that most have."""
    found = list(measured)
    if spec.metric.of is Source.RUNS:
        units = _usual([frozenset(one.parts) for one in found if not one.reason])
        return [
            one
            if one.reason or units is None
            else _of_units(one, units)
            if units <= one.parts.keys()
            else replace(one, reason="lacks seeds, or their data, that most methods have")
            for one in found
        ]
    shape = _usual([_shape(one) for one in found if not one.reason])
    found = [
        replace(one, reason="scored on other samples than most")
        if not one.reason and _shape(one) != shape
        else one
        for one in found
    ]
    trained = [one for one in found if not one.reason and one.member.trained]
    seeds = _usual([one.member.seeds() for one in trained]) or frozenset()
    return [
        replace(one, reason=_seed_reason(one, seeds)) if one in trained else one for one in found
    ]


def _seed_reason(one: _Measured, seeds: frozenset[int]) -> str:
    if len(one.member.seeds()) < 2:
        return "1 training seed; a rank needs two"
    if not seeds <= one.member.seeds():
        return "lacks training seeds that most methods have"
    return ""


def _of_units(one: _Measured, units: frozenset[str]) -> _Measured:
    """A method on common units, each of which weighs the same."""
    scale = len(one.parts) / len(units)
    parts = {unit: (one.parts[unit][0] * scale, 1 / len(units)) for unit in units}
    return replace(one, parts=parts)


def _shape(one: _Measured) -> frozenset[tuple[str, float]]:
    return frozenset((unit, round(share, 12)) for unit, (_, share) in one.parts.items())


def _usual(found: Sequence[frozenset[_Kind]]) -> frozenset[_Kind] | None:
    """What most have; of equally many the largest, then the first in order."""
    count = Counter(found)
    return min(count, key=lambda one: (-count[one], -len(one), sorted(map(str, one))), default=None)


def _ranked(spec: BoardSpec, table: RankedTable, ranked: Sequence[_Measured]) -> RankedTable:
    """Give the methods with the full set of items their ranks."""
    sign = 1.0 if spec.metric.higher_is_better else -1.0
    found = _ranking(spec, ranked, sign)
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
        notes=tuple(_notes(spec, ranked, found)),
    )


def _ranking(spec: BoardSpec, ranked: Sequence[_Measured], sign: float) -> Ranking:
    import numpy as np

    units = sorted(ranked[0].parts)
    shares = np.array([ranked[0].parts[unit][1] for unit in units])

    def columns(read: Callable[[_Measured], Parts]) -> list[list[float]]:
        return [[sign * parts[unit][0] for parts in map(read, ranked)] for unit in units]

    trained = [one for one in ranked if one.member.trained]
    if not trained or spec.metric.of is Source.RUNS:
        return rank_methods(np.array(columns(lambda one: one.parts)), shares)
    seeds = sorted(frozenset[int].intersection(*(one.member.seeds() for one in trained)))
    by_seed = [columns(lambda one, seed=seed: _under(spec, one, seed)) for seed in seeds]
    return rank_trained(np.array(by_seed).transpose(1, 0, 2), shares)


def _under(spec: BoardSpec, one: _Measured, seed: int) -> Parts:
    """A trained method under one seed; another is the same under all."""
    if not one.member.trained:
        return one.parts
    parts = [parts_of(spec, runs) for runs in one.member.under(seed)]
    return together(parts, weights_of(spec, one.cells))


def _turned(
    low: float | None, high: float | None, sign: float
) -> tuple[float | None, float | None]:
    if sign > 0:
        return low, high
    return (None if high is None else -high + 0.0), (None if low is None else -low + 0.0)


def _notes(spec: BoardSpec, ranked: Sequence[_Measured], found: Ranking) -> list[str]:
    notes = list[str]()
    of_runs = spec.metric.of is Source.RUNS
    if found.smallest_p >= ALPHA:
        kind = "seed" if of_runs else spec.metric.cluster.value
        have = f"{found.units} {kind}{'s' if found.units != 1 else ''}"
        verb = "decide" if found.units != 1 else "decides"
        notes.append(f"{have} {verb} no rank at {ALPHA}: at least 6 {kind}s are needed.")
    if of_runs and any(one.average.clusters > found.units for one in ranked):
        notes.append(f"Ranks are over the {found.units} seeds that all ranked methods have.")
    if not of_runs and any(one.member.trained for one in ranked):
        notes.append(
            "Intervals are given the training seeds; ranks count seeds as a factor (two-way t "
            "tests)."
        )
    return notes


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
    cells, parts, reasons = list[Cell](), list[Parts](), list[str]()
    for subset in subsets:
        runs = member.by_subset.get(subset, ())
        cell, own = cell_of(spec, subset, runs)
        cells.append(cell)
        parts.append(own)
        lacking = sum(
            len(sums.unscored - full[subset, run.seed]) for run, sums in runs if sums is not None
        )
        if lacking:
            reasons.append(f"{lacking} samples that others have are not scored")
        if runs and len(cell.seeds) < spec.minimum_seeds:
            has = f"{len(cell.seeds)} seed{'s' if len(cell.seeds) != 1 else ''}"
            reasons.append(f"{has} of the {spec.minimum_seeds} that a rank needs")
    missing = [cell.subset for cell in cells if cell.value is None]
    if missing:
        shown = f"{len(cells) - len(missing)} of {len(cells)} subsets" if len(cells) > 1 else ""
        reasons.insert(0, shown or f"no sample has a {spec.metric.name}")
    if len(cells) == 1:
        return _Measured(member, tuple(cells), cells[0], parts[0], "; ".join(reasons))
    average, whole = average_of(spec, cells, parts, member.by_subset.values())
    return _Measured(member, tuple(cells), average, whole, "; ".join(dict.fromkeys(reasons)))
