"""The printed size of a regression that would have been found."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.power import TTestPower

from harness.statistics import (
    DifferenceSpread,
    attainable_level,
    detectable_effect,
    difference_spread,
    mean_with_interval,
)


def test_levels_are_those_that_clusters_can_reach():
    assert attainable_level(0.05, 1, 5) is None
    assert attainable_level(0.05, 1, 6) == 1 / 32
    assert attainable_level(0.05, 1, 8) == 6 / 128
    assert attainable_level(0.05, 7, 8) is None
    assert attainable_level(0.05, 7, 9) == 1 / 256
    assert attainable_level(0.05, 2, 1000) == 0.025
    assert attainable_level(0.05, 2, None) == 0.025


def test_with_many_clusters_it_is_that_of_the_t_test():
    spread = DifferenceSpread(standard_error=0.01, degrees=399, loss_variance=0.0)
    known = TTestPower().solve_power(nobs=400, alpha=0.05, power=0.8) * 0.01 * 20
    assert detectable_effect(spread, 0.05) == pytest.approx(known, rel=0.03)


def test_it_grows_with_fewer_clusters_less_error_and_more_power():
    def size(error=0.01, degrees=20.0, level=0.05, power=0.8):
        return detectable_effect(DifferenceSpread(error, degrees, 0.0), level, power=power)

    assert size(degrees=6) > size() > size(degrees=200)
    assert size(level=0.01) > size()
    assert size(power=0.9) > size()
    assert size(error=0.02) == pytest.approx(2 * size(), rel=1e-6)


def test_the_observed_loss_has_to_exceed_min_effect_too():
    spread = DifferenceSpread(0.001, 50, 0.0)
    found = detectable_effect(spread, 0.05, min_effect=0.1)
    assert 0.1 < found < 0.102
    assert detectable_effect(spread, 0.05) < 0.1


def test_items_that_lose_all_or_nothing_need_more():
    same = difference_spread([1.0] * 400, [1.0] * 400, range(400))
    assert same.standard_error == 0
    size = detectable_effect(same, 0.05, all_or_nothing=1.0)
    assert 6 / 400 < size < 12 / 400  # six losses without a gain are significant
    assert detectable_effect(same, 0.05, all_or_nothing=1.0, can_lose=0.01) is None


def test_the_spread_is_the_cluster_robust_error():
    random = np.random.default_rng(1)
    change, labels = random.normal(size=60), np.repeat(np.arange(12), 5)
    found = difference_spread(np.zeros(60), change, labels)
    known = mean_with_interval(change, labels)
    assert found.standard_error * 2.2009851600829 == pytest.approx(known.high - known.mean)
    assert difference_spread([1, 2], [2, 1], "aa") is None


def test_the_promises_hold_in_small_simulations():
    from benchmarks.statistics import simulations

    for simulate, repeats in ((simulations.planted, 60), (simulations.single_cluster, 20)):
        for row in simulate(repeats):
            slack = 3 * (0.8 * 0.2 / repeats) ** 0.5 if row.low == 0.8 else 0.0
            assert row.shown_only or row.low - slack <= row.measured <= row.high, row.what
