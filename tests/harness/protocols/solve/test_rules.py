"""The three scoring rules, computed by hand."""

from __future__ import annotations

import pytest

from harness.protocols.solve import Pair, Problem, Puzzle, sample_id
from harness.protocols.solve.rules import summarise, three_rules
from harness.results.schema import SampleRecord, Status

CELL = ((1,),)
# Half of a puzzle, a whole one, a whole one of three test inputs, and one that is missing.
SOLVED = {
    "half": [True, False],
    "whole": [True],
    "three": [True, True, True],
    "missing": [False],
}


def problem(name, tests):
    return Problem(Puzzle(name, (Pair(CELL, CELL),), (CELL,) * tests), (CELL,) * tests)


PROBLEMS = [problem(name, len(one)) for name, one in SOLVED.items()]


def row(puzzle, number, score, *, status=Status.OK, **metrics):
    return SampleRecord(
        sample_id=sample_id(puzzle, number),
        sample_hash="",
        source_id=puzzle,
        stream_id="",
        step=0,
        group="",
        status=status,
        score=score,
        metrics=metrics,
    )


def rows(*, without=()):
    """Every expected test input; what is solved was solved by the second grid."""
    return [
        row(name, number, float(solved), first=0.0, **({"rank": 2.0} if solved else {}))
        for name, one in SOLVED.items()
        for number, solved in enumerate(one)
        if name not in without
    ]


def test_three_rules_count_differently():
    rules = three_rules(SOLVED)
    assert (rules.task_mean.solved, rules.task_mean.expected) == (2.5, 4)
    assert (rules.strict.solved, rules.strict.expected) == (2, 4)
    assert (rules.pooled.solved, rules.pooled.expected) == (5, 7)
    assert rules.task_mean.percent == 62.5
    assert rules.strict.share == 0.5
    assert rules.pooled.percent == pytest.approx(500 / 7)


def test_puzzles_without_partial_credit_have_one_score_under_two_rules():
    rules = three_rules({"a": [True], "b": [False], "c": [True], "d": [False]})
    assert rules.task_mean == rules.strict
    # Wilson's interval of 2 in 4.
    assert rules.strict.low == pytest.approx(0.1500, abs=5e-5)
    assert rules.strict.high == pytest.approx(0.8500, abs=5e-5)


def test_partial_credit_has_the_t_interval_of_puzzles():
    rules = three_rules({f"{name}{n}": one for n in range(2) for name, one in SOLVED.items()})
    # Shares .5 1 1 0, twice: sum of squares 1.375, variance 1.375 / 7 / 8, t(7) = 2.364624.
    half = 2.364624 * (1.375 / 56) ** 0.5
    assert rules.task_mean.low == pytest.approx(0.625 - half, abs=1e-6)
    assert rules.task_mean.high == pytest.approx(0.625 + half, abs=1e-6)
    assert rules.pooled.low < 5 / 7 < rules.pooled.high


def test_an_interval_stays_within_shares():
    rules = three_rules(SOLVED)  # .625 -+ .76
    assert (rules.task_mean.low, rules.task_mean.high) == (0.0, 1.0)


def test_none_and_all_solved_keep_an_interval():
    none = three_rules({"a": [False, False], "b": [False]})
    every = three_rules({"a": [True, True], "b": [True]})
    assert (none.pooled.low, every.pooled.high) == (0.0, 1.0)
    assert none.pooled.high == pytest.approx(1 - every.pooled.low)
    assert 0 < none.pooled.high < 1


@pytest.mark.parametrize("solved", [{}, {"a": []}, {"a": [True], "b": []}])
def test_nothing_to_score_is_refused(solved):
    with pytest.raises(ValueError, match="a score needs puzzles"):
        three_rules(solved)


def test_a_run_is_summed_up_under_k_attempts_and_under_one():
    found = summarise(PROBLEMS, rows())
    assert found.missing == {}
    assert found.metrics["score"] == found.metrics["task_mean"] == 2.5 / 4
    assert found.metrics["strict"] == 0.5
    assert found.metrics["pooled"] == 5 / 7
    assert found.metrics["task_mean_first"] == found.metrics["pass@1"] == 0
    assert found.metrics["pass@2"] == found.metrics["pass@1000"] == 2.5 / 4


def test_pass_at_k_counts_grids_beyond_the_attempts():
    found = summarise(
        [problem("a", 1), problem("b", 1)], [row("a", 0, 0.0, rank=7.0), row("b", 0, 0.0)]
    )
    passed = {name: value for name, value in found.metrics.items() if name.startswith("pass@")}
    assert passed == dict.fromkeys(("pass@1", "pass@2", "pass@5"), 0) | dict.fromkeys(
        ("pass@10", "pass@100", "pass@1000"), 0.5
    )
    assert found.metrics["score"] == 0


def test_what_has_no_result_yet_leaves_the_metrics_out():
    found = summarise(PROBLEMS, rows(without=("three",)))
    assert found.metrics == {}
    assert found.missing["score"] == "3 of 7 test inputs have no result yet"


def test_what_the_machine_broke_is_no_result_and_what_the_method_broke_is():
    whole = rows(without=("missing",))
    broken = row("missing", 0, None, status=Status.ERROR)
    assert "1 of 7" in summarise(PROBLEMS, [*whole, broken]).missing["task_mean"]
    failed = row("missing", 0, 0.0, status=Status.FAILED)
    assert summarise(PROBLEMS, [*whole, failed]).metrics["strict"] == 0.5
