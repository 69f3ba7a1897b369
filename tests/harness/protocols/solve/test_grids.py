"""What is a grid, and what is said of a value that is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from harness.protocols.solve import ARC, BadGrid, Domain, array, grid_of, read_grid

GRIDS = arrays.arrays(
    np.uint8, st.tuples(st.integers(1, 30), st.integers(1, 30)), elements=st.integers(0, 9)
)


def test_lists_tuples_and_arrays_are_one_grid():
    wanted = ((1, 2), (3, 4))
    assert read_grid([[1, 2], [3, 4]]) == wanted
    assert read_grid([(1, 2), [3, 4]]) == wanted
    assert read_grid(np.array([[1, 2], [3, 4]])) == wanted
    assert {read_grid([[1, 2], [3, 4]]), wanted} == {wanted}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "it has no rows"),
        ([[]], "row 1 is empty"),
        ([[1], []], "row 2 is empty"),
        ([[1, 2], [3]], "row 2 has 1 cells, row 1 has 2"),
        ([[1.0]], "row 1, column 1 is 1.0, no integer"),
        ([[1, True]], "row 1, column 2 is True, no integer"),
        ([[1, None]], "row 1, column 2 is None, no integer"),
        ([["1"]], "row 1, column 1 is '1', no integer"),
        ([[10]], "row 1, column 1 is 10, not in 0..9"),
        ([[-1]], "row 1, column 1 is -1, not in 0..9"),
        ([[[1]]], "row 1, column 1 is [1], no integer"),
        ([[0]] * 31, "it has 31 rows, and 30 are the most"),
        ([[0] * 31], "it has 31 columns, and 30 are the most"),
        ("12", "a str is no list of rows"),
        (None, "a NoneType is no list of rows"),
        ([1, 2], "row 1 is a int, no list of cells"),
        (["12"], "row 1 is a str, no list of cells"),
        (np.array([1, 2]), "row 1 is a int, no list of cells"),
        (np.array([[0.5]]), "row 1, column 1 is 0.5, no integer"),
    ],
)
def test_what_is_no_grid_is_told_why(value, said):
    with pytest.raises(BadGrid) as refused:
        read_grid(value)
    assert str(refused.value) == said


def test_the_largest_grid_is_one():
    assert len(read_grid([[9] * 30] * 30)) == 30


def test_a_domain_says_what_fits():
    narrow = Domain(rows=2, columns=3, symbols=("wall", "floor"))
    assert read_grid([[0, 1, 1], [1, 0, 0]], narrow) == ((0, 1, 1), (1, 0, 0))
    for value in ([[2]], [[0]] * 3, [[0] * 4]):
        assert read_grid(value, ARC)
        with pytest.raises(BadGrid):
            read_grid(value, narrow)


def test_a_long_cell_is_shown_in_part():
    with pytest.raises(BadGrid, match=r"is 1000.*\.\.\., not in 0\.\.9") as refused:
        read_grid([[10**100]])
    assert len(str(refused.value)) < 90


@given(GRIDS)
def test_a_grid_survives_the_way_to_an_array_and_back(cells):
    grid = read_grid(cells)
    assert grid == grid_of(cells)
    assert array(grid).dtype == np.uint8
    assert np.array_equal(array(grid), cells)
    assert read_grid(grid) == grid
