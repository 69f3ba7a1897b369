"""The search finds short programs, and nothing that the demonstrations refute."""

from __future__ import annotations

import numpy as np
import pytest

from harness.protocols.solve import Desk, Domain, Pair, Puzzle, Query, array, grid_of
from harness_methods.solvers.dsl.operations import apply, operations, with_colours
from harness_methods.solvers.dsl.solver import Dsl

A = ((1, 2, 0), (0, 3, 0))
B = ((0, 0, 5), (6, 0, 7))
C = ((2, 0, 2), (8, 1, 0))


def solve(rule, test=C, desk=None, **options):
    train = tuple(Pair(one, grid_of(rule(array(one)))) for one in (A, B))
    puzzle = Puzzle("p", train, (test,))
    solver = Dsl(Dsl.Options(**options))
    return [one.grid for one in solver.solve(Query(puzzle, 0, 2), desk or Desk(""))]


@pytest.mark.parametrize("name", ["rotate", "mirror", "transpose", "fall down", "double"])
def test_one_operation(name):
    rule = operations()[name]
    assert solve(rule)[0] == grid_of(rule(array(C)))


def test_two_operations_and_a_map_of_colours():
    def rule(cells):
        return ((cells.T[::-1] + 1) % 10).astype(np.uint8)

    # A colour that the demonstrations do not show, 8, stays.
    expected = tuple(
        tuple(cell if cell == 8 else (cell + 1) % 10 for cell in row)
        for row in grid_of(array(C).T[::-1])
    )
    assert solve(rule)[0] == expected


def test_what_no_program_explains_has_no_answer():
    rng = np.random.default_rng(0)
    desk = Desk("")
    assert solve(lambda cells: rng.integers(0, 9, cells.shape).astype(np.uint8), desk=desk) == []
    assert desk.counts["states"] > 100


def test_depth_and_states_are_limits():
    def rule(cells):
        return np.tile(cells[:, ::-1].T, (2, 2))

    assert solve(rule, depth=1) == []
    assert solve(rule)[0] == grid_of(rule(array(C)))
    assert solve(rule, states=3) == []


def test_programs_are_told():
    desk = Desk("")
    solve(np.fliplr, desk=desk)
    assert desk.notes["programs"][0] == ["mirror"]


def test_sequences_are_refused():
    puzzle = Puzzle("p", (), (), Domain(dihedral=False))
    assert "sequences" in Dsl(Dsl.Options()).misfit(puzzle)


HAND = {
    "crop": ([[0, 0, 0], [0, 1, 2]], [[1, 2]]),
    "largest object": ([[1, 1, 0, 0], [0, 0, 0, 3]], [[1, 1]]),
    "smallest object": ([[1, 1, 0, 0], [0, 0, 0, 3]], [[3]]),
    "fall down": ([[1, 2], [0, 3], [4, 0]], [[0, 0], [1, 2], [4, 3]]),
    "fall right": ([[1, 0, 2, 0]], [[0, 0, 1, 2]]),
    "fall left": ([[0, 1, 0, 2]], [[1, 2, 0, 0]]),
    "fall up": ([[0], [1], [0], [2]], [[1], [2], [0], [0]]),
    "halve": ([[1, 1], [1, 1]], [[1]]),
    "grid of itself": ([[1, 0], [0, 2]], [[1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 1, 0], [0, 0, 0, 2]]),
    "rows once": ([[1, 2], [1, 2], [3, 3]], [[1, 2], [3, 3]]),
    "columns once": ([[1, 1, 3]], [[1, 3]]),
    "only the rarest colour": ([[1, 1, 2]], [[0, 0, 2]]),
    "only the commonest colour": ([[1, 1, 2]], [[1, 1, 0]]),
    "background for colour": ([[0, 4]], [[4, 0]]),
    "complete by mirror": ([[0, 4]], [[4, 4]]),
    "halves and": ([[1, 0, 5, 2, 3]], [[1, 0]]),
    "halves or": ([[1, 0, 5, 2, 3]], [[1, 1]]),
    "halves xor": ([[1, 0, 5, 2, 3]], [[0, 1]]),
    "halves neither": ([[0, 0, 5, 2, 0]], [[0, 1]]),
    "stacked halves and": ([[1, 0], [2, 2]], [[1, 0]]),
    "left half": ([[1, 2, 3]], [[1]]),
    "right half": ([[1, 2, 3]], [[3]]),
    "without border": ([[1, 1, 1], [1, 2, 1], [1, 1, 1]], [[2]]),
}


@pytest.mark.parametrize("name", HAND)
def test_operations_by_hand(name):
    given, expected = HAND[name]
    found = apply(operations()[name], np.array(given, dtype=np.uint8))
    assert found is not None
    assert found.tolist() == expected


def test_operations_that_put_a_colour():
    found = dict(with_colours([4]))
    ring = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], dtype=np.uint8)
    assert apply(found["fill holes with 4"], ring).tolist() == [[1, 1, 1], [1, 4, 1], [1, 1, 1]]
    assert apply(found["paint with 4"], ring).tolist() == [[4, 4, 4], [4, 0, 4], [4, 4, 4]]
    assert apply(found["surround with 4"], np.array([[1]], np.uint8)).tolist() == [
        [4, 4, 4],
        [4, 1, 4],
        [4, 4, 4],
    ]


def test_a_grid_beyond_thirty_is_none():
    assert apply(operations()["triple"], np.ones((11, 3), np.uint8)) is None
    empty = np.zeros((2, 2), np.uint8)
    for name in ("crop", "largest object", "only the rarest colour"):
        assert apply(operations()[name], empty) is None
