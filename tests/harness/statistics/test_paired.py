from __future__ import annotations

import math
import subprocess
import sys
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from harness.statistics import PairedTest, compare_paired

# Eighths are exact in binary, so equal sums compare equal in any order of addition.
eighths = st.integers(-16, 16).map(lambda k: k / 8)


def runs_of(score, max_clusters=7, max_size=4):
    """Baseline, candidate and clusters of a random comparison."""
    group = st.lists(st.tuples(score, score), min_size=1, max_size=max_size)

    def unpack(groups):
        rows = [(a, b, g) for g, pairs in enumerate(groups) for a, b in pairs]
        return tuple(zip(*rows, strict=True))

    return st.lists(group, min_size=1, max_size=max_clusters).map(unpack)


def brute_p(baseline, candidate, clusters, shift=Fraction(0)):
    """Two-sided sign-flip p of the differences less a shift, by listing every flip exactly."""
    totals = {}
    for a, b, g in zip(baseline, candidate, clusters, strict=True):
        totals[g] = totals.get(g, Fraction(0)) + Fraction(b) - Fraction(a) - shift
    observed = abs(sum(totals.values()))
    flips = list(product((1, -1), repeat=len(totals)))
    reached = [
        abs(sum(s * d for s, d in zip(signs, totals.values(), strict=True))) >= observed
        for signs in flips
    ]
    return sum(reached) / len(flips)


def outside(comparison, value=0.0):
    return comparison.low is not None and not comparison.low <= value <= comparison.high


def test_reference_case_of_evo_memory():
    found = compare_paired([0, 1, 0, 0, 1, 0], [0, 1, 1, 0, 1, 1], range(6))
    assert found.difference == pytest.approx(0.33333, abs=5e-6)
    assert (found.wins, found.losses, found.ties) == (2, 0, 4)
    assert found.p == pytest.approx(0.5)
    assert (found.test, found.exact) == (PairedTest.MCNEMAR, True)
    assert found.smallest_p == 2**-5


def test_comparison_computed_by_hand():
    # Differences 1, 2, 3, 4, 5, 6: of 64 flips only all and none reach 21, p = 2/64.
    # An interval at .95 leaves out 2/64 and stops at the next flip, the one that keeps all but
    # one: low is the smallest mean of a part, 1 alone; high the largest, 6 alone.
    found = compare_paired([0] * 6, [1, 2, 3, 4, 5, 6], range(6))
    assert (found.baseline, found.candidate, found.difference) == (0, 3.5, 3.5)
    assert found.p == 2 / 64
    assert found.exact
    assert found.test is PairedTest.SIGN_FLIP
    assert (found.low, found.high) == (1, 6)


def test_items_of_one_cluster_are_flipped_together():
    # Cluster sums 3, 1, -1: 6 of 8 flips reach |3|: the others give +-1.
    found = compare_paired([0] * 5, [1, 2, 1, 0, -1], "aabbc")
    assert found.difference == 0.6
    assert found.p == 6 / 8
    assert (found.n, found.clusters) == (5, 3)


def test_one_stream_cannot_show_anything():
    found = compare_paired([0] * 50, [1] * 50, ["stream"] * 50)
    assert (found.p, found.smallest_p, found.low, found.high) == (1, 1, None, None)
    assert found.difference == 1


def test_five_clusters_have_no_interval_at_95_percent_and_six_have():
    for clusters, has_interval in ((5, False), (6, True)):
        found = compare_paired(
            [0.0] * clusters, [0.5 + 0.1 * g for g in range(clusters)], range(clusters)
        )
        assert found.p == found.smallest_p == 2.0 ** (1 - clusters)
        assert (found.low is not None) is (found.high is not None) is has_interval


def test_p_equal_to_the_error_rate_does_not_exclude_zero():
    scores = [0.5, 0.625, 0.75, 0.875, 1.0]
    assert not outside(compare_paired([0.0] * 5, scores, range(5), level=1 - 2**-4))
    assert outside(compare_paired([0.0] * 5, scores, range(5), level=1 - 2**-4 - 1e-6))


def test_equal_runs_differ_by_nothing():
    found = compare_paired([0.1, 0.7, 0.3] * 3, [0.1, 0.7, 0.3] * 3, list("abcdefghi"))
    assert (found.difference, found.p, found.low, found.high, found.ties) == (0, 1, 0, 0, 9)


@pytest.mark.parametrize("permutations", [20_000, 100])
def test_decimals_that_are_equal_but_for_rounding_are_ties(permutations):
    # .3 - .1 and .2 - 0 differ in the last bit, and so do the sums of flips.
    baseline = [0.1, 0.0, 0.3, 0.2, 0.7, 0.1, 0.3, 0.3]
    candidate = [0.3, 0.2, 0.1, 0.0, 0.9, 0.3, 0.5, 0.1 + 0.2]
    whole = compare_paired(
        [round(10 * y) for y in baseline], [round(10 * y) for y in candidate], range(8),
        permutations=permutations,
    )  # fmt: skip
    found = compare_paired(baseline, candidate, range(8), permutations=permutations)
    assert (found.wins, found.losses, found.ties) == (5, 2, 1)
    if permutations == 20_000:
        assert found.p == whole.p == brute_p([0] * 8, [2, 2, -2, -2, 2, 2, 2, 0], range(8))


