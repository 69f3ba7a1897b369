"""How large a regression has to be for a comparison like this one to find it.

The standard error of a difference comes in, with its degrees of freedom; the size of the smallest
loss that is found with a given power goes out. "Found" is what a verdict asks for: significant at
the level that the number of clusters and of comparisons leaves, and an observed loss beyond
``min_effect``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from harness.statistics.inputs import cluster_codes, error_rate, finite_scores, item_weights
from harness.statistics.paired import PairedComparison, PairedTest
from harness.statistics.swaps import jackknife

if TYPE_CHECKING:
    from harness.statistics.inputs import Floats

Row = TypeVar("Row")


@dataclass(frozen=True)
class DifferenceSpread:
    """What is known of the uncertainty of a mean difference.

    Attributes:
        standard_error: cluster-robust, with the factor ``G / (G - 1)``.
        degrees: of freedom, ``G - 1``.
        loss_variance: what a loss of the mean by ``x`` adds to the variance if items lose all or
            nothing, as a factor of ``x * largest_change - x**2``.
    """

    standard_error: float
    degrees: float
    loss_variance: float


def difference_spread(
    baseline: Iterable[float],
    candidate: Iterable[float],
    clusters: Iterable[Hashable],
    weights: Iterable[float] | None = None,
) -> DifferenceSpread | None:
    """The cluster-robust standard error of the mean difference; None for a single cluster.

    Raises:
        ValueError: there is no item, lengths differ, or a score is not finite.
    """
    import numpy as np

    before = finite_scores(baseline, "baseline scores")
    after = finite_scores(candidate, "candidate scores")
    codes, weighs = cluster_codes(clusters, before.size), item_weights(weights, before.size)
    groups, whole = int(codes.max()) + 1, math.fsum(weighs)
    if groups < 2:
        return None
    change = after - before
    mean = math.fsum(weighs * change) / whole
    sums = np.bincount(codes, weights=weighs * (change - mean))
    error = math.sqrt(groups / (groups - 1) * math.fsum(sums**2)) / whole
    return DifferenceSpread(error, groups - 1, math.fsum(weighs**2) / whole**2)


def jackknife_spread(
    baseline_rows: Sequence[Row],
    candidate_rows: Sequence[Row],
    clusters: Iterable[Hashable],
    statistic: Callable[[Sequence[Row]], float],
    seed: int = 0,
) -> DifferenceSpread | None:
    """The same for a metric that is no mean (`swap_labels`); None where it is not defined."""
    codes = cluster_codes(clusters, len(baseline_rows))
    found = jackknife(baseline_rows, candidate_rows, codes, statistic, seed)
    return None if found is None else DifferenceSpread(found[0], found[1], 0.0)


def with_few_clusters(
    comparison: PairedComparison,
    baseline: Iterable[float],
    candidate: Iterable[float],
    clusters: Iterable[Hashable],
    weights: Iterable[float] | None = None,
) -> PairedComparison:
    """Describe a comparison of too few clusters for its test by a cluster t test and interval.

    With five clusters the test that swaps labels can reject nothing at .05 and has no 95 %
    interval. The t test with ``G - 1`` degrees of freedom is shown then, with its interval, which
    agrees with it; `smallest_p` stays that of the swaps, so that no verdict comes of it. A
    comparison that has an interval is returned as it is, and so is one of a single cluster.
    """
    from scipy.special import stdtr, stdtrit

    if comparison.low is not None:
        return comparison
    spread = difference_spread(baseline, candidate, clusters, weights)
    if spread is None:
        return comparison
    error, degrees, mean = spread.standard_error, spread.degrees, comparison.difference
    if not error:  # all clusters differ alike, which shows nothing of their spread
        low, high, p = min(mean, 0.0), max(mean, 0.0), comparison.p
    else:
        half = float(stdtrit(degrees, 1 - error_rate(comparison.level) / 2)) * error
        low, high = mean - half, mean + half
        p = float(2 * stdtr(degrees, -abs(mean) / error)) if mean else 1.0
    return replace(comparison, low=low, high=high, p=p, test=PairedTest.CLUSTER_T, exact=False)


def attainable_level(alpha: float, comparisons: int, clusters: int | None) -> float | None:
    """The level that a test really has: Holm's worst, and one that the clusters can reach.

    Args:
        alpha: error rate.
        comparisons: number of comparisons corrected for together.
        clusters: of a test that swaps labels, whose p is a multiple of ``2**(1 - G)``; None for a
            t test.

    Returns:
        The largest attainable p below ``alpha / comparisons``; None if there is none.
    """
    level = alpha / comparisons
    if clusters is None or clusters > 40:
        return level
    ways = math.ceil(level * 2.0 ** (clusters - 1)) - 1
    return ways * 2.0 ** (1 - clusters) if ways > 0 else None


def detectable_effect(
    spread: DifferenceSpread,
    level: float,
    min_effect: float = 0.0,
    power: float = 0.8,
    all_or_nothing: float = 0.0,
    can_lose: float = math.inf,
) -> float | None:
    """Size of the smallest loss that is found with the given power.

    A loss ``x`` is found if the t statistic is below ``-t(level)`` and the observed loss beyond
    ``min_effect``. With the standard error ``s``, drawn as ``s * sqrt(chi2(df) / df)``::

        power(x) = E over chi2 of Phi((x - max(min_effect, t(level) * s * sqrt(chi2 / df))) / s)

    The standard error is itself estimated from few clusters: the mean over what it may be is taken
    (`_INFLATION` says how), so that a loss of the printed size is found as often as promised.

    Args:
        spread: of the difference.
        level: of the test, two-sided, as `attainable_level` has it.
        min_effect: smallest loss that counts.
        power: probability in (0, 1).
        all_or_nothing: most an item can lose, where items lose that or nothing (1 for 0/1 scores):
            such a loss adds variance of its own. 0 for scores that shift.
        can_lose: most that the mean can fall.

    Returns:
        The size, above 0; None if that is more than can be lost. Where items lose all or nothing
        and a single way of swapping is significant (six clusters at .05), every cluster has to
        lose, and clusters with little to lose may not: no more than a quarter of it is told then.
    """
    degrees = spread.degrees

    def error(size: float) -> float:
        added = max(0.0, size * all_or_nothing - size**2) * spread.loss_variance
        return math.sqrt(spread.standard_error**2 + added)

    def found(size: float) -> float:
        enlarged = error(size) * _inflation(degrees, level, all_or_nothing > 0)
        return _power(size, enlarged, degrees, level, min_effect)

    high = max(min_effect, spread.standard_error, 1e-9)
    while found(high) < power and high < 1e9:
        high *= 2
    low = 0.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if found(middle) >= power else (middle, high)
    share = 0.25 if all_or_nothing and _single(degrees, level) else 1.0
    return high if high <= share * can_lose else None


def _power(size: float, error: float, degrees: float, level: float, min_effect: float) -> float:
    """Chance that a loss is found; the standard error that the test will see varies."""
    import numpy as np
    from scipy.special import ndtr, stdtrit

    if error <= 0:
        return float(size > min_effect)
    critical = float(stdtrit(degrees, 1 - level / 2))
    seen = error * _chi_quantiles(degrees)
    return float(np.mean(ndtr((size - np.maximum(min_effect, critical * seen)) / error)))


@cache
def _chi_quantiles(degrees: float) -> Floats:
    """Even quantiles of ``sqrt(chi2 / degrees)``."""
    import numpy as np
    from scipy.special import chdtri

    shares = (np.arange(200) + 0.5) / 200
    return np.sqrt(chdtri(degrees, 1 - shares) / degrees)


def _inflation(degrees: float, level: float, all_or_nothing: bool) -> float:
    """By how much the estimated standard error is enlarged.

    An error estimated from few clusters is often too small, and then the printed loss is too; and
    the test that swaps labels has less power than the t test where only few ways of swapping reach
    its level. What it takes for 80 % was simulated with normal clusters (benchmarks/statistics):
    1.33 with six clusters, 1.20 with seven to nine, 1.13 with twelve, 1.06 with twenty; somewhat
    more for few clusters of 0/1 scores, whose losses are uneven.
    """
    uneven = 5.0 / degrees**2 if all_or_nothing else 0.0
    return 1.02 + (2.1 if _single(degrees, level) else 1.7) / degrees + uneven


def _single(degrees: float, level: float) -> bool:
    """Whether one way of swapping alone is significant."""
    return level <= 2.0**-degrees * 1.001
