"""Metric formulas against hand-computed values and published floors."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hmean, ks_2samp

from harness_tasks.unlearning.formulas import (
    MODEL_UTILITY_PARTS,
    TruthRatioAggregate,
    TruthRatioMean,
    aggregate_truth_ratios,
    exact_memorization,
    extraction_strength,
    forget_quality,
    harmonic_mean,
    mean,
    memorization_score,
    model_utility,
    normalised_probability,
    probability,
    rouge_l,
    truth_probability,
    truth_ratio,
)

RATIOS = st.lists(st.floats(0, 1e10), min_size=1, max_size=40)
UTILITY = dict(
    zip(MODEL_UTILITY_PARTS, [0.88, 0.83, 0.51, 0.39, 0.83, 0.50, 0.43, 0.80, 0.62], strict=True)
)


def test_probability_is_normalised_by_length():
    assert probability(0.0) == 1
    assert probability(math.log(4)) == pytest.approx(0.25, abs=1e-15)


def test_probability_among_the_options():
    assert normalised_probability(0.6, [0.1, 0.2, 0.1]) == pytest.approx(0.6, abs=1e-9)
    assert normalised_probability(0.0, [0.0, 0.0, 0.0]) == 0


@pytest.mark.parametrize(
    ("paraphrase", "wrong", "geometric", "arithmetic"),
    [
        (0.5, [1, 2, 3, 1.5, 2.5], 0.2231302, 0.2829921),
        (1.0, [0.5, 0.7, 0.9, 1.1, 0.8], 1.2214028, 1.2459982),
    ],
)
def test_truth_ratio_of_the_two_definitions(paraphrase, wrong, geometric, arithmetic):
    assert truth_ratio(paraphrase, wrong) == pytest.approx(geometric, abs=5e-8)
    ours = truth_ratio(paraphrase, wrong, TruthRatioMean.ARITHMETIC)
    assert ours == pytest.approx(arithmetic, abs=5e-8)


def test_truth_ratio_of_recorded_losses():
    # The values of one example of TOFU's own logs, which were rounded on the way.
    assert truth_ratio(1.6962182, [1.9851079]) == pytest.approx(0.7490907, rel=1e-5)
    assert truth_ratio(3.9661529, [3.6239742]) == pytest.approx(1.4080170, rel=1e-5)


def test_truth_ratios_of_the_sets():
    ratios = [truth_ratio(0.5, [1, 2, 3, 1.5, 2.5]), truth_ratio(1, [0.5, 0.7, 0.9, 1.1, 0.8])]
    figures = [aggregate_truth_ratios(ratios, how) for how in TruthRatioAggregate]
    assert figures == pytest.approx([0.5209305, 0.3884349, 0.6338702], abs=1e-7)


def test_share_of_the_right_answer_vanishes_where_every_answer_is_improbable():
    assert truth_probability(0.5, [2.0]) == pytest.approx(1 / (1 + math.exp(-1.5)), abs=1e-9)
    assert truth_probability(60, [60, 60]) == pytest.approx(0, abs=1e-9)
    assert truth_ratio(60, [60, 60]) == pytest.approx(0, abs=1e-9)
    prob_mean = aggregate_truth_ratios([truth_ratio(60, [60])], TruthRatioAggregate.PROB_MEAN)
    assert prob_mean == pytest.approx(1)


@given(RATIOS)
def test_truth_ratio_aggregates_stay_between_0_and_1_and_ignore_order(ratios):
    for how in TruthRatioAggregate:
        figure = aggregate_truth_ratios(ratios, how)
        assert 0 <= figure <= 1
        assert aggregate_truth_ratios(ratios[::-1], how) == figure


@given(RATIOS)
def test_the_forget_aggregate_treats_a_ratio_and_its_inverse_alike(ratios):
    positive = [max(ratio, 1e-4) for ratio in ratios]
    how = TruthRatioAggregate.CLOSER_TO_1_BETTER
    inverted = aggregate_truth_ratios([1 / ratio for ratio in positive], how)
    assert inverted == pytest.approx(aggregate_truth_ratios(positive, how), abs=1e-9)


@given(RATIOS)
def test_worse_ratios_never_raise_the_aggregate_of_the_retain_set(ratios):
    how = TruthRatioAggregate.TRUE_BETTER
    raised = [ratio + 0.1 for ratio in ratios]
    assert aggregate_truth_ratios(raised, how) <= aggregate_truth_ratios(ratios, how)


def test_rouge_l_with_and_without_stemming(capfd):
    stemmed = rouge_l("he was born in lagos", "he is born in Lagos city")
    assert (stemmed.recall, stemmed.f1) == pytest.approx((4 / 6, 8 / 11))
    assert rouge_l("running", "runs").recall == 1
    assert rouge_l("running", "runs", stemmer=False).recall == 0
    assert rouge_l("", "some words").f1 == 0
    assert capfd.readouterr() == ("", "")


def test_extraction_strength_and_exact_memorization_of_one_answer():
    labels = list(range(1, 11))
    predicted = [1, 0, 3, 4, 0, 6, 7, 8, 9, 10]
    assert extraction_strength(predicted, labels) == pytest.approx(0.5)
    assert exact_memorization(predicted, labels) == pytest.approx(0.8)


def test_extraction_strength_keeps_the_quirks_of_its_source():
    assert extraction_strength([0] * 10, list(range(1, 11))) == pytest.approx(0.1)
    assert extraction_strength([0], [1]) == 1
    assert extraction_strength([], []) == 0
    assert extraction_strength([1, 2], [1, 2]) == 1


def test_exact_memorization_of_an_empty_answer_is_unknown():
    assert exact_memorization([], []) is None


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=12))
def test_extraction_strength_agrees_with_the_loop_of_its_source(pairs):
    predicted, labels = [one for one, _ in pairs], [one for _, one in pairs]
    k = 0
    for k in range(len(labels)):
        if predicted[k:] == labels[k:]:
            break
    assert extraction_strength(predicted, labels) == pytest.approx(1 - k / len(labels))


def test_model_utility_is_the_harmonic_mean_of_nine():
    assert model_utility(UTILITY) == pytest.approx(0.5898014, abs=1e-7)
    assert model_utility(UTILITY | {"ra_Q_A_ROUGE": 0.0}) == 0
    with pytest.raises(ValueError, match="nine parts, not 1"):
        model_utility({"retain_Q_A_Prob": 1.0})


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.1])
def test_a_diverged_model_has_no_utility(value):
    with pytest.raises(ValueError, match=r"wf_Truth_Ratio, a part of model utility is"):
        model_utility(UTILITY | {"wf_Truth_Ratio": value})


@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=12))
def test_harmonic_mean_agrees_with_scipy(values):
    assert harmonic_mean(values) == pytest.approx(float(hmean(values)), rel=1e-12)


def test_harmonic_mean_of_a_vanishing_value_is_0():
    assert harmonic_mean([5e-324, 1]) == 0


@pytest.mark.parametrize(
    ("ours", "theirs", "distance", "p_value"),
    [
        ([0.1, 0.2, 0.3, 0.4, 0.5], [0.35, 0.45, 0.55, 0.65, 0.75], 0.6, 0.3571429),
        ([1, 2, 3, 4], [5, 6, 7, 8], 1.0, 0.0285714),
    ],
)
def test_forget_quality_of_small_samples(ours, theirs, distance, p_value):
    found = forget_quality(ours, theirs)
    assert found.ks_distance == pytest.approx(distance)
    assert found.p_value == pytest.approx(p_value, abs=5e-8)
    assert found.log10_p == pytest.approx(math.log10(p_value), abs=1e-6)


@pytest.mark.parametrize(
    ("n", "p_value"), [(40, 1.8603e-23), (200, 1.9426e-119), (400, 1.0636e-239)]
)
def test_disjoint_ratios_reach_the_floor_of_their_sizes(n, p_value):
    found = forget_quality(range(n), range(1000, 1000 + n))
    assert found.p_value == pytest.approx(p_value, rel=1e-4)
    assert found.log10_p == pytest.approx(found.floor_log10, abs=1e-9)


@pytest.mark.parametrize("sizes", [(600, 600), (700, 650)])
def test_forget_quality_has_a_logarithm_where_p_is_too_small_for_a_float(sizes):
    n, m = sizes
    found = forget_quality(range(n), range(1000, 1000 + m))
    assert found.p_value == 0
    exact = math.log10(2) - math.log10(math.comb(n + m, n))
    assert found.log10_p == pytest.approx(exact, abs=1e-8)
    nearly = forget_quality([*range(n - 5), *range(1001, 1006)], range(1000, 1000 + m))
    assert found.log10_p < nearly.log10_p < -300


def test_the_logarithm_agrees_with_scipy_where_both_can_be_had(monkeypatch):
    ours, theirs = [i % 97 for i in range(300)], [i % 97 + 60.5 for i in range(250)]
    monkeypatch.setattr("harness_tasks.unlearning.formulas._SMALLEST_LOG10", 0.0)
    expected = math.log10(ks_2samp(ours, theirs).pvalue)
    assert forget_quality(ours, theirs).log10_p == pytest.approx(expected, abs=1e-9)


def test_a_retrained_model_beside_itself_has_forget_quality_1():
    found = forget_quality([0.5, 0.7, 1.2], [1.2, 0.7, 0.5])
    assert (found.p_value, found.log10_p, found.ks_distance) == (1, 0, 0)


def test_nearly_equal_ratios_have_forget_quality_1():
    assert forget_quality([0, 0, 0, 0, 0], [0, 0, 0, 0, 1]).p_value == pytest.approx(1, abs=1e-3)


def test_memorization_score():
    assert memorization_score(0.5, 0.5, 0.5, 0.5) == pytest.approx(0.5)
    assert memorization_score(1.0, 0.2, 0.2, 0.2) == 0
    assert memorization_score(1.0000000001, 0.2, 0.2, 0.2) == 0
    with pytest.raises(ValueError, match=r"exact memorization is 1.2"):
        memorization_score(0.1, 1.2, 0.1, 0.1)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize(
    "formula",
    [
        probability,
        lambda value: normalised_probability(value, [0.1]),
        lambda value: truth_ratio(value, [1.0]),
        lambda value: truth_ratio(1.0, [1.0, value]),
        lambda value: truth_probability(1.0, [value]),
        lambda value: aggregate_truth_ratios([value], TruthRatioAggregate.TRUE_BETTER),
        lambda value: mean([1.0, value]),
        lambda value: harmonic_mean([1.0, value]),
        lambda value: forget_quality([value], [1.0]),
        lambda value: memorization_score(value, 0, 0, 0),
    ],
)
def test_what_is_not_finite_is_refused(formula, value):
    with pytest.raises(ValueError, match="no finite number"):
        formula(value)


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        (lambda: truth_ratio(1.0, []), "at least one wrong answer"),
        (lambda: truth_probability(1.0, []), "at least one wrong answer"),
        (lambda: truth_ratio(900.0, [1.0], TruthRatioMean.ARITHMETIC), "exceeds a float"),
        (lambda: mean([]), "at least one value"),
        (lambda: harmonic_mean([]), "at least one value"),
        (lambda: forget_quality([], [1.0]), "of the model and of the reference"),
        (lambda: extraction_strength([1], []), "1 predicted tokens do not fit 0 labels"),
        (lambda: exact_memorization([1], [1, 2]), "1 predicted tokens do not fit 2 labels"),
        (lambda: normalised_probability(1.5, [0.1]), r"not in \[0, 1\]"),
        (lambda: forget_quality([-1.0], [1.0]), "negative"),
    ],
)
def test_what_has_no_value_is_refused_in_words(formula, words):
    with pytest.raises(ValueError, match=words):
        formula()
