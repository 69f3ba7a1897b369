"""Outputs of test inputs reach no solver: neither in a query nor in a fit."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import pytest

from harness.solving.plan import SolveRun
from harness_tasks.arc_agi.task import ArcAgi, ArcSettings


def reachable(value: Any, seen: set[int]) -> Any:
    """Every grid under a value."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if is_dataclass(value):
        for one in fields(value):
            yield from reachable(getattr(value, one.name), seen)
        yield from reachable(vars(value), seen)
    elif isinstance(value, dict):
        for one in value.values():
            yield from reachable(one, seen)
    elif isinstance(value, tuple | list):
        if value and isinstance(value[0], tuple) and value[0] and isinstance(value[0][0], int):
            yield value
        else:
            for one in value:
                yield from reachable(one, seen)


@pytest.mark.parametrize("subset", ["1-training", "2-evaluation"])
def test_no_answer_is_in_what_a_solver_gets(subset):
    task = ArcAgi(ArcSettings(subset=subset, fit_on=("1-evaluation", "2-training")))
    asked = task.problems(0)
    run = SolveRun(
        *(None, task, None),  # neither is looked at
        problems=tuple(asked),
        labelled=tuple(task.labelled(0)),
        hashed="",
    )
    shown = {
        grid for one in asked for pair in one.puzzle.train for grid in (pair.input, pair.output)
    } | {grid for one in asked for grid in one.puzzle.tests}
    answers = {grid for one in asked for grid in one.answers} - shown
    assert len(answers) > 0.9 * len(asked)
    queries = [one.query(2) for one in run.asked]
    assert not answers & set(reachable(queries, set()))
    assert not answers & set(reachable(run.fit_data.puzzles, set()))
    pairs = {pair for one in asked for pair in one.pairs}
    labelled = {pair for one in run.labelled for pair in (*one.puzzle.train, *one.pairs)}
    assert not pairs & labelled


def test_leaks_that_are_kept_are_told(tmp_path):
    def made(**options):
        return ArcAgi(ArcSettings(subset="1-evaluation", fit_on=("2-training",), **options))

    withheld, kept = made(), made(leaks="keep")
    n = withheld.exposed(0)["withheld"]
    assert n > 370
    assert kept.exposed(0) == {"fit_on": ["2-training"], "leaked": n, "withheld": 0}
    assert len(kept.labelled(0)) > len(withheld.labelled(0)) + 370
    (note,) = withheld.notes(0, fitted=True)
    assert f"{n} of the 400" in note
    assert "withheld" in note
    assert "no solver" in kept.notes(0, fitted=True)[0]
    assert withheld.notes(0, fitted=False) == ()


def test_the_search_would_see_an_answer_that_is_there():
    problem = ArcAgi(ArcSettings(subset="1-training")).problems(0)[0]
    assert problem.answers[0] in set(reachable([problem], set()))
