"""Metrics that are no means: labels swapped, the metric computed again."""

from __future__ import annotations

import itertools
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import permutation_test, rankdata

from harness.statistics import PairedTest, compare_paired, swap_labels

pairs = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=9
)


def mean(rows):
    return float(np.mean(rows))


def auc(rows):
    """Area under the curve of rows (label, score)."""
    positive = [score for label, score in rows if label]
    negative = [score for label, score in rows if not label]
    if not positive or not negative:
        return float("nan")
    ranks = rankdata([*positive, *negative])[: len(positive)]
    n, m = len(positive), len(negative)
    return float((ranks.sum() - n * (n + 1) / 2) / (n * m))


@settings(deadline=None)
@given(pairs)
def test_of_a_mean_it_is_the_sign_flip_test(rows):
    before, after, clusters = zip(*rows, strict=True)
    ours = swap_labels(before, after, clusters, mean)
    known = compare_paired(before, after, clusters)
    assert ours.p == pytest.approx(known.p)
    assert ours.difference == pytest.approx(known.difference)


def test_a_median_agrees_with_scipy_on_all_swaps():
    random = np.random.default_rng(1)
    before, after = random.normal(size=8), random.normal(size=8) + 0.8
    ours = swap_labels(before, after, range(8), lambda rows: float(np.median(rows)))
    theirs = permutation_test(
        (before, after),
        lambda x, y, axis: np.median(y, axis=axis) - np.median(x, axis=axis),
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=True,
    )
    assert ours.exact
    assert ours.p == pytest.approx(theirs.pvalue)


def test_whole_clusters_are_swapped():
    rows = [(k % 2, k % 5 + 0.1 * k) for k in range(24)]
    worse = [(label, -score) for label, score in rows]
    clusters = [k // 6 for k in range(24)]
    found = swap_labels(rows, worse, clusters, auc)
    seen = []
    for flips in itertools.product([False, True], repeat=4):
        mixed = [
            [(b, a)[flips[g]], (a, b)[flips[g]]]
            for a, b, g in zip(rows, worse, clusters, strict=True)
        ]
        seen.append(abs(auc([m[0] for m in mixed]) - auc([m[1] for m in mixed])))
    observed = abs(auc(worse) - auc(rows))
    assert found.p == np.mean([one >= observed - 1e-9 for one in seen])
    assert found.smallest_p == 1 / 8
    assert found.test is PairedTest.LABEL_SWAP


@settings(deadline=None, max_examples=40)
@given(pairs)
def test_interval_agrees_with_p_and_sides_can_be_exchanged(rows):
    before, after, clusters = (list(one) for one in zip(*rows, strict=True))
    forth = swap_labels(before, after, clusters, statistics.median, level=0.8)
    back = swap_labels(after, before, clusters, statistics.median, level=0.8)
    assert (back.p, back.difference) == (forth.p, -forth.difference)
    if forth.low is not None:
        assert (forth.low <= 0 <= forth.high) is (forth.p >= 0.2)
        assert (back.low, back.high) == pytest.approx((-forth.high, -forth.low))


def test_false_alarms_of_a_median_in_clusters():
    random = np.random.default_rng(3)
    labels = np.repeat(np.arange(12), 5)
    alarms = 0
    for _ in range(100):
        shared = random.normal(size=12)[labels]
        before, after = (shared + random.normal(size=60) for _ in range(2))
        found = swap_labels(before, after, labels, lambda r: float(np.median(r)), permutations=99)
        alarms += found.p < 0.05
    assert alarms / 100 < 0.05 + 4 * (0.05 * 0.95 / 100) ** 0.5


def test_equal_rows_are_no_evidence():
    found = swap_labels([1.0, 2.0, 4.0], [1.0, 2.0, 4.0], "abc", statistics.median)
    assert (found.p, found.difference, found.changed_clusters) == (1.0, 0.0, 0)


def test_a_metric_that_is_not_defined_on_a_side_is_refused():
    with pytest.raises(ValueError, match="metric is nan"):
        swap_labels([(1, 0.5)], [(1, 0.2)], "a", auc)


def test_swaps_without_the_metric_count_as_accepted():
    rows, others = [(1, 0.9), (0, 0.1)], [(0, 0.1), (1, 0.9)]
    assert swap_labels(rows, others, "ab", auc).p == 1.0


def test_random_swaps_are_the_same_for_the_same_seed():
    random = np.random.default_rng(4)
    before, after = random.normal(size=40), random.normal(size=40)
    one, two = (
        swap_labels(before, after, range(40), mean, permutations=99, seed=5) for _ in range(2)
    )
    assert one == two
    assert one.smallest_p == 1 / 100
