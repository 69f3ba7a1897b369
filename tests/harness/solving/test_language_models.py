"""Solvers that ask a model: metered, sampled, journalled, previewed."""

from __future__ import annotations

import json

import pytest
from edits import Moment, command, ended, refused
from puzzles import TASK, comparable, run, run_row, samples, start_server

from harness.protocols.solve import ARC
from harness.results.store import ResultsStore
from harness_methods.solvers.grid_text import Form, read_last, write


@pytest.fixture
def model(tmp_path):
    """Knows the answer to p0's test input, thinks aloud elsewhere, and once says nothing."""
    rules = [
        {"match": r"Test\nInput:\n\[\[2, 3\],\n \[1, 0\]\]", "text": "So [[1]]? No: [[3,2],[0,1]]"},
        {"match": r"Test\nInput:\n\[\[3, 4\],", "text": "I cannot tell."},
        {"match": ".", "text": "[[1, 2], [3, 4]] it is."},
    ]
    path = tmp_path / "rules.jsonl"
    path.write_text("\n".join(map(json.dumps, rules)))
    return f"scripted:{path}"


def test_a_model_is_asked_once_for_each_attempt_and_metered(tmp_path, model):
    done = run(tmp_path / "r", "--method", "icl", "--model", model)
    assert done.code == 0, done.err
    rows = samples(tmp_path / "r")
    assert [row["score"] for row in rows] == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    assert [row["metrics"]["calls"] for row in rows] == [2.0] * 6
    assert [row["metrics"]["without_grid"] for row in rows] == [0.0, 2.0, 0.0, 0.0, 0.0, 0.0]
    assert all(row["input_tokens"] > 0 and row["output_tokens"] > 0 for row in rows)
    row = run_row(tmp_path / "r")
    assert row["input_tokens"] == sum(one["input_tokens"] for one in rows)
    assert row["model"] == model
    assert json.loads(row["sampling"])["temperature"] == 0.7
    assert "language model" in json.loads(row["protocol_settings"])["exposure"]


def test_votes_over_variants_are_asked_at_once_and_turned_back(tmp_path, model):
    assert (
        run(tmp_path / "r", "--method", "icl+vote:n=4", "--model", model, "--limit", "1").code == 0
    )
    (row,) = samples(tmp_path / "r")
    assert row["metrics"]["votes"] == 4.0
    assert row["metrics"]["calls"] == 4.0
    # The puzzle itself is one variant, and the only one whose answer the model knows.
    assert row["metrics"]["first@votes_1"] == 1.0
    assert row["metrics"]["rank"] >= 1


def test_a_vote_needs_variants(tmp_path, model):
    words = ("run", "--task", "boolean-logic", "-T", "train=20", "-T", "test=2")
    done = command(*words, "--method", "icl+vote", "--model", model, "--results", str(tmp_path))
    refused(done, "the puzzles of this task have none")


def test_solvers_without_a_model_are_not_multiplied_by_models(tmp_path, model):
    other = tmp_path / "other.jsonl"
    other.write_text('{"match": ".", "text": "[[1]]"}')
    words = ("--method", "icl", "--method", "copy-input", "--model", model)
    assert run(tmp_path / "r", *words, "--model", f"scripted:{other}").code == 0
    found = [(one.method, one.model) for one in ResultsStore(tmp_path / "r").runs()]
    assert sorted(found) == sorted(
        [("icl", model), ("icl", f"scripted:{other}"), ("copy-input", "none")]
    )


def test_a_preview_shows_the_first_prompt(tmp_path, model):
    words = ("--method", "icl", "--method", "copy-input", "--model", model, "--preview")
    done = run(tmp_path / "r", *words)
    assert done.code == 0
    assert "Test\nInput:\n[[2, 3],\n [1, 0]]\nOutput:" in done.out
    assert "[[3, 2],\n [0, 1]]" not in done.out.split("Test\nInput")[1]
    assert "asks the model nothing" in done.out
    assert not (tmp_path / "r").exists()


def test_several_seeds_under_greedy_decoding_are_copies(tmp_path, model):
    words = ("--method", "icl", "--model", model, "-M", "temperature=0", "--seeds", "0-1")
    assert run(tmp_path / "r", *words).code == 0
    assert len(ResultsStore(tmp_path / "r").runs()) == 1


def test_a_killed_run_asks_nothing_twice(tmp_path, model):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    words = ("--method", "icl", "--model", model, "--max-in-flight", "1")
    assert run(whole, *words).code == 0
    keep = Moment("harness.results.journal", "Journal", "append", 6, after=True)
    arguments = ("run", "--task", TASK, "--results", str(killed), *words)
    assert ended(start_server(), keep, arguments, tmp_path / "note") < 0
    assert run(killed, *words).code == 0
    assert comparable(killed) == comparable(whole)
    paid = [
        ResultsStore(one).row(ResultsStore(one).runs()[0].run_id)["paid_output_tokens"]
        for one in (whole, killed)
    ]
    assert paid[0] == paid[1]


def test_a_server_that_is_gone_is_an_error_and_not_the_solvers_fault(tmp_path):
    words = ("--model", "openai:none", "--base-url", "http://127.0.0.1:9", "--method", "icl")
    done = run(tmp_path / "r", *words, "--limit", "1")
    assert done.code == 2
    assert "no server answers at http://127.0.0.1:9/v1" in done.err


@pytest.mark.parametrize(
    ("text", "form", "grid"),
    [
        ("[[1,2],[3,4]]", Form.JSON, ((1, 2), (3, 4))),
        ("[[9]] or rather ```json\n[[1, 2],\n [3, 4]]\n```", Form.JSON, ((1, 2), (3, 4))),
        ("[[1,2],[3,4]] since [0] and [x]", Form.JSON, ((1, 2), (3, 4))),
        ("[[1,2],[3]]", Form.JSON, None),
        ("[[10]]", Form.JSON, None),
        ("[[[1]]]", Form.JSON, ((1,),)),
        ("]]][[[", Form.JSON, None),
        ("[" * 50_000, Form.JSON, None),
        ("", Form.JSON, None),
        ("The answer:\n1 2\n3 4\n\nDone.", Form.SYMBOLS, ((1, 2), (3, 4))),
        ("1 2\n3 4\nthat is\n5 6", Form.SYMBOLS, ((5, 6),)),
        ("nothing here", Form.SYMBOLS, None),
    ],
)
def test_the_last_grid_of_an_answer_counts(text, form, grid):
    assert read_last(text, form, ARC) == grid


@pytest.mark.parametrize("form", [Form.JSON, Form.SYMBOLS])
def test_what_is_written_is_read(form):
    grid = ((1, 0, 9), (4, 4, 4))
    assert read_last(write(grid, form, ARC), form, ARC) == grid
