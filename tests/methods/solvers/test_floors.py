"""What every other solver has to beat."""

from __future__ import annotations

import pytest

from harness.protocols.solve import Desk, Pair, Puzzle, Query
from harness_methods.solvers.copy_input import CopyInput
from harness_methods.solvers.majority_colour import MajorityColour
from harness_methods.solvers.nearest import Nearest, likeness

A, B = ((1, 2), (0, 3)), ((4, 4), (4, 0))


def answer(solver, train, test, attempts=2):
    puzzle = Puzzle("p", tuple(Pair(*one) for one in train), (test,))
    found = solver(solver.Options()).solve(Query(puzzle, 0, attempts), Desk(""))
    return [one.grid for one in found]


def test_copy_input():
    assert answer(CopyInput, [(A, B)], A) == [A]


def test_majority_colour_counts_outputs():
    train = [(A, ((5, 5), (6, 0))), (B, ((5, 6), (6, 6)))]
    # 6 four times, 5 three times.
    assert answer(MajorityColour, train, A) == [((6, 6), (6, 6)), ((5, 5), (5, 5))]
    assert answer(MajorityColour, train, A, attempts=1) == [((6, 6), (6, 6))]


def test_majority_colour_has_the_size_of_the_outputs_where_they_agree():
    train = [(A, ((5,),)), (B, ((5,),))]
    assert answer(MajorityColour, train, A) == [((5,),)]
    train = [(A, ((5,),)), (B, ((5, 5),))]
    assert answer(MajorityColour, train, A) == [((5, 5), (5, 5))]


def test_nearest_ranks_demonstrations():
    train = [(B, ((1,),)), (A, ((2,),))]
    assert answer(Nearest, train, ((1, 2), (0, 0))) == [((2,),), ((1,),)]


@pytest.mark.parametrize(
    ("other", "share"), [(A, 1.0), (((1, 2), (0, 4)), 0.75), (((1,),), 0.25), (B, 0.0)]
)
def test_likeness_is_a_share_of_the_larger_area(other, share):
    assert likeness(A, other) == likeness(other, A) == pytest.approx(share)
