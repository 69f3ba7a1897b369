from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from harness.statistics import (
    Verdict,
    benjamini_hochberg,
    compare_paired,
    holm,
    smallest_attainable_p,
    verdict,
)

p_lists = st.lists(st.none() | st.floats(0, 1), max_size=12)


def compare(differences):
    """One item in each cluster, baseline .5."""
    return compare_paired(
        [0.5] * len(differences), [0.5 + d for d in differences], range(len(differences))
    )


def test_smallest_attainable_p_of_the_reference():
    assert smallest_attainable_p(1) == 1
    assert smallest_attainable_p(5) == 0.0625
    assert smallest_attainable_p(6) < 0.05
    # Under Holm seven comparisons need nine clusters, 66 need twelve.
    assert smallest_attainable_p(8, 7) > 0.05 > smallest_attainable_p(9, 7)
    assert smallest_attainable_p(11, 66) > 0.05 > smallest_attainable_p(12, 66)


@pytest.mark.parametrize(("clusters", "comparisons"), [(0, 1), (3, 0)])
def test_attainable_p_needs_a_cluster_and_a_comparison(clusters, comparisons):
    with pytest.raises(ValueError, match="at least 1"):
        smallest_attainable_p(clusters, comparisons)


def test_adjusted_values_computed_by_hand():
    values = [0.01, 0.04, 0.03, 0.005]
    assert holm(values) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert benjamini_hochberg(values) == pytest.approx([0.02, 0.04, 0.04, 0.02])


def test_missing_comparisons_stay_missing_and_do_not_count():
    assert holm([None, 0.02, None, 0.5]) == [None, 0.04, None, 0.5]
    assert benjamini_hochberg([None, 0.02, None]) == [None, 0.02, None]
    assert holm([]) == []
    assert benjamini_hochberg([None]) == [None]


@settings(deadline=None, max_examples=20)  # statsmodels collects garbage at each call
@given(p_lists)
@pytest.mark.parametrize(("adjust", "method"), [(holm, "holm"), (benjamini_hochberg, "fdr_bh")])
def test_adjusted_values_agree_with_statsmodels(adjust, method, values):
    adjusted = adjust(values)
    present = [p for p in values if p is not None]
    assert [a is None for a in adjusted] == [p is None for p in values]
    if present:
        expected = multipletests(present, method=method)[1]
        assert [a for a in adjusted if a is not None] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("bad", [-0.1, 1.5, float("nan")])
@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
def test_only_probabilities_are_adjusted(adjust, bad):
    with pytest.raises(ValueError, match="p value 1 is not a probability"):
        adjust([0.5, bad])


def test_a_clear_loss_is_a_regression_and_its_mirror_an_improvement():
    losses = [-0.2, -0.3, -0.25, -0.2, -0.3, -0.25, -0.2]
    worse, better = compare(losses), compare([-d for d in losses])
    assert verdict(worse, worse.p, alpha=0.05, min_effect=0.1) is Verdict.REGRESSED
    assert verdict(better, better.p, alpha=0.05, min_effect=0.1) is Verdict.IMPROVED


def test_a_significant_loss_too_small_to_matter_is_not_worse():
    found = compare([-0.01, -0.012, -0.011, -0.01, -0.012, -0.011])
    assert found.p < 0.05
    assert verdict(found, found.p, alpha=0.05, min_effect=0.05) is Verdict.NOT_WORSE
    assert verdict(found, found.p, alpha=0.05, min_effect=0.0) is Verdict.REGRESSED


def test_a_significant_small_loss_that_may_be_large_is_inconclusive():
    found = compare([-0.01, -0.02, -0.15, -0.03, -0.05, -0.04, -0.02])
    assert found.p < 0.05
    assert verdict(found, found.p, alpha=0.05, min_effect=0.05) is Verdict.INCONCLUSIVE


def test_correction_can_take_a_regression_away():
    found = compare([-0.2, -0.3, -0.25, -0.2, -0.3, -0.25, -0.2])
    assert verdict(found, 0.2, alpha=0.05, min_effect=0.1) is Verdict.INCONCLUSIVE


