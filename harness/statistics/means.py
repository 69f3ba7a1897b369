"""Intervals for one mean: clustered scores, a proportion, items repeated in several orders.

Scores come in, a mean with its confidence interval goes out. The intervals of means are Student t
intervals and are not cut to the range of the score: an end beyond it says that the items are few.
Two runs are not compared by looking at two of these; `harness.statistics.paired` does that.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from statistics import NormalDist

from harness.statistics.inputs import cluster_codes, error_rate, finite_scores

_SAME = 1e-12
"""Share of a variance that is only rounding."""

FEW_ORDERS = 5
"""Of fewer, a variance between orders that is small is not to be trusted, unless all are equal."""


@dataclass(frozen=True)
class MeanEstimate:
    """A mean and its confidence interval, in the unit of the score.

    Attributes:
        mean: mean over items.
        n: number of items.
        clusters: number of independent clusters the items come from.
        low: lower end, None if one cluster leaves the variance unknown.
        high: upper end, None likewise.
        level: probability in (0, 1) with which the procedure covers the true mean.
    """

    mean: float
    n: int
    clusters: int
    low: float | None
    high: float | None
    level: float


@dataclass(frozen=True)
class OrdersEstimate:
    """The mean of items that were each run in several orders, and where its variance comes from.

    Attributes:
        mean: mean over items and orders.
        items: number of items (rows).
        orders: number of orders (columns).
        low: lower end, None if there is only one item or one order.
        high: upper end, None likewise.
        level: probability in (0, 1) with which the procedure covers the true mean.
        variance: variance V of the mean, squared unit of the score.
        variance_item: V_item, the variance of the mean if only items varied.
        variance_order: V_order, the variance of the mean if only orders varied.
        variance_residual: V_residual, what V_item and V_order both contain.
        degrees: Satterthwaite degrees of freedom of V.
    """

    mean: float
    items: int
    orders: int
    low: float | None
    high: float | None
    level: float
    variance: float | None
    variance_item: float | None
    variance_order: float | None
    variance_residual: float | None
    degrees: float | None


def mean_with_interval(
    scores: Iterable[float], clusters: Iterable[Hashable], level: float = 0.95
) -> MeanEstimate:
    """Mean over items with a cluster-robust t interval.

    With ``S_g`` the sum and ``n_g`` the number of scores in cluster g of G, and ``n = sum(n_g)``::

        mean = sum(S_g) / n
        V    = G / (G - 1) * sum((S_g - mean * n_g)**2) / n**2
        mean -+ t(G - 1; (1 + level) / 2) * sqrt(V)

    This is the CR1 sandwich of a regression on a constant (its other factor, (n - 1) / (n - k), is
    1 for the one coefficient k), which treats the mean as a ratio, so clusters may differ in size.
    With one item in each cluster it is the ordinary t interval. It is somewhat too narrow when few
    clusters differ much in size.

    Args:
        scores: one score for each item, shape ``(n,)``.
        clusters: the label of each item's cluster, in the same order.
        level: probability in (0, 1).

    Returns:
        The estimate; with a single cluster ``low`` and ``high`` are None.

    Raises:
        ValueError: there is no item, a score is not finite, or the lengths differ.

    Source: Miller 2024 (arXiv 2411.00640), section 2.2; Cameron and Miller 2015, section II.
    """
    import numpy as np

    values = finite_scores(scores)
    codes = cluster_codes(clusters, values.size)
    alpha = error_rate(level)
    mean = math.fsum(values) / values.size
    totals = np.bincount(codes, weights=values - mean)
    count = totals.size
    low = high = None
    if count > 1:
        variance = count / (count - 1) * math.fsum(totals**2) / values.size**2
        half = _t_quantile(count - 1, alpha) * math.sqrt(variance)
        low, high = mean - half, mean + half
    return MeanEstimate(mean=mean, n=values.size, clusters=count, low=low, high=high, level=level)


def mean_of_contributions(
    contributions: Iterable[float], shares: Iterable[float], level: float = 0.95
) -> MeanEstimate:
    """The interval of `mean_with_interval` from what each cluster adds to a weighted mean.

    With ``c_g`` what cluster g adds (its weighted sum over the sum of all weights) and ``w_g`` its
    share of the weights, the mean is ``sum(c_g)`` and ``V = G / (G - 1) * sum((c_g - mean *
    w_g)**2)``. Of equal weights of items that is `mean_with_interval`; of an average over subsets,
    each subset's clusters have its weight.

    Args:
        contributions: one for each cluster.
        shares: likewise; their sum is 1.
        level: probability in (0, 1).

    Returns:
        The estimate; ``n`` is the number of clusters.

    Raises:
        ValueError: there is no cluster, a number is not finite, or the lengths differ.
    """
    parts = finite_scores(contributions, "contributions")
    weights = finite_scores(shares, "shares")
    if parts.size != weights.size:
        raise ValueError(f"{parts.size} contributions but {weights.size} shares.")
    alpha = error_rate(level)
    mean, count = math.fsum(parts), parts.size
    low = high = None
    if count > 1:
        variance = count / (count - 1) * math.fsum((parts - mean * weights) ** 2)
        half = _t_quantile(count - 1, alpha) * math.sqrt(variance)
        low, high = mean - half, mean + half
    return MeanEstimate(mean=mean, n=count, clusters=count, low=low, high=high, level=level)


def wilson(successes: int, n: int, level: float = 0.95) -> MeanEstimate:
    """Proportion with Wilson's score interval.

    With ``p = successes / n`` and z the normal quantile of ``(1 + level) / 2``::

        (p + z**2 / (2 n) -+ z * sqrt(p (1 - p) / n + z**2 / (4 n**2))) / (1 + z**2 / n)

    Only for independent 0/1 scores without repeats; anything else is
    `mean_with_interval`'s business.

    Args:
        successes: number of ones, 0 to ``n``.
        n: number of items, at least 1.
        level: probability in (0, 1).

    Returns:
        The estimate, each item its own cluster; the ends lie in [0, 1].

    Raises:
        ValueError: there is no item, or the successes are not among them.

    Source: Wilson 1927; Bowyer et al. 2025 (arXiv 2503.01747) on why not the normal interval.
    """
    if n < 1:
        raise ValueError(f"a proportion needs at least one item, not {n}.")
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes among {n} items.")
    z = NormalDist().inv_cdf(1 - error_rate(level) / 2)
    share = successes / n
    centre = share + z**2 / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # At 0 and n successes centre and half width are equal, but for rounding.
    low = (centre - half) / (1 + z**2 / n) if successes else 0.0
    high = (centre + half) / (1 + z**2 / n) if successes < n else 1.0
    return MeanEstimate(mean=share, n=n, clusters=n, low=low, high=high, level=level)


def orders_interval(scores: Iterable[Iterable[float]], level: float = 0.95) -> OrdersEstimate:
    """Mean of items that were each run in the same orders, with both sources of variance.

    Orders of the same items are crossed with the items: more orders are not more items. With the
    mean squares of the two-way table of I items and J orders, each divided by ``I * J``::

        V_item     = sum_i (y_i. - mean)**2 / (I (I - 1))
        V_order    = sum_j (y_.j - mean)**2 / (J (J - 1))
        V_residual = sum_ij (y_ij - y_i. - y_.j + mean)**2 / (I J (I - 1) (J - 1))
        V          = max(V_item + V_order - V_residual, V_item, V_order)

    The degrees of freedom are Satterthwaite's for the sum,
    ``V**2 / (V_item**2 / (I-1) + V_order**2 / (J-1) + V_residual**2 / ((I-1)(J-1)))``, and those of
    the part itself where a single part is the largest. Of fewer than five orders they are at most
    ``J - 1``: the variance between two orders is so often small by chance that Satterthwaite's
    would reject a true mean in 11 % of all cases, and far more often at the levels of a correction.
    Orders that are all equal (of a method that nothing changes) are not limited so.

    Args:
        scores: one row for each item, one column for each order, shape ``(items, orders)``.
        level: probability in (0, 1).

    Returns:
        The estimate and its parts; ``low``, ``high`` and the parts are None for one item or order.

    Raises:
        ValueError: the table is empty or ragged, or a score is not finite.

    Source: Satterthwaite 1946 for the degrees of freedom of a sum of mean squares.
    """
    import numpy as np

    rows = [finite_scores(row, "the scores of an item") for row in scores]
    if len({row.size for row in rows}) != 1:
        raise ValueError("scores need one row for each item, all with the same number of orders.")
    table = np.stack(rows)
    alpha = error_rate(level)
    items, orders = table.shape
    mean = math.fsum(table.flat) / table.size
    low = high = total = item = order = residual = degrees = None
    if items > 1 and orders > 1:
        of_item = table.mean(axis=1) - mean
        of_order = table.mean(axis=0) - mean
        rest = table - mean - of_item[:, None] - of_order[None, :]
        freedom = (items - 1) * (orders - 1)
        item = math.fsum(of_item**2) / (items * (items - 1))
        order = math.fsum(of_order**2) / (orders * (orders - 1))
        residual = math.fsum((rest**2).flat) / (table.size * freedom)
        parts = [(item, items - 1), (order, orders - 1), (residual, freedom)]
        total, degrees = _two_way(item + order - residual, parts)
        if orders < FEW_ORDERS and max(order, residual) > _SAME * total:
            degrees = min(degrees, orders - 1)
        half = _t_quantile(degrees, alpha) * math.sqrt(total)
        low, high = mean - half, mean + half
    return OrdersEstimate(
        mean=mean,
        items=items,
        orders=orders,
        low=low,
        high=high,
        level=level,
        variance=total,
        variance_item=item,
        variance_order=order,
        variance_residual=residual,
        degrees=degrees,
    )


def _two_way(combined: float, parts: list[tuple[float, int]]) -> tuple[float, float]:
    """Variance and degrees of freedom from (variance, degrees) of item, order and residual."""
    largest, degrees = max(parts[:2])
    if combined <= largest:
        return largest, degrees
    return combined, combined**2 / math.fsum(part**2 / freedom for part, freedom in parts)


def _t_quantile(degrees: float, alpha: float) -> float:
    """Two-sided Student t quantile for the error rate ``alpha``."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 1 - alpha / 2))
