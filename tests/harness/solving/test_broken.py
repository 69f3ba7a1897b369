"""What breaks becomes a row with its reason, or one sentence before anything runs."""

from __future__ import annotations

import pytest
from edits import command, refused
from puzzles import TASK, method, run, run_row, samples

from harness.results.store import ResultsStore


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("raise", "ValueError: the reason"),
        ("ragged", "row 2 has 1 cells, row 1 has 2"),
        ("colour", "row 1, column 1 is 10, not in 0..9"),
        ("float", "row 1, column 1 is 1.0, no integer"),
        ("tall", "it has 31 rows, and 30 are the most"),
        ("empty", "it has no rows"),
        ("flag", "row 1, column 1 is True, no integer"),
        ("grid", "candidate 1 is a tuple, no Candidate"),
        ("nothing", "solve returned a NoneType"),
        ("text", "solve returned a str"),
        ("ask", "does not declare needs_model"),
        ("exit", "it called exit"),
        ("notes", "its notes are no JSON values"),
        ("rank", "it may not write the metric 'rank'"),
        ("curve", "it may not write the metric 'first@votes_1'"),
        ("nan", "no finite number"),
        ("alternative", "row 2 is empty"),
        ("ballot", "ballots that are no Ballot"),
    ],
)
def test_what_a_solver_breaks_is_a_failed_row_with_the_worst_score(tmp_path, how, words):
    done = run(tmp_path, "--method", f"{method('Bad')}:how={how}", "--limit", "2")
    assert done.code == 1
    for row in samples(tmp_path):
        assert (row["status"], row["score"]) == ("failed", 0.0)
        assert words in row["error"]
    assert run_row(tmp_path)["status"] == "complete"
    found = dict(run_row(tmp_path)["metrics"])
    # What a broken solver had right before is no gain.
    for name in ("task_mean", "task_mean_first", "pass@1", "pass@1000", "solved", "first"):
        assert found[name] == 0.0


def test_a_machine_without_memory_is_an_error_that_is_tried_again(tmp_path):
    words = ("--method", f"{method('Bad')}:how=memory", "--limit", "1")
    assert run(tmp_path, *words).code == 1
    (row,) = samples(tmp_path)
    assert (row["status"], row["attempt"]) == ("error", 1)
    row = run_row(tmp_path)
    assert row["status"] == "incomplete"
    assert "score" not in dict(row["metrics"])
    assert "1 of 1 test inputs have no result yet" in row["protocol_settings"]
    assert run(tmp_path, *words).code == 1
    assert samples(tmp_path)[0]["attempt"] == 2


def test_a_fit_that_breaks_is_the_failure_of_every_test_input(tmp_path):
    done = run(tmp_path, "--method", f"{method('Learner')}:broken=raise")
    assert done.code == 1
    rows = samples(tmp_path)
    assert len(rows) == 6
    for row in rows:
        assert row["status"] == "failed"
        assert "while it was fitted: no way to learn" in row["error"]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("list", "fit returned a list, no mapping"),
        ("array", "its fit holds what cannot be read back"),
        ("metric", "it may not write the metric 'score'"),
        ("load", "while it was given its fit: 'lost'"),
    ],
)
def test_a_fit_of_the_wrong_kind_is_the_solvers_own_failure(tmp_path, how, words):
    for _ in range(2):  # the second time it meets what the first one left
        done = run(tmp_path, "--method", f"{method('Learner')}:broken={how}", "--fresh")
        assert done.code == 1
    for one in ResultsStore(tmp_path).runs():
        assert (str(one.status), one.n_failed, one.n_error) == ("complete", 6, 0)
    store = ResultsStore(tmp_path)
    rows = store.samples(one.task, [one.run_id]).to_dict("records")
    assert all(words in row["error"] for row in rows)


FAULTY = """
from puzzles import Mirrors as Base
from dataclasses import replace


class Twice(Base):
    def problems(self, seed):
        return [*super().problems(seed), *super().problems(seed)]


class Uneven(Base):
    def problems(self, seed):
        return [replace(one, answers=one.answers * 2) for one in super().problems(seed)]


class Lists(Base):
    def problems(self, seed):
        return [replace(one, answers=([[1]],) * len(one.answers)) for one in super().problems(seed)]


class Grouped(Base):
    def problems(self, seed):
        return [replace(one, groups=("a", "b", "c")) for one in super().problems(seed)]
"""


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("Twice", "two puzzles have the id p0"),
        ("Uneven", "1 test inputs and 2 outputs"),
        ("Lists", "no tuple of tuples"),
        ("Grouped", "1 test inputs and 3 groups"),
    ],
)
def test_a_broken_task_is_refused_before_anything_runs(tmp_path, kind, words):
    (tmp_path / "faulty.py").write_text(FAULTY)
    task = f"file:{tmp_path / 'faulty.py'}#{kind}"
    done = command("run", "--task", task, "--results", str(tmp_path), "--method", "copy-input")
    refused(done, words, "author has to mend it")


def test_a_fit_without_memory_is_an_error_and_the_next_run_goes_on(tmp_path):
    broken = f"{method('Learner')}:broken=memory"
    done = run(tmp_path, "--method", broken, "--method", method("Right"))
    assert done.code == 1
    found = {one.method: one for one in ResultsStore(tmp_path).runs()}
    assert str(found[method("Right")].status) == "complete"
    assert str(found[broken].status) == "incomplete"
    assert found[broken].n_error == 6


def test_a_damaged_fit_is_named(tmp_path):
    assert run(tmp_path, "--method", method("Learner")).code == 0
    (file,) = (tmp_path / "fits").rglob("fit.pt")
    file.write_bytes(file.read_bytes()[:100])
    done = run(tmp_path, "--method", f"{method('Learner')}:patience=9")
    assert done.code == 1
    assert str(file) in done.err
    assert "remove it" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--model", "smollm2"), "--model means nothing to these solvers"),
        (("--order", "shuffle:1"), "--order means nothing"),
        (("--embedder", "other"), "--embedder means nothing"),
        (("-M", "temperature=1"), "-M means nothing"),
        (("--base-url", "http://127.0.0.1:1"), "--base-url means nothing"),
        (("-T", "attempts=0"), "attempts"),
        (("-T", "puzzles=0"), "no puzzles with these options"),
        (("--reference", "x"), "--reference means nothing"),
    ],
)
def test_flags_that_mean_nothing_are_refused(tmp_path, words, said):
    done = run(tmp_path, "--method", method("Right"), *words)
    refused(done, said)
    assert not list(tmp_path.rglob("*.parquet"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("copy-inptu", "did you mean copy-input?"),
        ("vote+copy-input", "'vote' is no solver"),
        ("trm+vote", "not for variants that vote would make"),
        ("copy-input+panda", "panda"),
        ("copy-input:k=1", "option"),
    ],
)
def test_methods_that_do_not_exist_or_fit_are_refused(tmp_path, name, said):
    done = command("run", "--task", TASK, "--results", str(tmp_path), "--method", name)
    refused(done, said)
