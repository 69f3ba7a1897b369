"""Runs of the solve protocol: what is asked, counted, scored and written."""

from __future__ import annotations

import json

import pytest
from puzzles import comparable, method, run, run_row, samples

from harness.results.store import ResultsStore


def metrics(results):
    return dict(run_row(results)["metrics"])


def test_every_test_input_is_a_row_with_its_puzzle_as_source(tmp_path):
    done = run(tmp_path, "--method", method("Right"))
    assert done.code == 0, done.err
    rows = samples(tmp_path)
    assert [row["sample_id"] for row in rows] == ["p0/0", "p1/0", "p1/1", "p2/0", "p3/0", "p3/1"]
    assert [row["source_id"] for row in rows] == ["p0", "p1", "p1", "p2", "p3", "p3"]
    assert [row["group"] for row in rows] == ["one", "one", "two", "one", "one", "two"]
    assert {row["score"] for row in rows} == {1.0}
    assert {row["metrics"]["looks"] for row in rows} == {3.0}
    row = run_row(tmp_path)
    assert (row["model"], row["engine"], row["protocol"]) == ("none", "none", "solve")
    settings = json.loads(row["protocol_settings"])
    assert settings == {"setting": "inductive", "exposure": "none", "missing": {}}


def test_the_three_rules_stand_in_the_run(tmp_path):
    assert run(tmp_path, "--method", method("HalfRight")).code == 0
    found = metrics(tmp_path)
    assert found["score"] == found["task_mean"] == pytest.approx(3 / 4)
    assert found["strict"] == pytest.approx(2 / 4)
    assert found["pooled"] == pytest.approx(4 / 6)


def test_attempts_are_capped_and_duplicates_count_once(tmp_path):
    for k, solved in ((1, 0.0), (2, 0.0), (3, 1.0)):
        folder = tmp_path / str(k)
        assert run(folder, "--method", method("Third"), "-T", f"attempts={k}").code == 0
        row = samples(folder)[0]
        assert (row["score"], row["metrics"]["rank"], row["metrics"]["candidates"]) == (
            solved,
            3,
            3,
        )
        assert row["metrics"]["first"] == 0.0
    found = metrics(folder)
    assert [found[f"pass@{k}"] for k in (1, 2, 5, 1000)] == [0.0, 0.0, 1.0, 1.0]


def test_curves_over_votes_and_alternatives_come_out_of_one_run(tmp_path):
    assert run(tmp_path, "--method", method("Voted")).code == 0
    found = samples(tmp_path)[0]["metrics"]
    assert found["first"] == 0.0
    assert found["voters"] == 4.0
    # One vote: right alone. Two: one each, the surer is first. Four: one against three.
    assert [found[f"first@votes_{n}"] for n in (1, 2, 4)] == [1.0, 1.0, 0.0]
    assert [found[f"solved@votes_{n}"] for n in (1, 2, 4)] == [1.0, 1.0, 1.0]
    assert found["first@early"] == 1.0
    assert found["top_votes"] == 3.0


def test_curves_are_over_everything_that_was_asked(tmp_path):
    assert run(tmp_path, "--method", method("Rare")).code == 1
    found = metrics(tmp_path)
    # One puzzle of four, whatever the others lack; three voters are among the first four.
    for name in ("score", "first@votes_1", "first@votes_2", "solved@votes_4", "first@early"):
        assert found[name] == pytest.approx(1 / 4), name
    assert "first@votes_3" not in found


def test_variants_have_desks_of_their_own_and_alternatives_are_turned_back(tmp_path):
    done = run(tmp_path, "--method", f"{method('Variant')}+vote:n=4", "--limit", "1")
    assert done.code == 0, done.err
    (row,) = samples(tmp_path)
    assert row["score"] == 1.0
    assert row["metrics"]["asked"] == row["metrics"]["votes"] == 4.0
    assert row["metrics"]["top_votes"] == 4.0
    assert row["metrics"]["solved@early"] == 1.0
    import pyarrow.parquet as pq

    (trace,) = pq.read_table(next((tmp_path / "traces").rglob("*.parquet"))).to_pylist()
    drawn = [one["drawn"] for one in json.loads(trace["context"])["notes"]["variants"]]
    assert len(set(drawn)) == 4