def test_opposite_decimals_cancel():
    found = compare_paired([0.1, 0.2, 0.0], [0.0, 0.0, 0.3], range(3))
    assert (found.difference, found.p) == (0, 1)


@pytest.mark.parametrize("seed", range(5))
def test_enumeration_agrees_with_scipy(seed):
    random = np.random.default_rng(seed)
    clusters = np.concatenate([np.arange(8), random.integers(0, 8, 20)])
    baseline, candidate = random.normal(size=28), random.normal(0.3, size=28)
    sums = [np.bincount(clusters, weights=run) for run in (baseline, candidate)]
    expected = stats.permutation_test(
        sums, lambda a, b: (b - a).sum(), permutation_type="samples", n_resamples=np.inf
    )
    assert compare_paired(baseline, candidate, clusters).p == pytest.approx(expected.pvalue)


@pytest.mark.parametrize(
    ("wins", "losses", "ties"), [(9, 2, 12), (1, 8, 0), (5, 5, 3), (40, 21, 900)]
)
def test_mcnemar_agrees_with_scipy_and_statsmodels(wins, losses, ties):
    baseline = [0] * wins + [1] * losses + [1] * ties
    candidate = [1] * wins + [0] * losses + [1] * ties
    found = compare_paired(baseline, candidate, range(len(baseline)))
    assert found.p == pytest.approx(stats.binomtest(wins, wins + losses).pvalue)
    assert found.p == pytest.approx(mcnemar([[ties, losses], [wins, 0]], exact=True).pvalue)
    assert found.test is PairedTest.MCNEMAR


def test_clustered_or_graded_scores_do_not_use_mcnemar():
    assert compare_paired([0, 1, 0], [1, 1, 1], "aab").test is PairedTest.SIGN_FLIP
    assert compare_paired([0, 1, 0], [1, 0.5, 1], "abc").test is PairedTest.SIGN_FLIP
    assert compare_paired([False, True], [True, True], "ab").test is PairedTest.MCNEMAR


def test_random_flips_come_close_to_enumeration():
    random = np.random.default_rng(7)
    clusters = np.repeat(np.arange(14), 3)
    baseline, candidate = random.normal(size=42), random.normal(0.35, size=42)
    exact = compare_paired(baseline, candidate, clusters)
    drawn = compare_paired(baseline, candidate, clusters, permutations=16_000)
    assert (exact.exact, drawn.exact) == (True, False)
    assert drawn.p == pytest.approx(exact.p, abs=4 * math.sqrt(exact.p / 16_000))
    assert (drawn.low, drawn.high) == pytest.approx((exact.low, exact.high), abs=0.03)


def test_random_flips_repeat_with_their_seed_and_never_give_zero():
    baseline, candidate = np.zeros(40), 1 + np.arange(40) / 40
    found = compare_paired(baseline, candidate, range(40), permutations=999)
    assert found.p == found.smallest_p == 1 / 1000
    assert not found.exact
    assert found == compare_paired(baseline, candidate, range(40), permutations=999)
    other = compare_paired(baseline, candidate, range(40), permutations=999, seed=1)
    assert (other.low, other.high) != (found.low, found.high)


def test_many_equal_clusters_are_still_enumerated():
    # 30 clusters, three kinds of them: 11^3 ways instead of 2^30.
    baseline, candidate = [0.0] * 30, [0.5, -0.25, 0.25] * 10
    found = compare_paired(baseline, candidate, range(30))
    drawn = compare_paired(baseline, candidate, range(30), permutations=1000)
    assert found.exact
    assert not drawn.exact
    assert found.p == pytest.approx(drawn.p, abs=4 * math.sqrt(found.p / 1000))


def test_interval_of_many_clusters_is_close_to_the_t_interval():
    random = np.random.default_rng(5)
    clusters = np.repeat(np.arange(200), 4)
    baseline = random.normal(size=800)
    candidate = baseline + random.normal(0.1, size=800) + 0.5 * random.normal(size=200)[clusters]
    found = compare_paired(baseline, candidate, clusters)
    sums = np.bincount(clusters, weights=candidate - baseline) / 4
    expected = stats.ttest_1samp(sums, 0).confidence_interval()
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.01)


@pytest.mark.parametrize(
    ("baseline", "candidate", "clusters", "message"),
    [
        ([], [], [], "baseline scores are empty"),
        ([1, 0], [1], "ab", "2 baseline scores but 1 candidate scores"),
        ([1, 0], [1, 1], "abc", "2 scores but 3 cluster labels"),
        ([1, 0], [math.nan, 1], "ab", "candidate scores are not all finite: item 0 is nan"),
        ([1, -math.inf], [0, 1], "ab", "baseline scores are not all finite: item 1 is -inf"),
        ([1, 0], [1, 0], ["a", None], "item 1 has no cluster label"),
    ],
)
def test_unusable_runs_are_refused_with_a_sentence(baseline, candidate, clusters, message):
    with pytest.raises(ValueError, match=message):
        compare_paired(baseline, candidate, clusters)


