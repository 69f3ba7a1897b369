"""ARC-AGI's data: their sizes, and which versions and splits give answers of others away."""

from __future__ import annotations

import pytest

from harness.errors import MissingData
from harness_tasks.arc_agi import data
from harness_tasks.arc_agi.leakage import givers

BOTH_EVALUATIONS = {"0934a4d8", "136b0064", "16b78196", "981571dc", "aa4ec2a5", "da515329"}


@pytest.fixture(scope="module")
def problems():
    """Problems by subset."""
    try:
        data.problems("1-training")
    except MissingData as error:
        pytest.skip(f"the wheel with ARC-AGI's puzzles is not at hand ({error})")
    return data.problems


@pytest.mark.parametrize(
    ("subset", "tasks", "inputs"),
    [
        ("1-training", 400, 416),
        ("1-evaluation", 400, 419),
        ("2-training", 1000, 1076),
        ("2-evaluation", 120, 167),
    ],
)
def test_a_subset_has_its_published_size(problems, subset, tasks, inputs):
    found = problems(subset)
    assert len(found) == len({one.puzzle.puzzle_id for one in found}) == tasks
    assert sum(len(one.answers) for one in found) == inputs
    assert all(len(one.puzzle.tests) == len(one.answers) for one in found)
    assert all(one.puzzle.train for one in found)


@pytest.mark.parametrize(
    ("asked", "known", "count"),
    [
        ("1-evaluation", "2-training", 376),
        ("1-training", "2-training", 392),
        ("1-evaluation", "2-evaluation", 6),
        ("2-evaluation", "1-evaluation", 6),
        ("2-evaluation", "1-training", 0),
        ("2-evaluation", "2-training", 0),
    ],
)
def test_puzzles_given_away(problems, asked, known, count):
    assert len(givers(problems(asked), problems(known))) == count


def test_the_training_set_of_2_holds_395_outputs_of_the_evaluation_set_of_1(problems):
    known = problems("2-training")
    pairs = {pair for one in known for pair in (*one.puzzle.train, *one.pairs)}
    held = [pair in pairs for one in problems("1-evaluation") for pair in one.pairs]
    assert (sum(held), len(held)) == (395, 419)


def test_six_puzzles_stand_in_both_evaluation_sets(problems):
    given = givers(problems("2-evaluation"), problems("1-evaluation"))
    assert given == {name: {name} for name in BOTH_EVALUATIONS}


def test_the_same_pair_is_found_under_another_name(problems):
    given = givers(problems("1-evaluation"), problems("1-training"))
    assert given == {"070dd51e": {"40853293"}}


def test_a_source_names_its_commit_and_content(problems):
    first, second = data.source("1-evaluation"), data.source("2-evaluation")
    assert (first.id, first.revision[:7]) == ("fchollet/ARC-AGI", "aa922be")
    assert (second.id, second.revision[:7]) == ("arcprize/ARC-AGI-2", "f3283f7")
    assert first.content_hash != second.content_hash
