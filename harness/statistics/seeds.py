"""Figures of runs as a whole, compared over seeds.

What is no function of samples (a training's cost, a figure that only the run's row has) has one
value for each run; the seeds are the units, paired between the two sides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.statistics.inputs import error_rate, finite_scores
from harness.statistics.paired import PairedComparison, PairedTest


def compare_over_seeds(
    baseline: Sequence[float], candidate: Sequence[float], level: float = 0.95
) -> PairedComparison:
    """Compare figures by a paired t test over seeds.

    Args:
        baseline: the figure of each seed.
        candidate: the figures of the same seeds in the same order.
        level: confidence level, probability in (0, 1).

    Returns:
        The comparison; with one seed p is 1 and there is no interval. Where all seeds differ by the
        same amount their spread says nothing, and p is ``2**(1 - seeds)``.

    Raises:
        ValueError: lengths differ, there is no seed, or a figure is not finite.
    """
    from scipy.special import stdtr, stdtrit

    before = finite_scores(baseline, "baseline figures")
    after = finite_scores(candidate, "candidate figures")
    if before.size != after.size:
        raise ValueError(f"{before.size} baseline figures but {after.size} candidate figures.")
    alpha, change, n = error_rate(level), after - before, before.size
    tolerance = 1e-12 * float(abs(before).sum() + abs(after).sum())
    mean = math.fsum(change) / n
    mean = mean if abs(mean) * n > tolerance else 0.0
    p, low, high, least = 1.0, None, None, 1.0
    if n > 1:
        error = math.sqrt(math.fsum((change - mean) ** 2) / (n * (n - 1)))
        if error * n > tolerance:
            p = float(2 * stdtr(n - 1, -abs(mean) / error)) if mean else 1.0
            half, least = float(stdtrit(n - 1, 1 - alpha / 2)) * error, 0.0
            low, high = mean - half, mean + half
        else:
            least = 2.0 ** (1 - n)
            p = least if mean else 1.0
            low = high = mean
            if p >= alpha:
                low, high = min(mean, 0.0), max(mean, 0.0)
    return PairedComparison(
        n=n,
        clusters=n,
        changed_clusters=int((abs(change) > tolerance / n).sum()),
        lost_clusters=int((change < -tolerance / n).sum()),
        largest_cluster=1.0,
        baseline=math.fsum(before) / n,
        candidate=math.fsum(after) / n,
        difference=mean,
        wins=int((change > tolerance / n).sum()),
        losses=int((change < -tolerance / n).sum()),
        ties=int((abs(change) <= tolerance / n).sum()),
        low=low,
        high=high,
        level=level,
        p=p,
        smallest_p=least,
        test=PairedTest.SEEDS,
        exact=False,
    )
