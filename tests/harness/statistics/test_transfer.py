"""Transfer between items: the reference case, and what is not measured is not invented."""

from __future__ import annotations

import math
from statistics import mean

from harness.statistics.transfer import Scores

# Reference case 2: rows are tasks, columns the states 0 to 3.
MATRIX = ([0, 1, 1, 0], [0, 1, 1, 1], [1, 0, 0, 1])
CELLS = {
    (item, state): float(x) for item, row in enumerate(MATRIX, 1) for state, x in enumerate(row)
}
CASE = Scores(3, CELLS)


def test_the_reference_case():
    assert math.isclose(CASE.online(), 1 / 3)
    assert CASE.forward() == {2: 1.0, 3: -1.0}  # their mean is 0
    assert CASE.backward() == {1: -1.0, 2: 0.0}
    assert mean(CASE.backward().values()) == -0.5
    assert CASE.forgetting() == {1: 1.0, 2: 0.0}
    assert mean(CASE.forgetting().values()) == 0.5
    assert CASE.summed_gain(1) == 2
    assert CASE.summed_gain(2) == 1


def test_negative_transfer_is_told_by_item():
    assert [item for item, gain in CASE.forward().items() if gain < 0] == [3]


def test_the_first_state_behind_an_item_stands_for_the_one_right_after_it():
    sparse = {key: x for key, x in CELLS.items() if key[1] in (0, 2, 3) or key[1] == key[0] - 1}
    found = Scores(3, sparse)
    assert found.backward() == {1: -1.0, 2: 0.0}
    assert found.forward() == CASE.forward()


def test_what_was_not_measured_is_left_out():
    assert Scores(3, {(1, 0): 1.0}).forward() == {}
    assert Scores(3, {(1, 0): 1.0, (1, 3): 0.0}).backward() == {}
    assert math.isnan(Scores(2, {}).online())
