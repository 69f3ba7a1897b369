"""From p values to verdicts: corrections for many comparisons, and what may be concluded.

p values and paired comparisons come in, adjusted p values and verdicts go out. A comparison that
could not have shown a regression, whatever the scores, is never a pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.statistics.paired import PairedComparison


class Verdict(StrEnum):
    """What a comparison of a candidate with its baseline shows."""

    IMPROVED = "improved"
    """Better: adjusted p below alpha, and the gain is beyond the task's ``min_effect``."""

    REGRESSED = "regressed"
    """Worse: adjusted p below alpha, and the loss is beyond the task's ``min_effect``."""

    NOT_WORSE = "not_worse"
    """The confidence interval excludes a loss beyond ``min_effect``."""

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
) -> Verdict:
    """Say what a comparison shows.

    Args:
        comparison: the paired comparison; its interval is used as it is, without correction.
        adjusted_p: its p after correction for the other comparisons of the family.
        alpha: error rate in (0, 1).
        min_effect: smallest difference that matters, in the unit of the score, at least 0.
        comparisons: size of the family, from which follows what p could be attained at all.

    Returns:
        Improved or regressed if ``adjusted_p < alpha`` and the difference exceeds ``min_effect``;
        else not worse if the whole interval lies at or above ``-min_effect``; else inconclusive.
        Inconclusive in any case if even the strongest result would not have reached alpha.

    Raises:
        ValueError: ``min_effect`` is negative.
    """
    if min_effect < 0:
        raise ValueError(f"min_effect is a size, at least 0, not {min_effect}.")
    if comparisons * comparison.smallest_p >= alpha:
        return Verdict.INCONCLUSIVE
    if adjusted_p < alpha and abs(comparison.difference) > min_effect:
        return Verdict.IMPROVED if comparison.difference > 0 else Verdict.REGRESSED
    if comparison.low is not None and comparison.low >= -min_effect:
        return Verdict.NOT_WORSE
    return Verdict.INCONCLUSIVE


def _ranked(p_values: Sequence[float | None]) -> list[tuple[float, int]]:
    """The values that are there, ascending, each with its place in the input."""
    present = [(float(p), place) for place, p in enumerate(p_values) if p is not None]
    for p, place in present:
        if not 0 <= p <= 1:
            raise ValueError(f"p value {place} is not a probability: {p}.")
    return sorted(present)
