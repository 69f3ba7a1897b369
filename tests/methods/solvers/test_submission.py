"""`submission`: recorded attempts replayed as a run."""

from __future__ import annotations

import json

import pytest

from harness.errors import UsageError
from harness.options import build
from harness.protocols.solve import Desk, Puzzle, Query
from harness_methods.solvers.submission import Submission, SubmissionOptions

CELL = ((0,),)
PUZZLE = Puzzle("one", (), (CELL, CELL))
FIRST = {"attempt_1": [[1, 2]], "attempt_2": [[3]], "attempt_3": [[4]]}


def solver(file, **more):
    return Submission(build(SubmissionOptions, {"file": str(file), **more}, "solver 'submission'"))


def asked(one, number=0, puzzle=PUZZLE, attempts=2):
    desk = Desk("seed")
    return [tried.grid for tried in one.solve(Query(puzzle, number, attempts), desk)], desk


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"one": [FIRST, {"attempt_1": [[1], [2, 3]], "attempt_2": None}]}))
    return path


def test_recorded_attempts_come_in_their_order_and_none_beyond_k(file):
    one = solver(file)
    assert one.misfit(PUZZLE) == ""
    found, desk = asked(one)
    assert found == [((1, 2),), ((3,),)]
    assert desk.counts == {"unanswered": 0}
    assert asked(one, attempts=3)[0] == [((1, 2),), ((3,),), ((4,),)]


def test_what_was_not_answered_is_counted_with_its_reason(file):
    found, desk = asked(solver(file), number=1)
    assert (found, desk.counts) == ([], {"unanswered": 1})
    assert "test input 1: row 2 has 2 cells, row 1 has 1" in desk.notes["unanswered"]


def test_a_task_that_the_file_lacks_is_wrong_and_no_misfit(file):
    other = Puzzle("other", (), (CELL,))
    one = solver(file)
    assert one.misfit(other) == ""
    found, desk = asked(one, puzzle=other)
    assert (found, desk.counts) == ([], {"unanswered": 1})
    assert f"{file} does not answer other, test input 0" in desk.notes["unanswered"]
    assert "the task is missing" in desk.notes["unanswered"]


def test_nulls_alone_are_a_reason(tmp_path):
    path = tmp_path / "nulls.json"
    path.write_text(json.dumps({"one": [{"attempt_1": None}, None]}))
    assert asked(solver(path))[1].notes["unanswered"].endswith("every attempt is null")


def test_a_file_that_cannot_be_read_is_a_misfit(tmp_path):
    assert "write submission:file=PATH" in Submission(SubmissionOptions()).misfit(PUZZLE)
    assert "there is no file" in solver(tmp_path / "absent.json").misfit(PUZZLE)
    (tmp_path / "text.json").write_text("hello")
    assert "is no JSON" in solver(tmp_path / "text.json").misfit(PUZZLE)


def test_another_content_is_another_method(file):
    before = solver(file).options
    assert before.differing() == {"file": str(file), "content": before.content}
    assert build(SubmissionOptions, before.differing(), "again") == before
    file.write_text(json.dumps({"one": [FIRST]}))
    assert solver(file).options.content != before.content
    with pytest.raises(UsageError, match=f"not {before.content}"):
        build(SubmissionOptions, before.differing(), "again")


def test_it_says_what_it_is_compared_with():
    assert Submission.exposure == "unknown (recorded elsewhere)"
    assert not Submission.takes_voting
    assert not Submission.fits()
