"""Every editor and every surgery through the command, and what happens where one of them breaks."""

from __future__ import annotations

import json
import math

import pyarrow.parquet as pq
import pytest
from edits import MODEL, WORLD, comparable, run

from harness.registry import Kind, registered
from harness.results.store import ResultsStore

EDITORS = sorted(one.name for one in registered(Kind.METHOD) if one.role == "editor")
SURGERIES = sorted(
    one.name for one in registered(Kind.METHOD) if one.role == "surgery" and one.name != "none"
)
assert len(EDITORS) >= 17
assert len(SURGERIES) >= 7
ONE_EACH = (*WORLD, *MODEL, "-T", "steps=2", "-T", "checkpoint_every=2", "--limit", "2")


def methods(*names: str) -> tuple[str, ...]:
    return tuple(word for name in names for word in ("--method", name))


def numbers(results):
    """Every number of every parquet file."""

    def walk(value):
        if isinstance(value, float):
            yield value
        elif isinstance(value, dict):
            for one in value.values():
                yield from walk(one)
        elif isinstance(value, list | tuple):
            for one in value:
                yield from walk(one)

    for path in results.rglob("*.parquet"):
        for row in pq.read_table(path).to_pylist():
            yield from walk(row)


@pytest.fixture(scope="module")
def all_of_them(tmp_path_factory):
    folder = tmp_path_factory.mktemp("all")
    names = [*EDITORS, *(f"graddiff+{one}" for one in SURGERIES)]
    return folder, run(folder, *methods(*names), world=ONE_EACH)


@pytest.fixture(scope="module")
def rows(all_of_them):
    return {
        row["method"]: row for row in ResultsStore(all_of_them[0]).run_rows().to_dict("records")
    }


def test_all_of_them_complete(all_of_them):
    folder, done = all_of_them
    assert done.code == 0, done.err
    assert all(math.isfinite(one) for one in numbers(folder))


@pytest.mark.parametrize("name", [*EDITORS, *(f"graddiff+{one}" for one in SURGERIES)])
def test_each_completes_with_finite_metrics(all_of_them, rows, name):
    row = rows[name]
    assert (row["status"], row["n_failed"], row["n_error"]) == ("complete", 0, 0)
    assert 0 <= row["metrics"]["model_utility"] <= 1
    assert 0 < row["metrics"]["forget_quality"] <= 1
    looks = ResultsStore(all_of_them[0]).checkpoints(row["run_id"])
    assert looks.checkpoint.iloc[-1] == "final"
    samples = ResultsStore(all_of_them[0]).samples("tofu", [row["run_id"]])
    assert samples.score.between(0, 1).all()
    assert len(samples) == row["n_planned"]


@pytest.mark.parametrize("name", sorted({*SURGERIES} - {"gu-safeprox"}))
def test_each_surgery_changes_the_edit(all_of_them, rows, name):
    """All but gu-safeprox, which leaves steps alone that hurt nothing."""

    def final(method):
        samples = ResultsStore(all_of_them[0]).samples("tofu", [rows[method]["run_id"]])
        chosen = samples[samples.checkpoint == "final"]
        return [one["loss"] for one in chosen.metrics]

    assert final(f"graddiff+{name}") != final("graddiff")
    assert final("graddiff") != final("identity")


def test_diverged_edit_is_failed_rows_and_the_sweep_goes_on(tmp_path):
    names = ("ga:lr=1e30", "graddiff:lr=1e6,optimiser=sgd,max_grad_norm=none", "npo")
    done = run(tmp_path, *methods(*names))
    assert done.code == 1, done.err
    assert "Traceback" not in done.err
    store = ResultsStore(tmp_path)
    rows = {row["method"]: row for row in store.run_rows().to_dict("records")}
    assert rows["npo"]["status"] == "complete"
    assert rows["npo"]["n_failed"] == 0
    row = rows["ga:lr=1e30"]
    assert (row["status"], row["n_error"]) == ("complete", 0)
    assert row["metrics"]["model_utility"] == row["metrics"]["score"] == 0.0
    samples = store.samples("tofu", [row["run_id"]])
    final = samples[samples.checkpoint == "final"]
    assert set(final.status) == {"failed"}
    assert set(final.error_type) == {"Diverged"}
    assert final.score.isna().all()  # null in the file, no NaN: see below
    assert final.error.str.contains("diverged: the .* at step", regex=True).all()
    assert set(samples[samples.checkpoint == "start"].status) == {"ok"}
    assert all(math.isfinite(one) for one in numbers(tmp_path))
    looks = store.checkpoints(row["run_id"])
    assert "forget_quality" in json.loads(looks.missing.iloc[-1])


BROKEN = """
import torch
from harness.protocols.edit import ModelEditor
from harness.registry import About
from harness_methods.unlearning.graddiff import GradDiff

class Breaks(GradDiff):
    about = About("breaks", "a test")
    def forget_loss(self, step):
        if step.index == 3:
            raise {error}
        return super().forget_loss(step)

class Raises(ModelEditor):
    about = About("raises", "a test")
    def edit(self, model, data, budget, progress):
        raise ValueError("no such layer")

class WrongStep(ModelEditor):
    about = About("wrong step", "a test")
    def edit(self, model, data, budget, progress):
        progress.checkpoint(budget.steps + 1, model, dict)
        return model

class Silent(ModelEditor):
    about = About("never tells", "a test")
    def edit(self, model, data, budget, progress):
        return model

class NaN(ModelEditor):
    about = About("NaN weights", "a test")
    def edit(self, model, data, budget, progress):
        for one in model.module.parameters():
            one.data.fill_(float("nan"))
        progress.step(budget.steps, {{"forget_loss": float("nan")}})
        progress.checkpoint(budget.steps, model, dict)
        return model
"""


