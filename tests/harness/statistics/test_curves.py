from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.statistics import cumulative, rolling, slope, spread

# Reference case 1 of the Evo-Memory notes.
SCORES = [0, 1, 1, 0, 1, 1]
series = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30)


def test_cumulative_curve_of_the_reference_case():
    curve = cumulative(SCORES)
    assert curve == pytest.approx([0, 0.5, 0.66667, 0.5, 0.6, 0.66667], abs=5e-6)
    assert sum(curve) / len(curve) == pytest.approx(0.48889, abs=5e-6)


def test_rolling_curve_has_only_full_windows():
    assert rolling(SCORES, 3) == pytest.approx([2 / 3] * 4)
    assert rolling(SCORES, 6) == pytest.approx([4 / 6])
    assert rolling(SCORES, 7) == []
    assert rolling(SCORES, 1) == SCORES


def test_slope_of_the_reference_case():
    assert slope(SCORES) == pytest.approx(0.1142857, abs=5e-8)


def test_slope_of_a_line_is_its_step():
    assert slope([5 - 0.25 * step for step in range(9)]) == pytest.approx(-0.25)


def test_spread_of_the_reference_orders():
    # Reference case 6: three orders at 1.0 and three at .6667.
    found = spread([1.0, 2 / 3, 1.0, 2 / 3, 1.0, 2 / 3])
    assert found.mean == pytest.approx(0.83333, abs=5e-6)
    assert found.sd == pytest.approx(0.18257, abs=5e-6)
    assert found.sd is not None
    assert found.sd * (5 / 6) ** 0.5 == pytest.approx(0.16667, abs=5e-6)  # population sd
    assert (found.minimum, found.maximum, found.n) == (pytest.approx(2 / 3), 1.0, 6)


def test_spread_of_one_value_has_no_standard_deviation():
    found = spread([0.4])
    assert (found.mean, found.sd, found.minimum, found.maximum, found.n) == (0.4, None, 0.4, 0.4, 1)


def test_results_are_plain_floats_of_any_iterable():
    for value in [
        *cumulative(np.array([1, 2])),
        *rolling(np.array([1, 2]), 1),
        slope(iter([1, 2])),
    ]:
        assert type(value) is float


def test_no_scores_give_an_empty_curve():
    assert cumulative([]) == []
    assert rolling([], 2) == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rolling([1, 2], 0), "at least one score"),
        (lambda: slope([1]), "at least two values"),
        (lambda: spread([]), "empty"),
    ],
)
def test_unusable_input_is_refused_with_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@settings(deadline=None)
@given(series)
def test_curves_agree_with_numpy(values):
    array = np.array(values)
    steps = np.arange(len(values))
    assert cumulative(values) == pytest.approx(array.cumsum() / (steps + 1), abs=1e-6)
    windows = np.lib.stride_tricks.sliding_window_view(array, 2)
    assert rolling(values, 2) == pytest.approx(windows.mean(axis=1), abs=1e-6)
    assert slope(values) == pytest.approx(np.polyfit(steps, array, 1)[0], abs=1e-6)
    assert spread(values).sd == pytest.approx(array.std(ddof=1), abs=1e-6)


@settings(deadline=None)
@given(series, st.floats(-10, 10), st.floats(-10, 10))
def test_slope_follows_scale_and_ignores_shift(values, scale, shift):
    moved = slope([scale * value + shift for value in values])
    assert moved == pytest.approx(scale * slope(values), abs=1e-8)
