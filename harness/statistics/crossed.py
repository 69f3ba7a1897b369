"""Clusters crossed with orders or training seeds: is the candidate different from the baseline?

Further orders (or training seeds) of the same items are no further items: what an order does, it
does to all of them. So the differences make a two-way table, clusters by columns, and the variance
of their mean has a part of each (`orders_interval`). The test is a t test with Satterthwaite's
degrees of freedom; as of a test which swaps labels, its `smallest_p` is ``2**(1 - clusters)``, and
no verdict comes of fewer clusters than reach alpha.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from harness.statistics.inputs import cluster_codes, error_rate, finite_scores, item_weights
from harness.statistics.means import OrdersEstimate, orders_interval
from harness.statistics.paired import PairedComparison, PairedTest
from harness.statistics.swaps import equal_rows, grouped_clusters, statistic_of, without

if TYPE_CHECKING:
    from harness.statistics.inputs import Floats

Row = TypeVar("Row")


@dataclass(frozen=True)
class Crossed:
    """A comparison over columns, and the variance behind it.

    Attributes:
        comparison: as of any paired test.
        standard_error: of the difference; None where a single cluster or column leaves it unknown.
        degrees: of freedom, None likewise.
    """

    comparison: PairedComparison
    standard_error: float | None
    degrees: float | None


def compare_crossed(
    baseline: Iterable[float],
    candidate: Iterable[float],
    clusters: Iterable[Hashable],
    columns: Iterable[Hashable],
    level: float = 0.95,
    weights: Iterable[float] | None = None,
) -> Crossed:
    """Compare two runs whose items were each run in several orders, or after several trainings.

    With ``d`` the differences, ``w`` their weights (W in all), ``mean = sum(w d) / W``, and
    ``S_gj`` and ``W_gj`` the sums over the items of cluster g in column j, the table is
    ``mean + G J (S_gj - mean W_gj) / W``: what each cell contributes to the mean, as a ratio.

    Args:
        baseline: one score for each item and column.
        candidate: the scores of the same items and columns in the same order.
        clusters: the label of each item's cluster; with a single stream the item itself.
        columns: the order or seed of each score.
        level: confidence level, probability in (0, 1).
        weights: what each score weighs, above 0; equal if not given.

    Returns:
        The comparison; with one cluster or one column p is 1 and there is no interval.

    Raises:
        ValueError: lengths differ, a score is not finite, or a cluster lacks a column.
    """
    import numpy as np

    before = finite_scores(baseline, "baseline scores")
    after = finite_scores(candidate, "candidate scores")
    if before.size != after.size:
        raise ValueError(f"{before.size} baseline scores but {after.size} candidate scores.")
    rows, sides = cluster_codes(clusters, before.size), cluster_codes(columns, before.size)
    weighs = item_weights(weights, before.size)
    change, whole = after - before, math.fsum(weighs)
    groups, many = int(rows.max()) + 1, int(sides.max()) + 1
    cells = rows * many + sides
    sums = np.bincount(cells, weighs * change, groups * many).reshape(groups, many)
    sizes = np.bincount(cells, weighs, groups * many).reshape(groups, many)
    if (sizes <= 0).any():
        raise ValueError("every cluster needs scores in every order: leave the others out.")
    mean = math.fsum(weighs * change) / whole
    table = mean + groups * many * (sums - mean * sizes) / whole
    by_cluster = sums.sum(axis=1)
    tolerance = 1e-12 * float((weighs * (np.abs(before) + np.abs(after))).sum())
    return _of_table(
        table,
        level,
        PairedComparison(
            n=before.size // many,
            clusters=groups,
            changed_clusters=int((np.abs(by_cluster) > tolerance).sum()),
            lost_clusters=int((by_cluster < -tolerance).sum()),
            largest_cluster=float(sizes.sum(axis=1).max() / whole * (before.size // many)),
            baseline=math.fsum(weighs * before) / whole,
            candidate=math.fsum(weighs * after) / whole,
            difference=mean if abs(mean) * whole > tolerance else 0.0,
            wins=int((change > 0).sum()),
            losses=int((change < 0).sum()),
            ties=int((change == 0).sum()),
            low=None,
            high=None,
            p=1.0,
            smallest_p=1.0,
            test=PairedTest.CROSSED,
            exact=False,
            level=level,
        ),
    )


def compare_crossed_statistic(
    columns: Sequence[tuple[Sequence[Row], Sequence[Row]]],
    clusters: Sequence[Hashable],
    statistic: Callable[[Sequence[Row]], float],
    level: float = 0.95,
    seed: int = 0,
) -> Crossed:
    """The same for a metric that is no mean, from its jackknife pseudo-values.

    Clusters are put into at most 30 groups; with ``t`` the difference of a column and ``t_k`` that
    without group k, the cell is ``K t - (K - 1) t_k``, moved so that columns have mean ``t``.

    Args:
        columns: for each order or seed, the rows of baseline and candidate, item by item.
        clusters: the label of each item's cluster, the same in all columns.
        statistic: the metric as a function of rows; higher is better.
        level: confidence level, probability in (0, 1).
        seed: decides which clusters are grouped.

    Raises:
        ValueError: there is no column, or the metric is not defined on the rows.
    """
    import numpy as np

    if not columns:
        raise ValueError("at least one order or seed is needed.")
    codes = cluster_codes(clusters, len(columns[0][0]))
    grouping = grouped_clusters(codes, seed)
    parts = int(grouping.max()) + 1
    before = [statistic_of(statistic, one) for one, _ in columns]
    after = [statistic_of(statistic, other) for _, other in columns]
    table = np.zeros((parts, len(columns)))
    for place, (one, other) in enumerate(columns):
        whole = after[place] - before[place]
        for part in range(parts if parts > 1 else 0):
            kept = grouping != part
            left = statistic(without(other, kept)) - statistic(without(one, kept))
            table[part, place] = parts * whole - (parts - 1) * left
        table[:, place] += whole - table[:, place].mean()
    differing = ~np.all([equal_rows(one, other) for one, other in columns], axis=0)
    mean = math.fsum(after) / len(after) - math.fsum(before) / len(before)
    comparison = PairedComparison(
        n=codes.size,
        clusters=int(codes.max()) + 1,
        changed_clusters=len(set(codes[differing].tolist())),
        lost_clusters=0,
        largest_cluster=float(np.bincount(codes).max()),
        baseline=math.fsum(before) / len(before),
        candidate=math.fsum(after) / len(after),
        difference=mean,
        wins=0,
        losses=0,
        ties=codes.size - int(differing.sum()),
        low=None,
        high=None,
        p=1.0,
        smallest_p=1.0,
        test=PairedTest.CROSSED,
        exact=False,
        level=level,
    )
    return _of_table(table, level, comparison)


def _of_table(table: Floats, level: float, bare: PairedComparison) -> Crossed:
    """Test the mean of a table of clusters by columns."""
    from dataclasses import replace

    import numpy as np

    if not np.isfinite(table).all():
        return Crossed(bare, None, None)
    found = orders_interval(table, level)
    if found.variance is None or found.degrees is None:
        return Crossed(bare, None, None)
    error, least = math.sqrt(found.variance), 2.0 ** (1 - bare.clusters)
    p = _p(bare.difference, error, found.degrees, least)
    low, high = _agreeing(found, bare.difference, significant=p < error_rate(level))
    tested = replace(bare, low=low, high=high, p=p, smallest_p=least)
    return Crossed(tested, error, found.degrees)


def _p(difference: float, error: float, degrees: float, least: float) -> float:
    """Two-sided p; where all cells differ alike, their spread says nothing, and it is `least`."""
    from scipy.special import stdtr

    if not difference:
        return 1.0
    return float(2 * stdtr(degrees, -abs(difference) / error)) if error else least


def _agreeing(
    found: OrdersEstimate, difference: float, *, significant: bool
) -> tuple[float | None, float | None]:
    """The interval around the difference; one of no width is extended to 0 if p is not small."""
    if found.low is None or found.high is None:
        return None, None
    half = (found.high - found.low) / 2
    low, high = difference - half, difference + half
    return (low, high) if significant or half else (min(low, 0.0), max(high, 0.0))
