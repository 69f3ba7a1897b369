"""Two runs on the same items under a metric that is no mean of item scores.

Areas under a curve, calibration errors, harmonic means, medians: the metric is a function of a
run's rows. The test swaps the two labels within whole clusters and computes the metric of both
sides again. Such a test cannot in general be inverted, so the interval is another one: Student's t
with a jackknife over groups of clusters, and its end near zero is moved to zero where the two would
disagree about zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

from harness.statistics.inputs import cluster_codes, error_rate
from harness.statistics.paired import PairedComparison, PairedTest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.statistics.inputs import Codes

Row = TypeVar("Row")

MOST_GROUPS = 30
"""Groups of clusters that the jackknife leaves out one after another: each costs two metrics."""

_ROUNDING = 1e-12


def swap_labels(
    baseline_rows: Sequence[Row],
    candidate_rows: Sequence[Row],
    clusters: Sequence[Hashable],
    statistic: Callable[[Sequence[Row]], float],
    level: float = 0.95,
    permutations: int = 1_999,
    seed: int = 0,
) -> PairedComparison:
    """Compare two runs by a two-sided permutation test of any metric of their rows.

    Swaps are enumerated if that takes at most ``permutations`` of them (half of all: swapping the
    other clusters only turns the sign; clusters whose rows are equal are not swapped). Otherwise
    they are drawn, and ``p = (1 + accepted) / (1 + permutations)``.

    The interval is ``difference -+ t(K - 1) * se`` with the standard error of a jackknife that
    leaves out one of K groups of clusters (K at most 30). Where the test rejects and the interval
    holds 0, or the other way round, the end near 0 is moved to it.

    Args:
        baseline_rows: one row for each item; a numpy array is swapped as a whole.
        candidate_rows: the rows of the same items in the same order.
        clusters: the label of each item's cluster.
        statistic: the metric as a function of rows; higher is better. NaN where it is not
            defined: such a swap counts as accepted.
        level: confidence level, probability in (0, 1).
        permutations: most swaps to enumerate or draw, at least 1.
        seed: seed of the random swaps.

    Returns:
        The comparison; wins and losses are 0, for rows have no order.

    Raises:
        ValueError: there is no row, lengths differ, or the metric is not defined on a side.

    Source: Fisher 1935; Phipson and Smyth 2010 (the added 1); Kott 2001 (delete-a-group jackknife).
    """
    import numpy as np

    n = len(baseline_rows)
    if not n or n != len(candidate_rows):
        raise ValueError(f"{n} baseline rows but {len(candidate_rows)} candidate rows.")
    if permutations < 1:
        raise ValueError(f"at least one permutation is needed, not {permutations}.")
    codes, alpha = cluster_codes(clusters, n), error_rate(level)
    before, after = (statistic_of(statistic, one) for one in (baseline_rows, candidate_rows))
    equal = equal_rows(baseline_rows, candidate_rows)
    moving = np.unique(codes[~equal])
    difference = after - before
    size = _ROUNDING * (abs(before) + abs(after))
    difference = difference if abs(difference) > size else 0.0

    def swapped(flips: NDArray[np.bool_]) -> float:
        mask = flips[codes]
        one = statistic(_mixed(baseline_rows, candidate_rows, mask))
        other = statistic(_mixed(candidate_rows, baseline_rows, mask))
        return abs(other - one)

    exact = 2.0 ** (len(moving) - 1) <= permutations
    groups = int(codes.max()) + 1
    accepted = tried = 0
    for flips in _flips(moving, groups, permutations if not exact else 0, seed):
        value = swapped(flips)
        accepted += not value < abs(difference) - size  # NaN is accepted
        tried += 1
    p = accepted / tried if exact else (1 + accepted) / (1 + tried)
    p = p if difference else 1.0
    low, high = _interval(
        difference, jackknife(baseline_rows, candidate_rows, codes, statistic, seed), alpha, p
    )
    return PairedComparison(
        n=n,
        clusters=groups,
        changed_clusters=len(moving),
        lost_clusters=0,
        largest_cluster=float(np.bincount(codes).max()),
        baseline=before,
        candidate=after,
        difference=difference,
        wins=0,
        losses=0,
        ties=int(equal.sum()),
        low=low,
        high=high,
        level=level,
        p=p,
        smallest_p=max(2.0 ** (1 - groups), 0.0 if exact else 1 / (1 + permutations)),
        test=PairedTest.LABEL_SWAP,
        exact=exact,
    )


def jackknife(
    baseline_rows: Sequence[Row],
    candidate_rows: Sequence[Row],
    codes: Codes,
    statistic: Callable[[Sequence[Row]], float],
    seed: int = 0,
) -> tuple[float, int] | None:
    """Standard error of the difference of a metric, and its degrees of freedom.

    Returns:
        None for one cluster, or where the metric is not defined without some of them.
    """
    import numpy as np

    grouping = grouped_clusters(codes, seed)
    parts = int(grouping.max()) + 1
    if parts < 2:
        return None
    values = np.empty(parts)
    for part in range(parts):
        kept = grouping != part
        one, other = without(baseline_rows, kept), without(candidate_rows, kept)
        values[part] = statistic(other) - statistic(one)
    if not np.isfinite(values).all():
        return None
    spread = float(((values - values.mean()) ** 2).sum())
    return math.sqrt((parts - 1) / parts * spread), parts - 1


def grouped_clusters(codes: Codes, seed: int) -> Codes:
    """Number the group of each item's cluster: each cluster one, or 30 even groups of them."""
    import numpy as np

    groups = int(codes.max()) + 1
    if groups <= MOST_GROUPS:
        return codes
    drawn = np.random.default_rng(seed).permutation(groups) % MOST_GROUPS
    return drawn.astype(np.int64)[codes]


