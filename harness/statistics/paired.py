"""Two runs on the same items: is the candidate's mean score different from the baseline's?

Two lists of scores paired by item and the cluster of each item come in; the difference of the
means, a two-sided p and the confidence interval that agrees with it go out.

The test swaps the two labels within whole clusters. For means that flips the sign of the cluster's
summed difference ``d_g``, and the interval holds every shift ``delta`` at which the test of
``d_g - delta * n_g`` does not reject. Both come from one fact, used throughout this module. A flip
splits the clusters into those flipped (M) and those kept (P), and

    |sum of flipped (d_g - delta n_g)| >= |sum of (d_g - delta n_g)|
        exactly if  delta lies between  sum_M d / sum_M n  and  sum_P d / sum_P n,

the mean differences of the two groups. So each flip accepts one interval of shifts, all of them
contain the observed difference, p is the share of flips whose interval contains 0, and the ends of
the confidence interval are order statistics: no search over shifts.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from harness.statistics.inputs import cluster_codes, error_rate, finite_scores, item_weights

if TYPE_CHECKING:
    import numpy as np

    from harness.statistics.inputs import Codes, Floats

_CHUNK = 4_000_000
"""Random numbers drawn at once: bounds memory to about 64 MB whatever the number of clusters."""

_NOISE = 4 * sys.float_info.epsilon
"""By how much equal decimals differ when computed (.3 - .1 and .2), relative to their size."""


_NOTHING = 1e-9
"""Share of all weight below which a sum of weights is nothing but rounding."""


class PairedTest(StrEnum):
    """The test behind a p value."""

    MCNEMAR = "mcnemar"
    """Exact binomial test of the items that changed: 0/1 scores, each item its own cluster."""

    SIGN_FLIP = "sign_flip"
    """Permutation test that swaps the two labels within whole clusters."""

    CLUSTER_T = "cluster_t"
    """t test with one degree of freedom less than clusters; shown where they are too few to swap
    labels, and nothing is decided by it."""

    LABEL_SWAP = "label_swap"
    """The same for a metric that is no mean: it is computed again from the swapped rows."""

    CROSSED = "crossed"
    """t test of clusters crossed with orders or seeds, Satterthwaite degrees of freedom."""

    SEEDS = "seeds"
    """Paired t test over seeds: figures of runs as a whole."""


@dataclass(frozen=True)
class PairedComparison:
    """A candidate compared with a baseline on the same items; differences in score units.

    Attributes:
        n: number of items.
        clusters: number of independent clusters.
        changed_clusters: clusters whose mean score differs between the two.
        lost_clusters: clusters in which the candidate's mean is lower.
        largest_cluster: number of items of the largest cluster; where items have weights, its share
            of all weight times the number of items.
        baseline: mean score of the baseline.
        candidate: mean score of the candidate.
        difference: ``candidate - baseline``; above 0 the candidate is better.
        wins: items on which the candidate scores higher.
        losses: items on which it scores lower.
        ties: items on which both score the same.
        low: lower end of the interval of the difference, None if the clusters are too few for it.
        high: upper end, None likewise.
        level: confidence level; 0 lies outside the interval exactly when ``p < 1 - level``.
        p: two-sided p value.
        smallest_p: smallest p that this many clusters (and permutations) could have given.
        test: the test behind ``p``.
        exact: whether ``p`` is exact; else it comes from random flips with a fixed seed.
    """

    n: int
    clusters: int
    changed_clusters: int
    lost_clusters: int
    largest_cluster: float
    baseline: float
    candidate: float
    difference: float
    wins: int
    losses: int
    ties: int
    low: float | None
    high: float | None
    level: float
    p: float
    smallest_p: float
    test: PairedTest
    exact: bool


def compare_paired(
    baseline: Iterable[float],
    candidate: Iterable[float],
    clusters: Iterable[Hashable],
    level: float = 0.95,
    permutations: int = 20_000,
    seed: int = 0,
    weights: Iterable[float] | None = None,
) -> PairedComparison:
    """Compare two runs by a two-sided permutation test of the mean difference over items.

    Flips are enumerated if that takes at most ``permutations`` steps: always when
    ``2**G <= permutations``, and with more clusters where many share sum and size, since only how
    many of equal clusters are flipped matters. Otherwise they are drawn at random, and
    ``p = (1 + accepted) / (1 + permutations)``. If each item is its own cluster and all scores are
    0 or 1, p is McNemar's exact p (the same test in closed form), and where the interval rests on
    random flips, its acceptance threshold is moved by their noise so that it agrees with that p.

    Scores without any variation between clusters give an interval of zero width: it shows what
    these clusters did, not what a rare loss among others would do (`verdict` asks for more).

    Args:
        baseline: one score for each item, shape ``(n,)``.
        candidate: the scores of the same items in the same order.
        clusters: the label of each item's cluster; within it scores may depend on each other.
        level: confidence level, probability in (0, 1).
        permutations: most flips to enumerate or draw, at least 1; about 100 bytes of memory each.
        seed: seed of the random flips.
        weights: what each item weighs in the means, above 0; equal if not given. With one over the
            size of an item's subset, each subset weighs the same, and one test is over all. The
            interval then holds the shifts of all items alike.

    Returns:
        The comparison.

    Raises:
        ValueError: there is no item, lengths differ, a score is not finite, or a weight not
            positive.

    Source: Fisher 1935 (sign-flip test); Phipson and Smyth 2010 (the added 1); McNemar 1947.
    """
    import numpy as np

    before = finite_scores(baseline, "baseline scores")
    after = finite_scores(candidate, "candidate scores")
    n = before.size
    if n != after.size:
        raise ValueError(
            f"{n} baseline scores but {after.size} candidate scores: "
            "compare only the items that both runs have."
        )
    if permutations < 1:
        raise ValueError(f"at least one permutation is needed, not {permutations}.")
    alpha = error_rate(level)
    codes = cluster_codes(clusters, n)
    weighs = item_weights(weights, n)
    whole = math.fsum(weighs)
    change, size = after - before, np.abs(after) + np.abs(before)
    change[np.abs(change) <= _NOISE * size] = 0.0
    wins, losses = int((change > 0).sum()), int((change < 0).sum())
    counts = np.bincount(codes, weights=weighs).astype(np.float64)
    sums = np.bincount(codes, weights=weighs * change).astype(np.float64)
    groups = len(counts)
    alike = bool((weighs == weighs[0]).all())
    mcnemar = groups == n and alike and bool(np.isin((before, after), (0.0, 1.0)).all())
    tolerance = float(_NOISE * (groups + 1) * (weighs * size).sum())
    flips = _flips(sums, counts, permutations, seed)
    shifts = _accepted_shifts(flips, math.fsum(weighs * change), whole, tolerance)
    p = _mcnemar_p(wins, losses) if mcnemar else shifts.p
    low, high = shifts.interval(alpha, p)
    exact = mcnemar or flips.exact
    return PairedComparison(
        n=n,
        clusters=groups,
        changed_clusters=int((np.abs(sums) > tolerance).sum()),
        lost_clusters=int((sums < -tolerance).sum()),
        largest_cluster=float(counts.max() / whole * n),
        baseline=math.fsum(weighs * before) / whole,
        candidate=math.fsum(weighs * after) / whole,
        difference=shifts.difference,
        wins=wins,
        losses=losses,
        ties=n - wins - losses,
        low=low,
        high=high,
        level=level,
        p=p,
        smallest_p=max(2.0 ** (1 - groups), 0.0 if exact else 1 / (1 + permutations)),
        test=PairedTest.MCNEMAR if mcnemar else PairedTest.SIGN_FLIP,
        exact=exact,
    )


class _Flips(NamedTuple):
    """Sum of the differences and weight of the items in the flipped clusters, for each flip."""

    sums: Floats
    sizes: Floats
    weights: Floats  # probabilities if exact, else a count of one for each random flip
    exact: bool


@dataclass(frozen=True)
class _AcceptedShifts:
    """The shifts that each flip accepts, seen from the side that faces zero."""

    difference: float
    facing: _Ends
    away: _Ends

    @property
    def p(self) -> float:
        """Share of flips that accept a shift of zero."""
        return min(1.0, self.facing.share_up_to(0.0)) if self.difference else 1.0

    def interval(self, alpha: float, p: float) -> tuple[float | None, float | None]:
        """The shifts not rejected at ``alpha``, so that 0 is among them exactly if ``p >= alpha``.

        ``p`` differs from the share of these flips only where it was computed in closed form; then
        the threshold moves from alpha to the nearest share that decides about zero as ``p`` does.
        """
        share = self.facing.share_up_to(0.0)
        threshold = alpha
        if p < alpha <= share:
            threshold = math.nextafter(share, math.inf)
        elif share < alpha <= p:
            threshold = share
        sign = -1.0 if self.difference < 0 else 1.0
        near, far = self.facing.at_share(threshold), self.away.at_share(threshold)
        if near is None or far is None:
            return None, None
        # The observed difference is inside but for rounding; adding 0.0 turns -0.0 into 0.0.
        size = abs(self.difference)
        near, far = sign * min(near, size) + 0.0, -sign * min(far, -size) + 0.0
        return (near, far) if sign > 0 else (far, near)


class _Ends(NamedTuple):
    """One end of every flip's interval, ascending, with the share of flips up to it."""

    values: Floats
    shares: Floats

    def share_up_to(self, value: float) -> float:
        place = int(self.values.searchsorted(value, side="right"))
        return float(self.shares[place - 1]) if place else 0.0

    def at_share(self, share: float) -> float | None:
        """The first end at which the share is reached; None if that is infinitely far off."""
        place = min(int(self.shares.searchsorted(share)), len(self.values) - 1)
        end = float(self.values[place])
        return end if math.isfinite(end) else None


