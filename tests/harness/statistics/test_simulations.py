"""The simulations of benchmarks/statistics, small: every promise that they measure is held."""

from __future__ import annotations

import pytest

from benchmarks.statistics import simulations

REPEATS = {"false_alarms": 150, "power": 100, "coverage": 150, "orders": 300, "mcnemar": 30}


@pytest.mark.parametrize(
    "simulate",
    [one for one, _ in simulations.ALL if one.__name__ != "planted"],
    ids=lambda one: one.__name__,
)
def test_promises_are_held(simulate):
    repeats = REPEATS.get(simulate.__name__, 40)
    for row in simulate(repeats):
        slack = 3.5 * (0.05 * 0.95 / repeats) ** 0.5 if row.high > 1e-6 else 0.0
        assert row.shown_only or row.low - slack <= row.measured <= row.high + slack, row