def test_unusable_settings_are_refused():
    with pytest.raises(ValueError, match="at least one permutation"):
        compare_paired([0], [1], "a", permutations=0)
    with pytest.raises(ValueError, match="between 0 and 1"):
        compare_paired([0], [1], "a", level=95)


@settings(max_examples=60, deadline=None)
@given(runs_of(eighths), st.sampled_from([0.5, 0.8, 0.9, 0.95]))
def test_enumeration_is_exact_and_its_interval_is_the_inverted_test(runs, level):
    baseline, candidate, _ = runs
    found = compare_paired(*runs, level=level)
    alpha = 1 - Fraction(str(level))
    if not all(y in (0, 1) for y in baseline + candidate):
        assert found.p == pytest.approx(brute_p(*runs), abs=1e-12)
    if found.low is None:
        assert brute_p(*runs, shift=Fraction(10**6)) >= alpha
        return
    step = Fraction(1, 10**7)
    low, high = Fraction(found.low), Fraction(found.high)
    assert brute_p(*runs, shift=low - step) < alpha
    assert brute_p(*runs, shift=high + step) < alpha
    if high - low > 2 * step:
        assert brute_p(*runs, shift=low + step) >= alpha
        assert brute_p(*runs, shift=high - step) >= alpha


either = st.sampled_from([20_000, 30])  # enumerated, or drawn wherever possible
levels = st.sampled_from([0.5, 0.8, 0.9, 0.95])


@settings(max_examples=100, deadline=None)
@given(runs_of(eighths) | runs_of(st.sampled_from([0.0, 1.0]), 30, 1), levels, either)
def test_exchanging_the_runs_negates_the_comparison(runs, level, permutations):
    baseline, candidate, clusters = runs
    forth = compare_paired(baseline, candidate, clusters, level, permutations)
    back = compare_paired(candidate, baseline, clusters, level, permutations)
    assert back.p == forth.p
    assert back.difference == -forth.difference
    assert (back.wins, back.losses, back.ties) == (forth.losses, forth.wins, forth.ties)
    if forth.low is None:
        assert back.low is back.high is None
    else:
        assert (back.low, back.high) == (-forth.high, -forth.low)


@settings(max_examples=200, deadline=None)
@given(
    runs_of(eighths) | runs_of(st.floats(-1, 1)) | runs_of(st.sampled_from([0.0, 1.0]), 30, 1),
    levels,
    either,
)
def test_zero_is_outside_exactly_if_p_is_below_the_error_rate(runs, level, permutations):
    found = compare_paired(*runs, level=level, permutations=permutations)
    assert 0 <= found.p <= 1
    assert found.p >= found.smallest_p
    assert outside(found) is (found.p < round(1 - level, 12))
    if found.low is not None:
        assert found.low <= found.difference <= found.high


@settings(max_examples=60, deadline=None)
@given(runs_of(eighths), eighths, either)
def test_shifting_a_run_shifts_the_interval(runs, shift, permutations):
    baseline, candidate, clusters = runs
    # Three times the scores keep this away from 0 and 1, where McNemar's test takes over.
    baseline, candidate = [3 * y + 5 for y in baseline], [3 * y + 5 for y in candidate]
    still = compare_paired(baseline, candidate, clusters, 0.8, permutations)
    moved = compare_paired(baseline, [y + shift for y in candidate], clusters, 0.8, permutations)
    assert moved.difference == pytest.approx(still.difference + shift, abs=1e-9)
    if still.low is None:
        assert moved.low is None
    else:
        expected = (still.low + shift, still.high + shift)
        assert (moved.low, moved.high) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(runs_of(eighths), st.randoms(use_true_random=False))
def test_the_order_of_items_and_the_names_of_clusters_do_not_matter(runs, random):
    rows = list(zip(*runs, strict=True))
    random.shuffle(rows)
    shuffled = compare_paired(
        [a for a, _, _ in rows], [b for _, b, _ in rows], [f"stream {g}" for _, _, g in rows]
    )
    found = compare_paired(*runs)
    assert shuffled.p == pytest.approx(found.p, abs=1e-12)
    assert (shuffled.low is None) is (found.low is None)
    if found.low is not None:
        assert (shuffled.low, shuffled.high) == pytest.approx((found.low, found.high), abs=1e-9)


def test_importing_the_statistics_loads_no_numerical_library():
    script = (
        "import sys, harness.statistics\n"
        "print([m for m in ('numpy', 'scipy', 'pandas') if m in sys.modules])"
    )
    output = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True
    )
    assert output.stdout.strip() == "[]"