def _flips(sums: Floats, counts: Floats, permutations: int, seed: int) -> _Flips:
    """Enumerate the flips of clusters with these sums and weights, or draw them.

    Clusters equal in both are of one kind: how many of them are flipped is all that matters.
    """
    import numpy as np

    kinds: dict[tuple[float, float], int] = {}  # as they appear: the same order if signs change
    for kind in zip(sums.tolist(), counts.tolist(), strict=True):
        kinds[kind] = kinds.get(kind, 0) + 1
    values = np.array(list(kinds), dtype=np.float64)
    many = list(kinds.values())
    if math.prod(count + 1 for count in many) > permutations:
        drawn = _draw(values, np.array(many), permutations, np.random.default_rng(seed))
        return _Flips(drawn[:, 0], drawn[:, 1], np.ones(len(drawn)), exact=False)
    flipped = np.zeros((1, 2))
    weights: Floats = np.ones(1)
    for value, count in zip(values, many, strict=True):
        steps = np.arange(count + 1)[:, None] * value
        flipped = (flipped[:, None, :] + steps[None, :, :]).reshape(-1, 2)
        weights = np.outer(weights, _halved_binomials(count)).ravel().astype(np.float64)
    return _Flips(flipped[:, 0], flipped[:, 1], weights, exact=True)


