"""Simulated pairs of runs: what a test, an interval or a printed figure does in the long run.

Each function makes many pairs with a fixed seed and returns rows of a table; `python -m
benchmarks.statistics` prints all of them, the tests run smaller ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from harness.statistics import (
    DifferenceSpread,
    PairedComparison,
    Verdict,
    attainable_level,
    compare_crossed,
    compare_paired,
    detectable_effect,
    difference_spread,
    verdict,
    with_few_clusters,
)

ALPHA = 0.05


@dataclass(frozen=True)
class Row:
    """One measured figure and what it has to be."""

    what: str
    measured: float
    low: float
    high: float
    shown_only: bool = False
    """Whether the figure is told and not asked for."""

    @property
    def held(self) -> bool:
        """Whether it is as promised."""
        return self.shown_only or self.low <= self.measured <= self.high


def correlated(
    random: np.random.Generator, clusters: int, size: int, lost: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """0/1 scores of two runs whose errors are shared within a cluster, and the labels.

    About 64 % are right; of the candidate's right answers so many become wrong, each by chance,
    that its mean falls by ``lost``.
    """
    labels = np.repeat(np.arange(clusters), size)
    shared = random.normal(size=clusters)[labels] + 0.6
    runs = [
        shared + 0.5 * random.normal(size=clusters)[labels] + random.normal(size=labels.size) > 0
        for _ in range(2)
    ]
    right = 0.6554  # Phi(.6 / 1.5)
    broken = random.random(labels.size) < lost / right
    return runs[0].astype(float), (runs[1] & ~broken).astype(float), labels


def false_alarms(repeats: int, seed: int = 1) -> Iterator[Row]:
    """Equally good runs with 20 correlated clusters of 20 items."""
    random = np.random.default_rng(seed)
    found = 0
    for _ in range(repeats):
        found += compare_paired(*correlated(random, 20, 20), permutations=1_999).p < ALPHA
    yield Row("false alarms, 20 correlated clusters of 20 items", found / repeats, 0.0, 0.06)


def mcnemar(repeats: int, seed: int = 2) -> Iterator[Row]:
    """The exact p of 0/1 scores against statsmodels."""
    from statsmodels.stats.contingency_tables import mcnemar as reference

    random = np.random.default_rng(seed)
    worst = 0.0
    for _ in range(repeats):
        n = int(random.integers(2, 300))
        before, after = (random.random(n) < random.random() for _ in range(2))
        table = [[(before & after).sum(), (before & ~after).sum()]]
        table.append([(~before & after).sum(), (~before & ~after).sum()])
        p = compare_paired(before, after, range(n)).p
        worst = max(worst, abs(p - float(reference(table, exact=True).pvalue)))
    yield Row("McNemar's exact p, largest distance to statsmodels", worst, 0.0, 1e-9)


def power(repeats: int, seed: int = 3) -> Iterator[Row]:
    """How often a true loss is found, beside the paired t test; in points of 100."""
    from scipy.stats import ttest_rel

    random = np.random.default_rng(seed)
    cases: dict[str, Callable[[], tuple[np.ndarray, np.ndarray]]] = {
        "50 continuous scores": lambda: _continuous(random, 50, -0.4),
        "400 independent 0/1 items": lambda: _binary(random, 400, 0.09),
    }
    for name, make in cases.items():
        ours = theirs = 0
        for _ in range(repeats):
            before, after = make()
            ours += compare_paired(before, after, range(before.size), permutations=1_999).p < ALPHA
            theirs += ttest_rel(before, after).pvalue < ALPHA
        lost = (theirs - ours) / repeats
        yield Row(f"power lost to the paired t test, {name}", lost, -1.0, 0.03)


def _continuous(random: np.random.Generator, n: int, shift: float) -> tuple[np.ndarray, np.ndarray]:
    shared = random.normal(size=n)
    return shared + 0.7 * random.normal(size=n), shared + 0.7 * random.normal(size=n) + shift


def _binary(random: np.random.Generator, n: int, loss: float) -> tuple[np.ndarray, np.ndarray]:
    difficulty = random.normal(size=n)
    before = (difficulty + random.normal(size=n) < 0.5).astype(float)
    after = (difficulty + random.normal(size=n) < 0.5).astype(float)
    return before, np.where(random.random(n) < loss / 0.64, 0.0, after)


def coverage(repeats: int, seed: int = 4) -> Iterator[Row]:
    """How often the interval holds the true difference; 5 items in a cluster."""
    random = np.random.default_rng(seed)
    for clusters in (5, 10, 20, 100):
        labels = np.repeat(np.arange(clusters), 5)
        for skewed in (False, True):
            held = 0
            for _ in range(repeats):
                draw = random.exponential(size=clusters) - 1 if skewed else None
                effect = random.normal(size=clusters) if draw is None else draw
                change = 0.5 + effect[labels] + random.normal(size=labels.size)
                before = np.zeros(labels.size)
                found = compare_paired(before, change, labels, permutations=1_999)
                found = with_few_clusters(found, before, change, labels)
                assert found.low is not None
                assert found.high is not None
                held += found.low <= 0.5 <= found.high
            shape = "skewed" if skewed else "symmetric"
            name = f"coverage of 95 % intervals, {clusters} clusters, {shape}"
            yield Row(name, held / repeats, 0.93, 0.97, shown_only=skewed)


def orders(repeats: int, seed: int = 5) -> Iterator[Row]:
    """Equally good runs of 40 items in 5 orders; an order moves all items alike."""
    random = np.random.default_rng(seed)
    rows, columns = np.repeat(np.arange(40), 5), np.tile(np.arange(5), 40)
    for deviation in (0.08, 0.15):
        alarms = 0
        for _ in range(repeats):
            change = (
                0.4 * random.normal(size=40)[rows]
                + deviation * random.normal(size=5)[columns]
                + 0.4 * random.normal(size=200)
            )
            found = compare_crossed(np.zeros(200), change, rows, columns)
            alarms += found.comparison.p < ALPHA
        error = 3 * math.sqrt(0.05 * 0.95 / repeats)
        name = f"false alarms, 40 items in 5 orders, order sd {deviation}"
        yield Row(name, alarms / repeats, 0.0, ALPHA + error)


def single_cluster(repeats: int, seed: int = 6) -> Iterator[Row]:
    """One stream: whatever the scores, nothing may be concluded."""
    random = np.random.default_rng(seed)
    decided = 0
    for _ in range(repeats):
        before = random.random(100)
        found = compare_paired(before, before - random.random(), [0] * 100)
        decided += verdict(found, found.p, ALPHA, 0.01) is not Verdict.INCONCLUSIVE
    yield Row("verdicts from a single cluster", decided / repeats, 0.0, 0.0)


def identical(repeats: int, seed: int = 7) -> Iterator[Row]:
    """Equal scores on both sides."""
    random = np.random.default_rng(seed)
    alarms = 0
    for _ in range(repeats):
        scores = random.random(int(random.integers(1, 400)))
        labels = random.integers(0, int(random.integers(1, 60)), scores.size)
        found = compare_paired(scores, scores, labels, permutations=199)
        alarms += verdict(found, found.p, ALPHA, 0.0) is Verdict.REGRESSED
    yield Row("identical runs called regressed", alarms / repeats, 0.0, 0.0)


def planted(repeats: int, seed: int = 8) -> Iterator[Row]:
    """How often a loss of the size that another pair of runs had printed as detectable is found."""
    random = np.random.default_rng(seed)
    for clusters in (6, 7, 8, 10, 12, 20, 100):
        for kind in ("continuous", "0/1"):
            found = printed = 0
            for _ in range(repeats):
                make = _clustered if kind == "continuous" else correlated
                pilot = make(random, clusters, 20)
                size = printed_size(pilot, all_or_nothing=kind == "0/1")
                if size is None:
                    continue  # more than there is to lose: none is printed
                printed += 1
                found += is_found(make(random, clusters, 20, size))
            name = f"found at the printed detectable effect, {clusters} clusters, {kind}"
            few = printed < repeats / 10  # as with six clusters of such scores
            yield Row(f"{name} (of {printed})", found / max(1, printed), 0.8, 1.0, shown_only=few)


def printed_size(
    pair: tuple[np.ndarray, np.ndarray, np.ndarray],
    *,
    all_or_nothing: bool,
    min_effect: float = 0.01,
) -> float | None:
    """The detectable effect that a comparison of these runs prints, if any."""
    before, after, labels = pair
    clusters = int(labels.max()) + 1
    spread = difference_spread(before, after, labels)
    level = attainable_level(ALPHA, 1, clusters)
    assert isinstance(spread, DifferenceSpread)
    assert level is not None
    if not all_or_nothing:
        return detectable_effect(spread, level, min_effect)
    most = float(before.mean())
    return detectable_effect(spread, level, min_effect, all_or_nothing=1.0, can_lose=most)


def is_found(pair: tuple[np.ndarray, np.ndarray, np.ndarray], min_effect: float = 0.01) -> bool:
    """Whether the verdict on these runs is that the candidate regressed."""
    found: PairedComparison = compare_paired(*pair, permutations=4_999)
    return verdict(found, found.p, ALPHA, min_effect) is Verdict.REGRESSED


def _clustered(
    random: np.random.Generator, clusters: int, size: int, lost: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Continuous scores; the differences of a cluster are alike."""
    labels = np.repeat(np.arange(clusters), size)
    before = random.normal(size=labels.size)
    change = 0.1 * random.normal(size=clusters)[labels] + 0.2 * random.normal(size=labels.size)
    return before, before + change - lost, labels


ALL: tuple[tuple[Callable[[int], Iterator[Row]], int], ...] = (
    (false_alarms, 2_000),
    (mcnemar, 200),
    (power, 1_000),
    (coverage, 1_500),
    (orders, 2_000),
    (single_cluster, 200),
    (identical, 500),
    (planted, 1_000),
)
"""Every simulation with its number of repeats."""