def test_a_fresh_attempt_fits_again_and_votes_share_a_fit(tmp_path):
    learner = method("Learner")
    assert run(tmp_path, "--method", learner, "--method", f"{learner}+vote:n=2").code == 0
    (folder,) = (tmp_path / "fits").iterdir()
    before = (folder / "fit.pt").stat().st_mtime_ns
    assert run(tmp_path, "--method", f"{learner}:patience=5").code == 0
    assert (folder / "fit.pt").stat().st_mtime_ns == before
    assert run(tmp_path, "--method", learner, "--fresh").code == 0
    assert (folder / "fit.pt").stat().st_mtime_ns > before


def test_no_answer_is_wrong_and_not_lost(tmp_path):
    assert run(tmp_path, "--method", method("Silent")).code == 0
    assert [row["score"] for row in samples(tmp_path)] == [0.0] * 6
    assert metrics(tmp_path)["task_mean"] == 0.0


def test_a_trace_holds_what_a_drawing_needs(tmp_path):
    assert run(tmp_path, "--method", method("Right"), "--limit", "1").code == 0
    store = ResultsStore(tmp_path)
    (one,) = store.runs()
    import pyarrow.parquet as pq

    path = next((tmp_path / "traces").rglob(f"{one.run_id}.parquet"))
    (trace,) = pq.read_table(path).to_pylist()
    context = json.loads(trace["context"])
    assert context["gold"] == [[3, 2], [0, 1]]
    assert context["test"] == [[2, 3], [1, 0]]
    assert len(context["train"]) == 3
    assert context["notes"] == {"thought": "mirror it"}
    assert json.loads(trace["output"]) == [[[3, 2], [0, 1]]]


def test_the_same_command_again_does_nothing(tmp_path):
    assert run(tmp_path, "--method", method("Right")).code == 0
    done = run(tmp_path, "--method", method("Right"))
    assert "nothing to do" in done.out
    assert len(ResultsStore(tmp_path).runs()) == 1


def test_other_attempts_are_other_work(tmp_path):
    assert run(tmp_path, "--method", method("Right")).code == 0
    assert run(tmp_path, "--method", method("Right"), "-T", "attempts=3").code == 0
    assert len(ResultsStore(tmp_path).runs()) == 2


def test_runs_that_differ_in_solving_only_share_a_fit(tmp_path):
    learner = method("Learner")
    words = [f"{learner}:patience={n}" for n in (1, 2, 3)]
    flags = [word for one in words for word in ("--method", one)]
    assert run(tmp_path, *flags).code == 0
    assert len(list((tmp_path / "fits").iterdir())) == 1
    assert run(tmp_path, "--method", f"{learner}:steps=13").code == 0
    assert len(list((tmp_path / "fits").iterdir())) == 2
    assert run(tmp_path, "--method", learner, "--seeds", "1").code == 0
    assert len(list((tmp_path / "fits").iterdir())) == 3
    keys = {
        json.loads(ResultsStore(tmp_path).row(one.run_id)["protocol_settings"])["fit"]
        for one in ResultsStore(tmp_path).runs()
    }
    assert len(keys) == 3


def test_a_fit_depends_on_the_seed_and_is_told_in_the_row(tmp_path):
    assert run(tmp_path, "--method", method("Learner"), "--seeds", "0-1").code == 0
    store = ResultsStore(tmp_path)
    rows = [store.row(one.run_id) for one in store.runs()]
    assert sorted(row["train_seed"] for row in rows) == [0, 1]
    sums = {dict(row["metrics"])["fit_sum"] for row in rows}
    assert len(sums) == 2
    assert {dict(row["metrics"])["fit_steps"] for row in rows} == {12.0}
    settings = json.loads(rows[0]["protocol_settings"])
    assert settings["labelled"] == 1


def test_a_fit_is_the_same_in_another_folder(tmp_path):
    for name in ("a", "b"):
        assert run(tmp_path / name, "--method", method("Learner")).code == 0
    assert comparable(tmp_path / "a") == comparable(tmp_path / "b")


def test_parts_of_a_sweep_make_the_whole(tmp_path):
    words = ("--method", method("Right"), "--method", method("HalfRight"))
    for part in ("1/2", "2/2"):
        assert run(tmp_path, *words, "--shard", part).code == 0
    assert {one.method for one in ResultsStore(tmp_path).runs()} == {words[1], words[3]}


def test_a_plan_says_puzzles(tmp_path):
    done = run(tmp_path, "--method", method("Right"), "--dry-run")
    assert "6 test inputs of 4 puzzles" in done.out