def _draw(values: Floats, many: Codes, permutations: int, random: np.random.Generator) -> Floats:
    """Random flips, shape ``(1 + permutations, 2)``; the first one flips nothing."""
    import numpy as np

    drawn = np.zeros((1 + permutations, 2))
    rows = max(1, _CHUNK // len(many))
    repeated = many > 1
    for start in range(1, 1 + permutations, rows):
        shape = (min(rows, 1 + permutations - start), len(many))
        flipped = random.integers(0, 2, shape).astype(np.float64)
        if repeated.any():
            alike = many[repeated]
            flipped[:, repeated] = random.binomial(alike, 0.5, (shape[0], len(alike)))
        drawn[start : start + shape[0]] = flipped @ values
    return drawn


def _halved_binomials(count: int) -> list[float]:
    """Chance that k of ``count`` fair coins fall heads, k from 0; exact integers until the end."""
    chances: list[float] = []
    ways, scale = 1, 1 << count
    for k in range(count + 1):
        chances.append(ways / scale)
        ways = ways * (count - k) // (k + 1)
    return chances


def _accepted_shifts(
    flips: _Flips, total: float, whole: float, tolerance: float
) -> _AcceptedShifts:
    """Sort the ends of the intervals of shifts that the flips accept (see the module)."""
    import numpy as np

    total = total if abs(total) > tolerance else 0.0
    halves: list[Floats] = []
    # Weights that add up to none or all but for rounding are none or all.
    some = np.where(flips.sizes <= _NOTHING * whole, 0.0, flips.sizes)
    rest = np.where(whole - some <= _NOTHING * whole, 0.0, whole - some)
    for sums, sizes in ((flips.sums, some), (total - flips.sums, rest)):
        # A sum that is zero but for rounding decides whether a flip counts, so it is made zero.
        exact = np.where(np.abs(sums) <= tolerance, 0.0, sums)
        halves.append(np.divide(exact, sizes, out=np.zeros_like(exact), where=sizes > 0))
    empty = (some == 0) | (rest == 0)  # flips nothing or all: accepts every shift
    lows = np.where(empty, -np.inf, np.minimum(*halves))
    highs = np.where(empty, np.inf, np.maximum(*halves))
    ends: list[_Ends] = []
    for values in (lows, -highs):
        order = values.argsort(kind="stable")
        shares = flips.weights[order].cumsum()
        ends.append(_Ends(values[order], shares / flips.weights.sum()))
    if total < 0:
        ends.reverse()
    return _AcceptedShifts(difference=total / whole, facing=ends[0], away=ends[1])


def _mcnemar_p(wins: int, losses: int) -> float:
    """Two-sided exact binomial test that a changed item is as often fixed as broken."""
    if wins == losses:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(wins, wins + losses, 0.5).pvalue)
