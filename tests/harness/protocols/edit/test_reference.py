"""The reference that other runs are compared with: added, found, named, refused."""

from __future__ import annotations

import json

import pytest
from edits import BUDGET, MODEL, TINY, WORLD, refused, run

from harness.results.store import ResultsStore


def rows(results):
    store = ResultsStore(results)
    return {one.method: store.row(one.run_id) | _metrics(store, one.run_id) for one in store.runs()}


def _metrics(store, run_id):
    return {"metrics": dict(store.row(run_id)["metrics"])}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    done = run(folder, "--method", "graddiff", "--method", "task-vector")
    assert done.code == 0, done.err
    return folder


def test_reference_is_added_and_runs_first(finished):
    found = rows(finished)
    assert set(found) == {"retrain", "graddiff", "task-vector"}
    ids = {method: row["run_id"] for method, row in found.items()}
    assert ids["retrain"] < ids["graddiff"]
    started = {method: row["finished_at"] for method, row in found.items()}
    assert started["retrain"] < started["graddiff"]
    for method in ("graddiff", "task-vector"):
        assert found[method]["reference_run_id"] == ids["retrain"]
        assert 0 < found[method]["metrics"]["forget_quality"] <= 1
        assert found[method]["metrics"]["forget_quality_ks_distance"] > 0


def test_reference_is_its_own_reference(finished):
    row = rows(finished)["retrain"]
    assert row["metrics"]["forget_quality"] == 1.0
    assert row["metrics"]["forget_quality_ks_distance"] == 0.0
    assert row["reference_run_id"] is None


def test_without_a_reference_forget_quality_is_missing_with_its_reason(tmp_path):
    done = run(tmp_path, "--method", "identity")
    assert done.code == 0, done.err
    (row,) = rows(tmp_path).values()
    assert "forget_quality" not in row["metrics"]
    assert row["reference_run_id"] is None
    looks = ResultsStore(tmp_path).checkpoints(row["run_id"])
    assert "--method retrain" in json.loads(looks.missing.iloc[-1])["forget_quality"]


def test_named_reference_is_taken_and_none_is_added(finished, tmp_path):
    # The newest that fits would be another; the named one is older.
    assert run(finished, "--method", "retrain", "--fresh").code == 0
    runs = [one.run_id for one in ResultsStore(finished).runs() if one.method == "retrain"]
    assert len(runs) == 2
    done = run(finished, "--method", "npo", "--reference", runs[0])
    assert done.code == 0, done.err
    row = rows(finished)["npo"]
    assert row["reference_run_id"] == runs[0]
    assert len([1 for one in ResultsStore(finished).runs() if one.method == "retrain"]) == 2
    assert run(finished, "--method", "simnpo").code == 0
    assert rows(finished)["simnpo"]["reference_run_id"] == runs[1]


OTHERS = {
    "subset": (("-T", "subset=forget01"), "its subset is another"),
    "seed": (("--seeds", "7"), "its data is another"),
    "limit": (("--limit", "3"), "its data is another"),
    "data": (("-T", "drawn_retain=5"), "its data is another"),
    "aggregation": (("-T", "truth_ratio=arithmetic"), "its -T truth_ratio is another"),
    "shape": (("--model-arg", "layers=2"), "--model-arg"),
}


@pytest.mark.parametrize(("words", "reason"), OTHERS.values(), ids=OTHERS)
def test_reference_of_something_else_is_refused(finished, words, reason):
    named = next(one.run_id for one in ResultsStore(finished).runs() if one.method == "retrain")
    before = len(ResultsStore(finished).runs())
    done = run(finished, "--method", "undial", "--reference", named, *words)
    refused(done, named, "cannot be the reference of undial", reason, "harness run --task tofu")
    assert len(ResultsStore(finished).runs()) == before


