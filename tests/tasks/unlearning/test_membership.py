"""Membership scores, AUC and PrivLeak against hand-computed values and brute force."""

from __future__ import annotations

import math
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tasks.unlearning.membership import (
    auc,
    auc_difference,
    loss_score,
    min_k,
    min_k_plus_plus,
    privacy,
    privleak,
    reference_score,
    s_mia,
    zlib_score,
)

# Few distinct values, so that ties are common.
SCORES = st.lists(st.integers(-4, 4).map(float) | st.floats(-1e6, 1e6), min_size=1, max_size=25)


def test_scores_of_one_text():
    assert loss_score(1.5) == 1.5
    assert zlib_score(3.0, "aé" * 50) == 3.0 / len(zlib.compress(("aé" * 50).encode()))
    assert reference_score(1.5, 2.25) == -0.75


def test_min_k_means_the_least_probable_tokens():
    assert min_k([-0.1, -2, -0.5, -3, -0.05, -1, -0.2]) == pytest.approx(2.5)
    assert min_k([-0.3]) == pytest.approx(0.3)
    assert min_k([-1, -2, -3], share=1.0) == pytest.approx(2)
    assert min_k([]) == 0


def test_min_k_plus_plus_standardises_first():
    found = min_k_plus_plus([0.6330918, -4, 3], [0, 0, 1], [1, 4, 4])
    assert found == pytest.approx(2.0)
    assert min_k_plus_plus([-1.0], [0.0], [0.0]) == pytest.approx(1000)


@pytest.mark.parametrize("share", [0, 1.1, math.nan])
def test_a_share_of_the_tokens_is_between_0_and_1(share):
    with pytest.raises(ValueError, match="share of tokens"):
        min_k([-1.0], share)


def test_auc_counts_ties_half():
    assert auc([0.2, 0.5, 0.9], [0.6, 0.9, 1.4]) == pytest.approx(0.8333333, abs=1e-7)
    assert auc([1.0, 1.0], [1.0]) == 0.5


@given(SCORES, SCORES)
def test_auc_agrees_with_counting_every_pair(forget, holdout):
    pairs = [(f, h) for f in forget for h in holdout]
    counted = sum((h > f) + 0.5 * (h == f) for f, h in pairs)
    assert auc(forget, holdout) == counted / len(pairs)


@given(SCORES, SCORES)
def test_auc_of_exchanged_sets_is_the_rest(forget, holdout):
    assert auc(forget, holdout) + auc(holdout, forget) == pytest.approx(1, abs=1e-15)


@given(SCORES, SCORES)
def test_auc_asks_only_for_the_order_of_scores(forget, holdout):
    ranks = {value: rank for rank, value in enumerate(sorted({*forget, *holdout}))}
    ranked = auc([ranks[one] for one in forget], [ranks[one] for one in holdout])
    assert auc(forget, holdout) == ranked


def test_privleak_and_its_relatives():
    known = auc([0.2, 0.5, 0.9], [0.6, 0.9, 1.4])
    assert privleak(known, 0.5236) == pytest.approx(-65.0153932, abs=1e-6)
    assert auc_difference(known, 0.5236) == pytest.approx(0.3097333, abs=1e-6)
    assert s_mia(0.7, 0.5236) == pytest.approx(0.6631016, abs=1e-7)
    assert privleak(1.0) == pytest.approx(-100)
    assert privleak(0.45919999999999994) == pytest.approx(8.159999998368011, abs=1e-9)


def test_privleak_has_no_upper_bound():
    assert privleak(0.0, 1.0) == pytest.approx(1e12)


def test_likeness_to_a_retrained_model_is_cut_to_0_and_1():
    assert s_mia(0.4, 0.4) == 1
    assert s_mia(0.9, 0.3) == 0


def test_privacy_is_a_harmonic_mean_over_attacks():
    assert privacy({"loss": 0.5, "zlib": 1.0}) == pytest.approx(2 / 3)
    assert privacy({"loss": 0.0, "zlib": 1.0}) == 0


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        (lambda: auc([], [1.0]), "scores of the forget set; there are none"),
        (lambda: auc([1.0], []), "scores of the holdout set; there are none"),
        (lambda: auc([math.nan], [1.0]), "forget set are not all finite"),
        (lambda: auc([1.0], [math.inf]), "holdout set are not all finite"),
        (lambda: min_k([math.nan]), "no finite number"),
        (lambda: min_k_plus_plus([-1.0], [-1.0], [math.nan]), "no finite number"),
        (lambda: min_k_plus_plus([-1.0], [], [1.0]), "one mean and variance for each token"),
        (lambda: loss_score(math.inf), "no finite number"),
        (lambda: zlib_score(math.nan, "a"), "no finite number"),
        (lambda: reference_score(1.0, math.nan), "no finite number"),
        (lambda: privleak(1.2), r"not in \[0, 1\]"),
        (lambda: auc_difference(0.5, math.nan), "no finite number"),
        (lambda: s_mia(0.5, 0.0), "reference is 0"),
        (lambda: privacy({}), "at least one value"),
        (lambda: privacy({"loss": 2.0}), "s_MIA of loss is 2.0"),
    ],
)
def test_what_has_no_value_is_refused_in_words(formula, words):
    with pytest.raises(ValueError, match=words):
        formula()
