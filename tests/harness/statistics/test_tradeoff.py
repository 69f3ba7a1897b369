"""First crossings of a level, and areas, by hand and by their properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.statistics.tradeoff import Point, StartsBelow, area_between, first_crossing

FALLING = [Point(0, 0.0, 0.9, 0.8), Point(10, 5.0, 0.5, 0.7), Point(20, 9.0, 0.1, 0.3)]


def test_crossings_by_hand():
    half = first_crossing(FALLING, 0.5)
    assert (half.kept, half.step, half.seconds) == (0.7, 10, 5.0)
    # a quarter of the way from .5 to .1
    found = first_crossing(FALLING, 0.4)
    assert (found.kept, found.step) == (pytest.approx(0.6), pytest.approx(12.5))
    assert found.seconds == pytest.approx(6.0)
    assert first_crossing(FALLING, 0.1).step == 20
    assert first_crossing(FALLING, 0.05) is None
    assert first_crossing([], 0.5) is None


def test_a_level_that_holds_before_the_edit_is_told_apart():
    assert first_crossing(FALLING, 0.95) == StartsBelow(0.95)
    assert first_crossing(FALLING, 0.9) == StartsBelow(0.9)
    assert first_crossing(FALLING[:1], 0.95) == StartsBelow(0.95)
    # It stays so where forgetting comes back before it goes.
    points = [Point(0, 0, 0.3, 0.8), Point(1, 1, 0.7, 0.8), Point(2, 2, 0.1, 0.5)]
    assert first_crossing(points, 0.5) == StartsBelow(0.5)


def test_the_first_crossing_counts_where_forgetting_comes_back():
    points = [*FALLING[:2], Point(15, 6.0, 0.8, 0.75), FALLING[2]]
    assert first_crossing(points, 0.6).step == pytest.approx(7.5)
    assert first_crossing(points, 0.3).kept == pytest.approx(0.75 + (0.5 / 0.7) * (0.3 - 0.75))


def test_area_by_hand():
    # From .9 to .5 kept falls linearly from .8 to .7, from .5 to .1 from .7 to .3.
    assert area_between(FALLING, 0.1, 0.9) == pytest.approx((0.75 + 0.5) / 2)
    assert area_between(FALLING, 0.3, 0.7) == pytest.approx((0.725 + 0.6) / 2)
    assert area_between(FALLING, 0.05, 0.9) is None
    assert area_between(FALLING, 0.1, 0.95) is None
    assert area_between([], 0.1, 0.9) is None
    with pytest.raises(ValueError, match="is not below"):
        area_between(FALLING, 0.5, 0.5)


def test_area_jumps_where_forgetting_came_back():
    points = [Point(0, 0, 0.9, 0.8), Point(1, 1, 0.5, 0.6), Point(2, 2, 0.7, 1.0)]
    points.append(Point(3, 3, 0.3, 0.2))
    # Above .5 the first piece: .8 to .6; below it the last piece, at .5 of kept .6 again by hand:
    # from (.7, 1.0) to (.3, .2), so .6 at .5 and .2 at .3.
    assert area_between(points, 0.3, 0.9) == pytest.approx((0.4 * 0.7 + 0.2 * 0.4) / 0.6)


unit = st.floats(0, 1, allow_nan=False)


@st.composite
def trajectories(draw):
    values = draw(st.lists(st.tuples(unit, unit), min_size=1, max_size=8))
    return [Point(n, 2.0 * n, forgetting, kept) for n, (forgetting, kept) in enumerate(values)]


@given(trajectories(), unit)
def test_crossing_lies_between_its_neighbours(points, level):
    found = first_crossing(points, level)
    below = [point for point in points if point.forgetting <= level]
    if not below:
        assert found is None
        return
    after = below[0]
    if after is points[0]:
        assert found == StartsBelow(level)
        return
    before = points[int(after.step) - 1]
    assert before.step <= found.step <= after.step
    low, high = sorted((before.kept, after.kept))
    assert low - 1e-9 <= found.kept <= high + 1e-9
    assert found.seconds == pytest.approx(2 * found.step)


@given(trajectories(), unit, unit)
def test_area_is_a_mean_of_what_is_kept(points, one, other):
    low, high = sorted((one, other))
    if high - low < 1e-6:
        return
    found = area_between(points, low, high)
    if points[0].forgetting < high or all(point.forgetting > low for point in points):
        assert found is None
        return
    kept = [point.kept for point in points]
    assert min(kept) - 1e-9 <= found <= max(kept) + 1e-9


@given(trajectories(), st.integers(2, 40))
def test_area_equals_the_mean_over_many_levels(points, count):
    low, high = 0.25, 0.75
    found = area_between(points, low, high)
    if found is None:
        return
    levels = [low + (high - low) * (n + 0.5) / 20000 for n in range(0, 20000, 20000 // count)]
    crossings = [first_crossing(points, level) for level in levels]
    assert None not in crossings
    fine = [low + (high - low) * (n + 0.5) / 2000 for n in range(2000)]
    mean = sum(first_crossing(points, level).kept for level in fine) / len(fine)
    assert found == pytest.approx(mean, abs=0.01)