def test_reference_of_another_method_or_unfinished_or_unknown_is_refused(finished, tmp_path):
    named = next(one.run_id for one in ResultsStore(finished).runs() if one.method == "graddiff")
    done = run(finished, "--method", "undial", "--reference", named)
    refused(done, "it is of method graddiff, not of retrain")
    refused(run(finished, "--method", "undial", "--reference", "01NONE"), "unknown run '01NONE'")


def test_unfinished_reference_is_refused(tmp_path, monkeypatch):
    from harness.editing.execution import EditExecution

    def stops(self, record):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(EditExecution, "keep", stops)
        assert run(tmp_path, "--method", "retrain").code == 130
    (unfinished,) = ResultsStore(tmp_path).runs()
    done = run(tmp_path, "--method", "graddiff", "--reference", unfinished.run_id)
    refused(done, unfinished.run_id)


def test_a_reference_of_another_shape_is_not_found_by_itself(tmp_path):
    """Its name is the same, its training is not."""
    assert run(tmp_path, "--method", "retrain").code == 0
    words = (*WORLD, *BUDGET, *MODEL, "--model-arg", "epochs=2", "--limit", "4")
    assert run(tmp_path, "--method", "identity", world=words).code == 0
    assert rows(tmp_path)["identity"]["reference_run_id"] is None
    assert run(tmp_path, "--method", "identity", "--fresh", world=TINY).code == 0
    newest = ResultsStore(tmp_path).runs()[-1].run_id
    assert ResultsStore(tmp_path).row(newest)["reference_run_id"] is not None


def test_run_that_ends_before_its_reference_is_filled_in_later(tmp_path):
    """Two shards of a sweep end in any order."""
    second = run(tmp_path, "--method", "graddiff", "--method", "identity", "--shard", "2/3")
    assert second.code == 0, second.err
    (before,) = rows(tmp_path).values()
    assert before["method"] == "graddiff"
    assert before["reference_run_id"] is None
    first = run(tmp_path, "--method", "graddiff", "--method", "identity", "--shard", "1/3")
    assert first.code == 0, first.err
    found = rows(tmp_path)
    assert found["graddiff"]["reference_run_id"] == found["retrain"]["run_id"]
    whole = tmp_path / "whole"
    assert run(whole, "--method", "graddiff").code == 0
    usual = rows(whole)["graddiff"]["metrics"]
    changing = ("step_seconds", "peak_memory_bytes")
    late = found["graddiff"]["metrics"]
    assert {k: v for k, v in late.items() if k not in changing} == {
        k: v for k, v in usual.items() if k not in changing
    }
    looks = ResultsStore(tmp_path).checkpoints(found["graddiff"]["run_id"])
    assert "forget_quality" not in json.loads(looks.missing.iloc[-1])


def test_finished_run_answers_for_its_own_reference_alone(finished, tmp_path):
    other = rows(finished)["graddiff"]["run_id"]
    refused(
        run(finished, "--method", "graddiff", "--reference", other), "with reference", "--fresh"
    )
    own = rows(finished)["graddiff"]["reference_run_id"]
    again = run(finished, "--method", "graddiff", "--reference", own)
    assert again.code == 0
    assert "nothing to do" in again.out


def test_reference_of_another_model_is_refused(finished, tmp_path, folder_model):
    """Also where the reference itself names the retrained model."""
    small = (*WORLD, "-T", "steps=1", "--limit", "2")
    named = f"retrain:model=hf:{folder_model}"
    first = run(tmp_path, "--method", named, "--model", f"hf:{folder_model}", world=small)
    assert first.code == 0, first.err
    (made,) = rows(tmp_path).values()
    done = run(tmp_path, "--method", "ga", "--reference", made["run_id"], world=(*small, *MODEL))
    refused(done, "its model is")
    alone = run(tmp_path, "--method", "identity", world=(*small, *MODEL))
    assert alone.code == 0, alone.err
    assert rows(tmp_path)["identity"]["reference_run_id"] is None
