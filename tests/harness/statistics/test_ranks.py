from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata, t

from harness.statistics import compare_paired
from harness.statistics.ranks import rank_methods, rank_trained


def ranked(scores, **given):
    """Rank methods by means of items, each its own unit; shape (items, methods)."""
    table = np.asarray(scores, dtype=float)
    n = len(table)
    return rank_methods(table / n, np.full(n, 1 / n), **given)


def by_hand(scores):
    """Adjusted p of every pair by enumeration of all flips, written as the definition reads."""
    table = np.asarray(scores, dtype=float)
    pairs = list(combinations(range(table.shape[1]), 2))
    differences = [table[:, i] - table[:, j] for i, j in pairs]
    largest = []
    for signs in product((1, -1), repeat=len(table)):
        flip = np.array(signs)
        largest.append(max(abs((flip * d).sum()) / np.sqrt((d**2).sum()) for d in differences))
    largest = np.array(largest)
    return [
        float(np.mean(largest >= abs(d.sum()) / np.sqrt((d**2).sum()) * (1 - 1e-9)))
        for d in differences
    ]


def test_adjusted_p_is_that_of_all_flips_of_all_pairs():
    scores = np.random.default_rng(3).normal([0.0, 0.4, 1.2], 1.0, (9, 3))
    found = ranked(scores)
    assert found.exact
    assert [one.p for one in found.pairs] == pytest.approx(by_hand(scores))


def test_of_two_methods_it_is_the_paired_test():
    random = np.random.default_rng(5)
    scores = random.normal([0.0, 0.6], 1.0, (11, 2))
    (pair,) = ranked(scores).pairs
    alone = compare_paired(scores[:, 1], scores[:, 0], range(11))
    assert pair.p == pytest.approx(alone.p)
    assert pair.difference == pytest.approx(alone.difference)


def test_the_interval_of_two_methods_is_close_to_students():
    scores = np.random.default_rng(8).normal([0.0, 0.6], 1.0, (200, 2))
    (pair,) = ranked(scores).pairs
    change = scores[:, 0] - scores[:, 1]
    half = t.ppf(0.975, 199) * change.std(ddof=1) / np.sqrt(200)
    assert (pair.low, pair.high) == pytest.approx(
        (change.mean() - half, change.mean() + half), abs=0.01
    )


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(2, 12),
    st.integers(1, 5),
    st.sampled_from([0.0, 0.5, 2.0]),
)
def test_an_interval_excludes_zero_exactly_if_its_p_is_small(seed, units, methods, effect):
    random = np.random.default_rng(seed)
    table = random.normal(0, 1, (units, methods)).round(2) + effect * np.arange(methods)
    sizes = random.integers(1, 5, units).astype(float)
    found = rank_methods(table * sizes[:, None] / sizes.sum(), sizes / sizes.sum(), flips=500)
    for one in found.pairs:
        low = -np.inf if one.low is None else one.low
        high = np.inf if one.high is None else one.high
        assert (not low <= 0 <= high) == (one.p < 0.05)
        assert low <= one.difference <= high
    for best, worst in found.ranks:
        assert 1 <= best <= worst <= methods


def test_five_units_rank_nobody_and_six_can():
    clear = np.array([[1.0, 0.0]])
    assert ranked(np.repeat(clear, 5, axis=0)).ranks == ((1, 2), (1, 2))
    six = ranked(np.repeat(clear, 6, axis=0))
    assert six.ranks == ((1, 1), (2, 2))
    assert six.smallest_p == 1 / 32


def test_one_unit_and_one_method_are_no_error():
    assert ranked([[0.3, 0.9]]).ranks == ((1, 2), (1, 2))
    assert ranked([[0.3]]).ranks == ((1, 1),)
    assert ranked([[0.3], [0.4]]).pairs == ()


def test_equal_methods_tie_without_a_difference():
    scores = np.repeat(np.random.default_rng(1).normal(size=(8, 1)), 3, axis=1)
    found = ranked(scores)
    assert found.ranks == ((1, 3),) * 3
    assert {(one.difference, one.p) for one in found.pairs} == {(0.0, 1.0)}


def test_a_flawed_table_is_refused():
    with pytest.raises(ValueError, match="one weight for each unit"):
        rank_methods(np.zeros((3, 2)), np.zeros(2))
    with pytest.raises(ValueError, match="finite"):
        rank_methods(np.array([[np.nan]]), np.array([1.0]))


