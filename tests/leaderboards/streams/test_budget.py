"""What the baseline could do with a method's tokens."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness_leaderboards.streams.budget import best_of, majority


def drawn(answers, draws):
    """The vote's mean score over every subset of the answers, by brute force."""
    every = [(kind, score, read) for kind, (n, score, read) in enumerate(answers) for _ in range(n)]
    outcomes = []
    for taken in itertools.combinations(every, draws):
        votes = {}
        for kind, score, read in taken:
            if read:
                votes.setdefault(kind, []).append(score)
        if not votes:
            outcomes.append(sum(score for _, score, _ in taken) / draws)
            continue
        most = max(map(len, votes.values()))
        winners = [scores[0] for scores in votes.values() if len(scores) == most]
        outcomes.append(sum(winners) / len(winners))
    return sum(outcomes) / len(outcomes)


def test_majority_by_hand():
    # answers: right twice, wrong once
    assert majority(((2, 1.0, True), (1, 0.0, True)), 1) == pytest.approx(2 / 3)
    # two of three: both right 1/3; one each 2/3, a tie
    assert majority(((2, 1.0, True), (1, 0.0, True)), 2) == pytest.approx(1 / 3 + 2 / 3 / 2)
    assert majority(((2, 1.0, True), (1, 0.0, True)), 3) == 1.0
    # three wrong answers that differ cannot outvote two equal ones
    assert majority(((2, 1.0, True), *((1, 0.0, True),) * 3), 5) == 1.0
    # what could not be read does not vote
    assert majority(((1, 1.0, True), (4, 0.0, False)), 5) == 1.0
    assert majority(((3, 0.0, False),), 2) == 0.0


kinds = st.tuples(st.integers(1, 3), st.sampled_from([0.0, 0.5, 1.0]), st.booleans())


@given(st.lists(kinds, min_size=1, max_size=4), st.data())
@settings(max_examples=60, deadline=None)
def test_majority_is_the_mean_over_all_draws(answers, data):
    draws = data.draw(st.integers(1, sum(n for n, *_ in answers)))
    assert majority(tuple(answers), draws) == pytest.approx(drawn(answers, draws))


def test_of_very_many_draws_a_fixed_sample_is_taken():
    answers = ((20, 1.0, True), *((1, 0.0, True) for _ in range(20)))
    assert majority(answers, 20) == majority(tuple(reversed(answers)), 20)
    assert majority(answers, 20) > 0.99


@given(st.integers(1, 12), st.data())
def test_best_of_is_pass_at_n(total, data):
    right = data.draw(st.integers(0, total))
    draws = data.draw(st.integers(1, total))
    values = [1.0] * right + [0.0] * (total - right)
    random.Random(0).shuffle(values)
    expected = 1 - math.comb(total - right, draws) / math.comb(total, draws)
    assert best_of(values, draws) == pytest.approx(expected)


def test_best_of_scores_between_and_of_the_other_direction():
    assert best_of([0.0, 0.5, 1.0], 2) == pytest.approx((0.5 + 1.0 + 1.0) / 3)
    assert best_of([0.0, 0.5, 1.0], 2, higher_is_better=False) == pytest.approx(0.5 / 3)


def budget(built, method="exprag"):
    (section,) = built().sections
    return next(one for one in section.measures.budgets if one.method == method)


def publish(results, made, method, scores, *, answers=None, tokens=100, **row):
    """One run: a score for each of two items in streams of their own."""
    records = [
        made.record(
            f"i{n}",
            score,
            f"s{n}",
            input_tokens=tokens,
            output_tokens=0,
            extra={"answer": answers[n]} if answers else {},
            metrics={"input_tokens_act": tokens * 0.75, "input_tokens_evolve": tokens * 0.25},
        )
        for n, score in enumerate(scores)
    ]
    results.run(method, {}, more=records, **row)


def seeds(results, made, **row):
    """Three answers of the baseline to each item: right, right, wrong; right, wrong, else wrong."""
    given = [([1, 1], "AB"), ([1, 0], "AC"), ([0, 0], "DE")]
    for seed, (scores, answers) in enumerate(given):
        publish(results, made, "baseline", scores, answers=answers, sample_seed=seed, **row)


def test_a_method_beside_the_vote_of_as_many_tokens(results, made, built, text):
    seeds(results, made)
    publish(results, made, "exprag", [1, 1], tokens=399)
    found = budget(built)
    assert (found.items, found.draws, found.seeds, found.tokens) == (2, 3, 3, 399)
    assert found.memory_share == pytest.approx(0.25)
    # item 0: A, A, D votes A; item 1: B, C, E tie, one of three is right
    assert found.vote.mean == pytest.approx((1 + 1 / 3) / 2)
    assert found.best.mean == 1.0
    assert found.difference.mean == pytest.approx((0 + 2 / 3) / 2)
    assert (found.difference.n, found.difference.clusters) == (2, 2)
    assert "the baseline's 100." in text()


def test_missing_seeds_are_counted(results, made, built, text):
    seeds(results, made)
    publish(results, made, "exprag", [1, 1], tokens=520)
    found = budget(built)
    assert (found.vote, found.best, found.difference) == (None, None, None)
    assert found.no_vote == found.no_best == "needs 5 seeds, has 3"
    assert "| 5 | 3 | needs 5 seeds, has 3 | needs 5 seeds, has 3 | - |" in text()


def test_a_second_meeting_is_no_further_seed(results, made, built):
    for method in ("baseline", "exprag"):
        again = [made.record("i", 1, step=step, repeat=step) for step in range(2)]
        results.run(method, {}, more=again, order="repeated:2")
    assert budget(built).seeds == 1


def test_a_cheaper_method_buys_no_answer(results, made, built):
    seeds(results, made)
    publish(results, made, "exprag", [1, 1], tokens=99)
    assert (budget(built).draws, budget(built).no_best) == (0, "costs less than one answer")


def test_episodes_and_runs_without_answers_have_no_vote_but_a_best(results, made, built):
    publish(results, made, "baseline", [1, 0])
    publish(results, made, "exprag", [1, 1])
    found = budget(built)
    assert (found.vote, found.no_vote, found.best.mean) == (None, "no answers recorded", 0.5)


def test_several_turns_have_no_vote(results, made, built):
    results.run("baseline", {"s": [0]}, metrics={"steps": 5.0})
    results.run("exprag", {"s": [1]}, metrics={"steps": 5.0})
    assert budget(built).no_vote == "several turns"


def test_without_a_baseline_there_is_no_table(results, text):
    results.run("exprag", {"s": [1]})
    assert "At equal tokens" not in text()
