"""Intervals over authors: what they cover, and when there is none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr
from scipy.stats import t

from harness_tasks.unlearning.uncertainty import (
    Interval,
    auc_difference_interval,
    clustered_interval,
    ks_distance_interval,
    two_sample_interval,
)

QUESTIONS = 20


def average(values):
    return sum(values) / len(values)


@given(st.lists(st.floats(-100, 100), min_size=3, max_size=20, unique=True))
def test_of_a_mean_it_is_students_interval(values):
    found = clustered_interval(average, values)
    reach = t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values))
    if found.low is not None:  # a spread of nearly nothing gives no interval
        assert (found.high - found.low) / 2 == pytest.approx(reach, rel=1e-6, abs=1e-9)
        assert found.estimate == average(values)


def test_two_sets_add_their_variances():
    one, two = [1.0, 2.0, 4.0], [3.0, 3.5, 5.0, 8.0]
    found = two_sample_interval(lambda a, b: average(b) - average(a), one, two)
    parts = [np.var(x, ddof=1) / len(x) for x in (one, two)]
    degrees = sum(parts) ** 2 / (parts[0] ** 2 / 2 + parts[1] ** 2 / 3)
    assert found.high - found.estimate == pytest.approx(
        t.ppf(0.975, degrees) * math.sqrt(sum(parts))
    )
    assert found.clusters == 3


@pytest.mark.parametrize("clusters", [[1.0], [1.0, 2.0]])
def test_fewer_than_three_clusters_give_no_interval(clusters):
    assert clustered_interval(average, clusters) == Interval(
        average(clusters), None, None, len(clusters), 0.95
    )


def test_a_statistic_at_its_bound_gives_no_interval():
    found = ks_distance_interval([1.0] * 9, [2.0] * 9, [0, 0, 0, 1, 1, 1, 2, 2, 2])
    assert (found.estimate, found.low, found.high) == (1.0, None, None)


def test_a_lower_level_gives_a_narrower_interval():
    wide, narrow = (clustered_interval(average, [1.0, 2.0, 4.0], level) for level in (0.95, 0.5))
    assert wide.low < narrow.low < narrow.high < wide.high


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=30))
def test_ks_distance_agrees_with_its_definition(rows):
    ours, theirs = zip(*rows, strict=True)
    found = ks_distance_interval(ours, theirs, range(len(rows)))
    apart = [
        abs(average([x <= point for x in ours]) - average([x <= point for x in theirs]))
        for point in (*ours, *theirs)
    ]
    assert found.estimate == pytest.approx(max(apart))


def simulated(rng, authors, shift):
    """Scores of two models for the same questions, a fifth of the variance between authors."""
    correlated = np.array([[1.0, 0.6], [0.6, 1.0]])
    between = rng.multivariate_normal([0, 0], correlated, authors) * math.sqrt(0.2)
    within = rng.multivariate_normal([0, 0], correlated, authors * QUESTIONS) * math.sqrt(0.8)
    return (np.repeat(between, QUESTIONS, axis=0) + within + np.asarray(shift)).T


@pytest.mark.parametrize("authors", [10, 20])
def test_auc_differences_are_covered_about_as_often_as_promised(authors):
    rng = np.random.default_rng(7)
    truth = ndtr(1.5 / math.sqrt(2)) - 0.5
    labels = np.repeat(np.arange(authors), QUESTIONS).tolist()
    covered, repeats = 0, 150
    for _ in range(repeats):
        forget, holdout = simulated(rng, authors, [0, 0]), simulated(rng, authors, [1.5, 0])
        found = auc_difference_interval(tuple(forget), tuple(holdout), labels, labels)
        covered += found.low <= truth <= found.high
    assert 0.88 <= covered / repeats <= 0.99


def test_ks_distances_are_covered_less_often_and_biased_upwards_near_0():
    rng = np.random.default_rng(11)
    labels = np.repeat(np.arange(20), QUESTIONS).tolist()
    found = {}
    for shift in (0.0, 1.0):
        pairs = [simulated(rng, 20, [shift, 0]) for _ in range(150)]
        found[shift] = [ks_distance_interval(*pair, labels) for pair in pairs]
    truth = 2 * ndtr(0.5) - 1
    covered = average([one.low <= truth <= one.high for one in found[1.0]])
    assert 0.84 <= covered <= 0.99
    assert average([one.estimate for one in found[0.0]]) > 0.04
    assert average([one.low <= 0.0 for one in found[0.0]]) < 0.85


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: clustered_interval(average, []), "there are none"),
        (lambda: clustered_interval(average, [1.0], level=1.0), r"level of an interval"),
        (lambda: ks_distance_interval([1.0], [1.0, 2.0], [0]), "three lists of one length"),
        (
            lambda: auc_difference_interval(([1.0], [1.0]), ([1.0], []), [0], [0]),
            "the holdout set needs three lists",
        ),
        (
            lambda: auc_difference_interval(([], []), ([1.0], [1.0]), [], [0]),
            "scores of the forget set; there are none",
        ),
    ],
)
def test_what_has_no_interval_is_refused_in_words(call, words):
    with pytest.raises(ValueError, match=words):
        call()
