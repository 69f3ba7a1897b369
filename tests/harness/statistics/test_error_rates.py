"""What the tests and intervals promise, on simulated runs with a fixed seed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.statistics import (
    Verdict,
    compare_paired,
    mean_with_interval,
    orders_interval,
    verdict,
    wilson,
)


def allowed(rate, repeats):
    """Four standard errors of a simulated rate."""
    return 4 * math.sqrt(rate * (1 - rate) / repeats)


def correlated_runs(random, clusters, size):
    """0/1 scores of two equally good runs whose errors are shared within a cluster."""
    labels = np.repeat(np.arange(clusters), size)
    shared = random.normal(size=clusters)[labels]  # the items of a cluster are alike for both
    runs = [
        shared + random.normal(size=clusters)[labels] + random.normal(size=labels.size) > 0
        for _ in range(2)
    ]
    return runs[0], runs[1], labels


def test_false_alarms_with_twenty_correlated_clusters_are_five_percent():
    random = np.random.default_rng(1)
    repeats = 400
    clustered = ignored = 0
    for _ in range(repeats):
        baseline, candidate, labels = correlated_runs(random, 20, 20)
        clustered += compare_paired(baseline, candidate, labels, permutations=1000).p < 0.05
        items = range(labels.size)
        ignored += compare_paired(baseline, candidate, items, permutations=100).p < 0.05
    assert abs(clustered / repeats - 0.05) < allowed(0.05, repeats)
    assert ignored / repeats > 0.15  # what the clusters are for


def test_inverted_test_covers_the_true_difference():
    random = np.random.default_rng(2)
    repeats, covered = 400, 0
    labels = np.repeat(np.arange(10), 5)
    for _ in range(repeats):
        change = 0.3 + random.normal(size=10)[labels] + random.normal(size=50)
        found = compare_paired(np.zeros(50), change, labels)
        covered += found.low <= 0.3 <= found.high
    assert abs(covered / repeats - 0.95) < allowed(0.95, repeats)


@pytest.mark.parametrize(
    ("clusters", "size", "loss", "gain"),
    [
        (10, 6, 0.015, 0.0),  # where the zero-width interval alone passed 44 % of the runs,
        (8, 4, 0.018, 0.0),  # 59 %
        (10, 6, 0.03, 0.0),
        (300, 1, 0.011, 0.0),
        (20, 20, 0.061, 0.05),
    ],
)
def test_a_loss_just_beyond_min_effect_passes_in_at_most_five_percent(clusters, size, loss, gain):
    random = np.random.default_rng(6)
    repeats, passed = 250, 0
    labels = np.repeat(np.arange(clusters), size)
    for _ in range(repeats):
        drawn = random.random(labels.size)
        found = compare_paired(
            drawn < loss,
            (drawn >= loss) & (drawn < loss + gain),
            labels,
            permutations=500,
        )
        passed += verdict(found, found.p, min_effect=0.01) is Verdict.NOT_WORSE
    assert passed / repeats < 0.05 + allowed(0.05, repeats) / 2


def test_clustered_t_interval_covers_the_true_mean():
    random = np.random.default_rng(3)
    repeats = 1500
    for clusters in (5, 20):
        labels = np.repeat(np.arange(clusters), 8)
        covered = 0
        for _ in range(repeats):
            scores = 0.5 + random.normal(size=clusters)[labels] + random.normal(size=labels.size)
            found = mean_with_interval(scores, labels)
            covered += found.low <= 0.5 <= found.high
        assert abs(covered / repeats - 0.95) < allowed(0.95, repeats)


def test_wilson_interval_covers_a_share_of_few_items():
    random = np.random.default_rng(4)
    repeats = 1500
    found = [wilson(int(k), 30) for k in random.binomial(30, 0.3, repeats)]
    covered = sum(one.low <= 0.3 <= one.high for one in found)
    assert abs(covered / repeats - 0.95) < allowed(0.95, repeats) + 0.01  # discrete counts


def test_orders_are_no_new_items():
    # 40 items in 5 orders, order sd .08 and .15: the reference measured 4-5 % false alarms, where
    # averaging over the orders gives 11-25 %.
    random = np.random.default_rng(5)
    repeats = 600
    for order_sd in (0.08, 0.15):
        alarms = averaged = 0
        for _ in range(repeats):
            table = (
                0.4 * random.normal(size=(40, 1))
                + order_sd * random.normal(size=5)
                + 0.4 * random.normal(size=(40, 5))
            )
            found = orders_interval(table)
            alarms += not found.low <= 0 <= found.high
            mean = mean_with_interval(table.mean(axis=1), range(40))
            averaged += not mean.low <= 0 <= mean.high
        assert abs(alarms / repeats - 0.05) < allowed(0.05, repeats)
        assert averaged / repeats > 0.08
