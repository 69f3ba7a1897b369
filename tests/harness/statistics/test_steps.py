from __future__ import annotations

import numpy as np
import pytest

from harness.statistics.steps import find_steps


def test_a_step_is_found_where_it_is():
    random = np.random.default_rng(0)
    series = [*random.normal(0.5, 0.01, 12), *random.normal(0.45, 0.01, 9)]
    (step,) = find_steps(series)
    assert step.position == 12
    assert step.p < 0.01


def test_two_steps_are_found():
    random = np.random.default_rng(1)
    series = [
        *random.normal(0.5, 0.01, 10),
        *random.normal(0.4, 0.01, 10),
        *random.normal(0.5, 0.01, 10),
    ]
    assert [one.position for one in find_steps(series)] == [10, 20]


def test_one_odd_figure_is_no_step():
    assert find_steps([0.5, 0.51, 0.5, 0.49, 0.9, 0.5, 0.51, 0.49, 0.5, 0.5]) == ()


def test_few_or_equal_figures_show_none():
    assert find_steps([]) == ()
    assert find_steps([0.1] * 30) == ()
    assert find_steps([0, 0, 0, 1, 1, 1, 1]) == ()


def test_what_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="not all finite"):
        find_steps([0.1, float("nan")])


def test_a_level_series_is_cut_as_often_as_alpha_says():
    random = np.random.default_rng(2)
    runs = 200
    wrong = sum(bool(find_steps(random.normal(size=15))) for _ in range(runs))
    assert wrong / runs <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / runs)