@pytest.mark.parametrize("skewed", [False, True])
def test_equal_methods_are_rarely_told_apart(skewed):
    """The chance of even one false difference among 15 pairs stays at .05."""
    random = np.random.default_rng(17)
    wrong, runs = 0, 400
    for at in range(runs):
        shared = random.normal(size=(20, 1))
        noise = random.exponential(size=(20, 6)) if skewed else random.normal(size=(20, 6))
        found = ranked(shared + noise, flips=1000, seed=at)
        wrong += any(one.p < 0.05 for one in found.pairs)
    assert wrong / runs <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / runs)


def test_true_ranks_lie_in_all_ranges_at_once():
    random = np.random.default_rng(23)
    truth = np.array([0.0, 0.0, 0.3, 0.6, 1.2])
    best, worst = rankdata(-truth, method="min"), rankdata(-truth, method="max")
    hits, runs = 0, 300
    for at in range(runs):
        scores = truth + random.normal(size=(30, 1)) + random.normal(size=(30, 5))
        ranges = ranked(scores, flips=1000, seed=at).ranks
        # Of methods that are truly equal, every rank that they share is right.
        hits += all(
            low <= b and w <= high for (low, high), b, w in zip(ranges, best, worst, strict=True)
        )
    assert hits / runs >= 0.95 - 2.5 * np.sqrt(0.05 * 0.95 / runs)


def test_an_outlier_changes_no_pair_of_others():
    random = np.random.default_rng(6)
    scores = random.normal([10.0, 11.0], 0.5, (20, 2))
    alone = ranked(scores).pairs[0]
    beside = ranked(np.column_stack([scores, np.full(20, 1e9)])).pairs[0]
    assert beside.difference == pytest.approx(alone.difference)
    assert beside.p < 0.001
    assert beside.high < 0


def trained(scores):
    """Rank trained methods by means of items, shape (items, seeds, methods)."""
    table = np.asarray(scores, dtype=float)
    n = len(table)
    return rank_trained(table / n, np.full(n, 1 / n))


def test_seeds_are_a_factor():
    """Methods that are equal but for luck of training are rarely told apart."""
    random = np.random.default_rng(11)
    wrong, runs = 0, 300
    for _ in range(runs):
        items = random.normal(size=(25, 1, 1))
        luck = random.normal(0, 0.3, (1, 3, 3))
        wrong += any(
            one.p < 0.05 for one in trained(items + luck + random.normal(0, 0.3, (25, 3, 3))).pairs
        )
    assert wrong / runs <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / runs)


def test_a_difference_beyond_the_spread_of_seeds_is_found():
    random = np.random.default_rng(12)
    scores = random.normal(0, 0.1, (25, 3, 2)) + np.array([0.0, 1.0])
    found = trained(scores)
    assert found.ranks == ((2, 2), (1, 1))
    assert found.pairs[0].high < 0


def test_few_units_rank_no_trained_method():
    scores = np.random.default_rng(1).normal(0, 0.01, (5, 3, 2)) + np.array([0.0, 1.0])
    (pair,) = trained(scores).pairs
    assert (pair.low, pair.high, pair.p) == (None, None, 1.0)


def test_equal_trained_methods_tie():
    scores = np.repeat(np.random.default_rng(1).normal(size=(9, 3, 1)), 2, axis=2)
    (pair,) = trained(scores).pairs
    assert (pair.difference, pair.low, pair.high, pair.p) == (0.0, 0.0, 0.0, 1.0)


def test_flawed_trainings_are_refused():
    with pytest.raises(ValueError, match="one weight for each unit"):
        rank_trained(np.zeros((3, 2)), np.zeros(3))


@pytest.mark.parametrize(("units", "told"), [(6, True), (5, False)])
def test_methods_that_differ_alike_everywhere_are_told_apart_by_enough_units(units, told):
    scores = np.zeros((units, 3, 2))
    scores[:, :, 1] = 1.0
    (pair,) = trained(scores).pairs
    assert (pair.p < 0.05) == told
    assert (pair.high is not None and pair.high < 0) == told


def test_agreement_of_interval_and_p_of_trained_methods():
    random = np.random.default_rng(9)
    for _ in range(60):
        effect = random.choice([0.0, 0.3, 1.0])
        scores = random.normal(0, 0.3, (8, 3, 3)) + effect * np.arange(3)
        for one in trained(scores).pairs:
            low = -np.inf if one.low is None else one.low
            high = np.inf if one.high is None else one.high
            assert (not low <= 0 <= high) == (one.p < 0.05)
