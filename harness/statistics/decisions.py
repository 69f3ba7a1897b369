"""From p values to verdicts: corrections for many comparisons, and what may be concluded.

p values and paired comparisons come in, adjusted p values and verdicts go out. A comparison that
could not have shown a regression, whatever the scores, is never a pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from harness.statistics.paired import PairedComparison, PairedTest


class Verdict(StrEnum):
    """What a comparison of a candidate with its baseline shows."""

    IMPROVED = "improved"
    """Better: adjusted p below alpha, and the gain is beyond the task's ``min_effect``."""

    REGRESSED = "regressed"
    """Worse: adjusted p below alpha, and the loss is beyond the task's ``min_effect``."""

    NOT_WORSE = "not_worse"
    """The confidence interval excludes a loss beyond ``min_effect``, on enough evidence."""

    INCONCLUSIVE = "inconclusive"
    """None of these can be said with the clusters at hand."""


def smallest_attainable_p(clusters: int, comparisons: int = 1) -> float:
    """Smallest two-sided adjusted p that a number of clusters can give.

    ``min(1, comparisons * 2**(1 - G))``: all G clusters agree in sign, and Holm's first step
    multiplies by the number of comparisons. One cluster gives 1, six are needed for alpha .05.

    Args:
        clusters: number G of independent clusters, at least 1.
        comparisons: number of comparisons corrected for together, at least 1.

    Returns:
        A probability.

    Raises:
        ValueError: a number is below 1.
    """
    if clusters < 1 or comparisons < 1:
        raise ValueError(
            f"clusters and comparisons are at least 1, not {clusters} and {comparisons}."
        )
    return min(1.0, comparisons * 2.0 ** (1 - clusters))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust p values by Holm's step-down method, which bounds the family-wise error rate.

    With the m values sorted ascending, ``a[i] = min(1, max over j <= i of (m - j) * p[j])``, j from
    0. For a gate: the chance of even one false alarm is at most alpha.

    Args:
        p_values: probabilities in [0, 1]; None for a comparison that was not possible.

    Returns:
        Adjusted p values in the order of the input; None stays None and does not count.

    Raises:
        ValueError: a value is not a probability.

    Source: Holm 1979.
    """
    ranked = _ranked(p_values)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(ranked):
        largest = max(largest, (len(ranked) - rank) * p)
        adjusted[place] = min(1.0, largest)
    return adjusted


def benjamini_hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust p values by the step-up method that bounds the false discovery rate.

    With the m values sorted ascending, ``a[i] = min(1, min over j >= i of m / (j + 1) * p[j])``, j
    from 0. For exploring: among the findings, a share of at most alpha is expected to be false.

    Args:
        p_values: probabilities in [0, 1]; None for a comparison that was not possible.

    Returns:
        Adjusted p values in the order of the input; None stays None and does not count.

    Raises:
        ValueError: a value is not a probability.

    Source: Benjamini and Hochberg 1995.
    """
    ranked = _ranked(p_values)
    adjusted: list[float | None] = [None] * len(p_values)
    smallest = 1.0
    for rank in range(len(ranked), 0, -1):
        p, place = ranked[rank - 1]
        smallest = min(smallest, len(ranked) / rank * p)
        adjusted[place] = smallest
    return adjusted


def verdict(
    comparison: PairedComparison,
    adjusted_p: float,
    alpha: float = 0.05,
    min_effect: float = 0.0,
    comparisons: int = 1,
    largest_change: float = 1.0,
) -> Verdict:
    """Say what a comparison shows.

    An interval of zero width from items that all tie is no evidence: with 60 items and a chance of
    .015 to lose each, 40 % of runs lose none. So "not worse" also asks for one of two things:

    - enough clusters that differ, m, for the interval to mean something: if all m had lost, the
      test would have shown it, ``comparisons * 2**(1 - m) < alpha``;
    - or so many clusters G that a loss would have been seen. With k of them lost, q the exact
      (Clopper-Pearson) upper bound of their share at level ``1 - alpha``, at most ``n_max`` of the
      n items in a cluster: ``q * largest_change * n_max * G / n <= min_effect``. With k = 0, single
      items and scores in [0, 1] that is ``G >= log(alpha) / log(1 - min_effect)``, the rule of
      three: 299 for .01.

    A figure of whole runs over seeds asks for neither, but for seeds that differ; a metric that is
    computed again from swapped rows cannot use the second.

    Neither mends a skewed loss: where most clusters differ a little and very few lose everything,
    the interval is too narrow and "not worse" comes somewhat more often than alpha.

    Args:
        comparison: the paired comparison; its interval is used as it is, without correction.
        adjusted_p: its p after correction for the other comparisons of the family.
        alpha: error rate in (0, 1).
        min_effect: smallest difference that matters, in the unit of the score, at least 0.
        comparisons: size of the family, from which follows what p could be attained at all.
        largest_change: most that the score of an item can fall; 1 for scores in [0, 1].

    Returns:
        Improved or regressed if ``adjusted_p < alpha`` and the difference exceeds ``min_effect``;
        else not worse if the whole interval lies at or above ``-min_effect``, on enough evidence;
        else inconclusive. Inconclusive in any case if even the strongest result would not have
        reached alpha.

    Raises:
        ValueError: ``min_effect`` is negative.

    Source: Clopper and Pearson 1934 (exact bound); Hanley and Lippman-Hand 1983 (rule of three).
    """
    if min_effect < 0:
        raise ValueError(f"min_effect is a size, at least 0, not {min_effect}.")
    if comparisons * comparison.smallest_p >= alpha:
        return Verdict.INCONCLUSIVE
    if adjusted_p < alpha and abs(comparison.difference) > min_effect:
        return Verdict.IMPROVED if comparison.difference > 0 else Verdict.REGRESSED
    if comparison.low is None or comparison.low < -min_effect:
        return Verdict.INCONCLUSIVE
    if comparison.test is PairedTest.SEEDS:  # whole runs that differ: their spread is evidence
        spread = comparison.high is not None and comparison.high > comparison.low
        return Verdict.NOT_WORSE if spread else Verdict.INCONCLUSIVE
    changed = max(1, comparison.changed_clusters)
    if smallest_attainable_p(changed, comparisons) < alpha:
        return Verdict.NOT_WORSE
    if comparison.test is PairedTest.LABEL_SWAP:  # what one cluster can do to it is not known
        return Verdict.INCONCLUSIVE
    unseen = _largest_loss(comparison, alpha, largest_change)
    return Verdict.NOT_WORSE if unseen <= min_effect else Verdict.INCONCLUSIVE


def _largest_loss(comparison: PairedComparison, alpha: float, largest_change: float) -> float:
    """Upper bound of the mean loss at level ``1 - alpha``, from how many clusters lost."""
    from scipy.special import betaincinv

    groups, lost = comparison.clusters, comparison.lost_clusters
    share = 1.0 if lost == groups else float(betaincinv(lost + 1, groups - lost, 1 - alpha))
    return share * largest_change * comparison.largest_cluster * groups / comparison.n


def _ranked(p_values: Sequence[float | None]) -> list[tuple[float, int]]:
    """The values that are there, ascending, each with its place in the input."""
    present = [(float(p), place) for place, p in enumerate(p_values) if p is not None]
    for p, place in present:
        if not 0 <= p <= 1:
            raise ValueError(f"p value {place} is not a probability: {p}.")
    return sorted(present)
