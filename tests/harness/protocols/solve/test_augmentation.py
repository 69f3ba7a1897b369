"""Variants of puzzles: exact inverses, distinct maps, what a domain forbids."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from harness.protocols.solve import ARC, Domain, Pair, Puzzle, array
from harness.protocols.solve.augmentation import Augmentation, cut, identity, place, variants

PLAIN = tuple(range(10))
L = np.array([[1, 0, 0], [1, 2, 2]], dtype=np.uint8)

cells = arrays.arrays(
    np.uint8,
    st.tuples(st.integers(1, 7), st.integers(1, 7)),
    elements=st.integers(0, 9),
)
augmentations = st.builds(
    Augmentation,
    st.integers(0, 7),
    st.permutations(range(1, 10)).map(lambda rest: (0, *rest)),
)


def same(one, other):
    return one.shape == other.shape and one.dtype == other.dtype and bool((one == other).all())


@given(cells, augmentations)
def test_inverse_gives_the_grid_back(grid, augmentation):
    assert same(augmentation.invert(augmentation.apply(grid)), grid)
    assert same(augmentation.apply(augmentation.invert(grid)), grid)


@given(cells)
def test_identity_changes_nothing(grid):
    assert same(identity(ARC).apply(grid), grid)
    assert same(identity(ARC).invert(grid), grid)


@given(cells, augmentations)
def test_background_stays_and_colours_keep_their_places(grid, augmentation):
    changed = augmentation.apply(grid)
    assert (changed == 0).sum() == (grid == 0).sum()
    recoloured = replace(augmentation, dihedral=0).apply(grid)
    assert all(
        recoloured[at] == augmentation.colours[colour] for at, colour in np.ndenumerate(grid)
    )


def test_eight_maps_by_hand():
    made = [Augmentation(number, PLAIN).apply(L).tolist() for number in range(8)]
    assert made == [
        [[1, 0, 0], [1, 2, 2]],
        [[0, 2], [0, 2], [1, 1]],
        [[2, 2, 1], [0, 0, 1]],
        [[1, 1], [2, 0], [2, 0]],
        [[0, 0, 1], [2, 2, 1]],
        [[1, 1], [0, 2], [0, 2]],
        [[1, 2, 2], [1, 0, 0]],
        [[2, 0], [2, 0], [1, 1]],
    ]
    assert len({str(one) for one in made}) == 8


def pair(one, other):
    return Pair(tuple(map(tuple, one)), tuple(map(tuple, other)))


def puzzle(domain=ARC):
    return Puzzle(
        "one",
        (pair([[1, 0, 0], [1, 2, 2]], [[1, 2]]), pair([[3, 3, 1]], [[0], [3]])),
        (((2, 1, 0),),),
        domain,
    )


def test_all_grids_of_a_puzzle_change_alike():
    swap = Augmentation(1, (0, 2, 1, *range(3, 10)))
    made = swap.puzzle(puzzle(replace(ARC, rows=5, columns=9)))
    assert made.train[0].input == ((0, 1), (0, 1), (2, 2))
    assert made.train[1].output == ((0, 3),)
    assert made.tests == (((0,), (2,), (1,)),)
    assert (made.domain.rows, made.domain.columns) == (9, 5)
    assert made.puzzle_id == "one"


def test_variants_are_distinct_and_begin_with_the_puzzle():
    one = puzzle()
    found = variants(one, 40, random.Random(0))
    assert len(found) == 40
    assert found[0] == identity(ARC)
    assert len({each.puzzle(one).content_hash for each in found}) == 40
    assert all(each.colours[0] == 0 for each in found)
    assert len({each.dihedral for each in found}) == 8
    assert found == variants(one, 40, random.Random(0))
    assert found != variants(one, 40, random.Random(1))


def test_exchanging_absent_colours_is_no_variant():
    black = Puzzle("black", (pair([[0, 0]], [[0]]),), (((0, 0), (0, 0)),))
    found = variants(black, 50, random.Random(0))
    # Black grids: only the turn of the 1 x 2 input makes another puzzle.
    assert len(found) == 2


@pytest.mark.parametrize(
    ("domain", "count"),
    [
        (replace(ARC, dihedral=False, recolour=False), 1),
        (replace(ARC, recolour=False), 8),
    ],
)
def test_domain_forbids_changes(domain, count):
    found = variants(puzzle(domain), 30, random.Random(0))
    assert len(found) == count
    assert {one.colours for one in found} == {PLAIN}
    assert {one.dihedral for one in found} == set(range(count))


def test_domain_without_turns_is_recoloured_only():
    found = variants(puzzle(replace(ARC, dihedral=False)), 30, random.Random(0))
    assert len(found) == 30
    assert {one.dihedral for one in found} == {0}


def test_other_numbers_of_symbols():
    domain = Domain(rows=1, columns=8, symbols=tuple("ab-"), dihedral=False)
    text = Puzzle("text", (pair([[1, 2, 0]], [[2]]),), (((1, 1),),), domain)
    found = variants(text, 9, random.Random(0))
    assert [one.colours for one in found] == [(0, 1, 2), (0, 2, 1)]


@given(cells, st.integers(0, 3), st.integers(0, 3), augmentations)
def test_translation_is_taken_back(grid, top, left, augmentation):
    grid = augmentation.apply(grid)
    canvas = np.full((10, 10), 77, dtype=np.uint8)
    place(grid, canvas, top, left)
    assert (canvas != 77).sum() == grid.size
    assert same(cut(canvas, top, left, *grid.shape), grid)


def test_cut_is_no_view():
    canvas = np.zeros((3, 3), dtype=np.uint8)
    cut(canvas, 0, 0, 2, 2)[:] = 5
    assert not canvas.any()
    assert same(array(((1, 2),)), np.array([[1, 2]], dtype=np.uint8))
