"""Ranking by votes and confidence, and what the ranking had been of fewer voters."""

from __future__ import annotations

import pytest

from harness.protocols.solve.method import Ballot, Candidate
from harness.protocols.solve.voting import among, rank, rank_of

A, B, C, D = ((0,),), ((1,),), ((2,),), ((3,),)


def grids(candidates):
    return [one.grid for one in candidates]


def test_more_votes_go_before_higher_confidence():
    ranked = rank([(0, A, 0.99), (1, B, 0.1), (2, B, 0.2)])
    assert grids(ranked) == [B, A]
    assert ranked[0] == Candidate(B, (Ballot(1, 0.1), Ballot(2, 0.2)))
    assert ranked[0].confidence == pytest.approx(0.15)


def test_mean_confidence_decides_between_equal_votes():
    # Means: A (0.9 + 0.1) / 2 = 0.5, B (0.6 + 0.6) / 2 = 0.6; the highest single one is A's.
    ranked = rank([(0, A, 0.9), (1, B, 0.6), (2, A, 0.1), (3, B, 0.6)])
    assert grids(ranked) == [B, A]


def test_ties_stay_in_order_of_appearance():
    assert grids(rank([(0, C, 0.5), (1, A, 0.5), (2, B, 0.5)])) == [C, A, B]
    assert grids(rank([(0, B, 0.5), (1, C, 0.5), (2, A, 0.5)])) == [B, C, A]


def test_grids_of_another_shape_are_other_candidates():
    wide, tall = ((1, 1),), ((1,), (1,))
    assert len(rank([(0, wide, 0.5), (1, tall, 0.5), (2, wide, 0.5)])) == 2


def test_nobody_votes():
    assert rank([]) == []
    assert among([], 3) == []
    assert rank_of([], A) is None


def test_ranking_among_fewer_voters_is_the_ranking_of_their_predictions():
    predictions = [
        *((0, A, 0.9), (1, B, 0.2), (2, C, 0.8), (3, B, 0.4)),
        *((4, C, 0.1), (5, C, 0.3), (6, D, 1.0)),
    ]
    whole = rank(predictions)
    assert grids(whole) == [C, B, D, A]
    for voters in range(8):
        assert among(whole, voters) == rank(predictions[:voters])
    assert grids(among(whole, 1)) == [A]
    assert grids(among(whole, 3)) == [A, C, B]
    assert grids(among(whole, 5)) == [C, B, A]  # C and B have two: means 0.45 and 0.3
    assert among(whole, 7) == whole


def test_voters_that_predicted_nothing_are_left_out():
    whole = rank([(0, A, 0.5), (4, B, 0.5), (5, B, 0.5)])
    assert grids(among(whole, 4)) == [A]
    assert grids(among(whole, 6)) == [B, A]


def test_rank_counts_distinct_grids_from_one():
    candidates = [Candidate(A), Candidate(B), Candidate(A), Candidate(C)]
    assert [rank_of(candidates, one) for one in (A, B, C, D)] == [1, 2, 3, None]