def test_a_wide_interval_is_inconclusive_and_a_narrow_one_not_worse():
    wide = compare([-0.5, 0.5, -0.4, 0.4, -0.3, 0.3, 0.1])
    narrow = compare([-0.01, 0.01, -0.02, 0.02, 0.01, -0.01, 0.01])
    assert verdict(wide, wide.p, alpha=0.05, min_effect=0.1) is Verdict.INCONCLUSIVE
    assert verdict(narrow, narrow.p, alpha=0.05, min_effect=0.1) is Verdict.NOT_WORSE


@pytest.mark.parametrize(
    ("items", "expected"), [(6, False), (60, False), (298, False), (299, True)]
)
def test_identical_scores_are_not_worse_only_on_very_many_items(items, expected):
    same = compare([0.0] * items)
    assert (same.low, same.high) == (0.0, 0.0)
    found = verdict(same, same.p, alpha=0.05, min_effect=0.01)
    assert (found is Verdict.NOT_WORSE) is expected


def test_identical_scores_are_weighed_by_what_could_have_been_lost():
    same = compare([0.0] * 400)
    assert verdict(same, 1.0, min_effect=0.01) is Verdict.NOT_WORSE
    assert verdict(same, 1.0, min_effect=0.01, largest_change=2.0) is Verdict.INCONCLUSIVE
    assert verdict(same, 1.0, min_effect=0.0) is Verdict.INCONCLUSIVE


def test_items_of_one_cluster_are_no_further_evidence():
    scores, uneven = [0.5] * 800, [*range(399), *[399] * 401]
    halved = compare_paired(scores, scores, [item // 2 for item in range(800)])
    lopsided = compare_paired(scores, scores, uneven)
    assert verdict(halved, 1.0, min_effect=0.01) is Verdict.NOT_WORSE
    assert verdict(lopsided, 1.0, min_effect=0.01) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(("lost", "items"), [(1, 473), (3, 773)])
def test_lost_items_ask_for_as_many_items_as_clopper_and_pearson(lost, items):
    # upper 95 % bounds from tables: 4.74 / n for one event, 7.75 / n for three
    enough = compare([-1.0] * lost + [0.0] * (items - lost))
    few = compare([-1.0] * lost + [0.0] * (items - 5 - lost))
    assert verdict(enough, enough.p, min_effect=0.01) is Verdict.NOT_WORSE
    assert verdict(few, few.p, min_effect=0.01) is Verdict.INCONCLUSIVE


def test_clusters_whose_changes_cancel_do_not_differ():
    found = compare_paired([0, 1] * 8, [1, 0] * 8, [item // 2 for item in range(16)])
    assert (found.changed_clusters, found.lost_clusters, found.largest_cluster) == (0, 0, 2)
    assert verdict(found, found.p, min_effect=0.1) is Verdict.INCONCLUSIVE


def test_too_few_clusters_never_pass():
    for differences in ([0.0] * 5, [0.4] * 5, [-0.4] * 5, [0.1]):
        found = compare(differences)
        assert verdict(found, found.p, alpha=0.05, min_effect=0.1) is Verdict.INCONCLUSIVE


def test_too_many_comparisons_for_the_clusters_never_pass():
    found = compare([0.01, -0.01] * 4)
    assert verdict(found, 1.0, min_effect=0.1, comparisons=6) is Verdict.NOT_WORSE
    assert verdict(found, 1.0, min_effect=0.1, comparisons=7) is Verdict.INCONCLUSIVE


def test_min_effect_is_a_size():
    found = compare([0.1] * 6)
    with pytest.raises(ValueError, match="at least 0"):
        verdict(found, found.p, min_effect=-0.1)


@settings(deadline=None)
@given(
    st.lists(st.integers(-8, 8).map(lambda k: k / 16), min_size=1, max_size=9),
    st.sampled_from([0.0, 0.0625, 0.25]),
)
def test_a_regression_swapped_is_an_improvement(differences, min_effect):
    forth, back = compare(differences), compare([-d for d in differences])
    mirrored = {Verdict.REGRESSED: Verdict.IMPROVED, Verdict.IMPROVED: Verdict.REGRESSED}
    there = verdict(forth, forth.p, 0.05, min_effect)
    again = verdict(back, back.p, 0.05, min_effect)
    if there in mirrored:
        assert again is mirrored[there]
    else:
        assert again not in mirrored


def test_verdicts_are_written_as_words():
    assert [str(v) for v in Verdict] == ["improved", "regressed", "not_worse", "inconclusive"]