def statistic_of(statistic: Callable[[Sequence[Row]], float], rows: Sequence[Row]) -> float:
    """A metric of a whole side.

    Raises:
        ValueError: it is not defined there.
    """
    value = float(statistic(rows))
    if not math.isfinite(value):
        raise ValueError(f"the metric is {value} on one of the two sides.")
    return value


def without(rows: Sequence[Row], kept: NDArray[np.bool_]) -> Sequence[Row]:
    """The rows that are kept."""
    import numpy as np

    if isinstance(rows, np.ndarray):
        return cast("Any", rows)[kept]
    return [row for row, keep in zip(rows, kept.tolist(), strict=True) if keep]


def _mixed(rows: Sequence[Row], others: Sequence[Row], mask: NDArray[np.bool_]) -> Sequence[Row]:
    """The rows, with those of the other side where the mask says so."""
    import numpy as np

    if isinstance(rows, np.ndarray):
        mixed: Any = np.array(rows)
        mixed[mask] = cast("Any", others)[mask]
        return mixed
    return [b if swap else a for a, b, swap in zip(rows, others, mask.tolist(), strict=True)]


def equal_rows(rows: Sequence[Row], others: Sequence[Row]) -> NDArray[np.bool_]:
    """Which rows are the same on both sides."""
    import numpy as np

    if isinstance(rows, np.ndarray):
        alike: Any = np.asarray(cast("Any", rows) == others)
        return alike.reshape(len(rows), -1).all(axis=1)
    return np.array([bool(np.all(a == b)) for a, b in zip(rows, others, strict=True)])


def _flips(moving: Codes, groups: int, draws: int, seed: int) -> Iterator[NDArray[np.bool_]]:
    """Which clusters to swap: all ways but for the sign if `draws` is 0, else random ones."""
    import numpy as np

    flips = np.zeros(groups, dtype=np.bool_)
    if not draws:
        for number in range(2 ** max(0, len(moving) - 1)):
            flips[moving] = [bool(number >> place & 1) for place in range(len(moving))]
            yield flips
        return
    random = np.random.default_rng(seed)
    for _ in range(draws):
        flips[moving] = random.integers(0, 2, len(moving)).astype(np.bool_)
        yield flips


def _interval(
    difference: float, spread: tuple[float, int] | None, alpha: float, p: float
) -> tuple[float | None, float | None]:
    from scipy.special import stdtrit

    if spread is None:
        return None, None
    error, degrees = spread
    half = float(stdtrit(degrees, 1 - alpha / 2)) * error
    low, high = difference - half, difference + half
    if p >= alpha:
        return min(low, 0.0), max(high, 0.0)
    least = math.ulp(0.0)
    return (max(low, least), high) if difference > 0 else (low, min(high, -least))