def broken(tmp_path, error="ValueError('mine')"):
    path = tmp_path / "broken.py"
    path.write_text(BROKEN.format(error=error))
    return f"file:{path}#"


@pytest.mark.parametrize(
    ("name", "error_type", "reason"),
    [
        ("Raises", "ValueError", "ValueError: no such layer"),
        ("WrongStep", "MethodError", "the editor reports step 5, and its checkpoints are 4"),
        ("Silent", "MethodError", "ended without a checkpoint at step 4"),
        ("NaN", "Diverged", "the model's log-probabilities are no numbers"),
    ],
)
def test_broken_editor_fails_with_its_reason(tmp_path, name, error_type, reason):
    done = run(tmp_path / "r", "--method", broken(tmp_path) + name, "--method", "identity")
    assert done.code == 1, done.err
    assert "Traceback" not in done.err
    store = ResultsStore(tmp_path / "r")
    rows = {row["method"]: row for row in store.run_rows().to_dict("records")}
    assert rows["identity"]["n_failed"] == 0
    row = next(one for method, one in rows.items() if name in method)
    assert row["status"] == "complete"
    assert row["metrics"]["score"] == 0.0
    samples = store.samples("tofu", [row["run_id"]])
    assert set(samples.status) == {"failed"}
    assert set(samples.error_type) == {error_type}
    assert all(reason in one for one in samples.error)
    assert all(math.isfinite(one) for one in numbers(tmp_path / "r"))


def test_out_of_memory_is_tried_again_by_the_same_command(tmp_path, monkeypatch):
    """Error rows, an incomplete run, exit code 1; the next run goes on, the same command mends."""
    import torch

    from harness_methods.unlearning.graddiff import GradDiff

    names = methods("graddiff", "npo")
    left_alone = tmp_path / "left-alone"
    assert run(left_alone, *names).code == 0
    original = GradDiff.forget_loss

    def full(self, step):
        if type(self) is GradDiff and step.index == 2:
            raise torch.OutOfMemoryError("tried to allocate 9 GiB")
        return original(self, step)

    results = tmp_path / "r"
    with monkeypatch.context() as patch:
        patch.setattr(GradDiff, "forget_loss", full)
        done = run(results, *names)
    assert done.code == 1, done.err
    store = ResultsStore(results)
    rows = {row["method"]: row for row in store.run_rows().to_dict("records")}
    assert rows["npo"]["status"] == "complete"
    row = rows["graddiff"]
    assert row["status"] == "incomplete"
    assert set(row["metrics"]) <= {"peak_memory_bytes"}  # nothing of an evaluation before the end
    samples = store.samples("tofu", [row["run_id"]])
    status = dict(samples.groupby("checkpoint").status.first())
    assert status == {"start": "ok", "step-00002": "ok", "final": "error"}
    assert set(samples[samples.status == "error"].error_type) == {"OutOfMemory"}
    assert "batch_size" in samples[samples.status == "error"].error.iloc[0]
    again = run(results, *names)
    assert again.code == 0, again.err
    assert comparable(results) == comparable(left_alone)
    assert len(ResultsStore(results).runs()) == 3


def test_full_disk_stops_the_command_and_keeps_what_was_done(tmp_path, monkeypatch):
    import torch

    left_alone, results = tmp_path / "left-alone", tmp_path / "r"
    assert run(left_alone, *methods("graddiff")).code == 0

    def full(state, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full)
        done = run(results, *methods("graddiff"))
    assert done.code == 1
    assert "No space left on device" in done.err
    assert "Traceback" not in done.err
    assert run(results, *methods("graddiff")).code == 0
    assert comparable(results) == comparable(left_alone)


def test_option_that_only_the_model_can_refuse_fails_its_run_alone(tmp_path):
    done = run(tmp_path / "r", *methods("rmu:layer=9", "identity"))
    assert done.code == 1, done.err
    store = ResultsStore(tmp_path / "r")
    rows = {row["method"]: row for row in store.run_rows().to_dict("records")}
    assert rows["identity"]["n_failed"] == 0
    assert rows["rmu:layer=9"]["status"] == "complete"
    samples = store.samples("tofu", [rows["rmu:layer=9"]["run_id"]])
    samples = samples[samples.checkpoint != "start"]  # before the edit all is well
    assert set(samples.status) == {"failed"}
    assert all("layer" in one for one in samples.error)


@pytest.mark.parametrize(
    "breaks", ["harness_tasks.unlearning.tofu.task.Tofu.evaluate", "harness.models.fitting.fit"]
)
def test_what_breaks_beside_the_method_is_an_error_and_tried_again(tmp_path, monkeypatch, breaks):
    def broken(*_given):
        raise RuntimeError("boom")

    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))  # no target is there
    results = tmp_path / "r"
    with monkeypatch.context() as patch:
        patch.setattr(breaks, broken)
        done = run(results, *methods("graddiff"))
    assert done.code == 1, done.err
    assert "Traceback" not in done.err
    store = ResultsStore(results)
    for row in store.run_rows().to_dict("records"):
        assert row["status"] == "incomplete"
        assert row["n_failed"] == 0
        samples = store.samples("tofu", [row["run_id"]])
        assert set(samples.status) == {"error"}
        assert all("boom" in one for one in samples.error)
    again = run(results, *methods("graddiff"))
    assert again.code == 0, again.err
    assert {row.status for row in ResultsStore(results).runs()} == {"complete"}
