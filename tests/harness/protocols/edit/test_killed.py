"""An edit that is killed and continued by the same command ends as one that was left alone."""

from __future__ import annotations

import signal

import pytest
from edits import TINY, Moment, comparable, ended, run, start_server, tries

from harness.results.store import ResultsStore

EXECUTION = "harness.editing.execution"
WORK = "harness.editing.work"
METHODS = ("--method", "retrain", "--method", "npo+gu:rank=2")
EVERY = ("-T", "attacks=quantise8", "-T", "keep_weights=true")

SAVE = ("harness.results.checkpoints", "Checkpoints", "save")
MOMENTS = {
    "while the reference is evaluated": Moment(EXECUTION, "EditExecution", "keep", 7),
    "in the first step": Moment(WORK, "_Progress", "step", 1),
    "between checkpoints": Moment(WORK, "_Progress", "step", 3),
    "before a checkpoint is saved": Moment(*SAVE, 2),
    "between checkpoint and evaluation": Moment(*SAVE, 2, after=True),
    "while a checkpoint is evaluated": Moment(EXECUTION, "EditExecution", "keep", 70),
    "while an attack is evaluated": Moment(EXECUTION, "EditExecution", "keep", 110),
    "before the weights are kept": Moment(EXECUTION, "EditExecution", "keep_weights", 2),
    "after the last evaluation": Moment(EXECUTION, "EditExecution", "publish", 2),
    "before the row is written": Moment("harness.results.store", "ResultsStore", "commit", 2),
    "after the row is written": Moment(
        "harness.results.store", "ResultsStore", "commit", 2, after=True
    ),
}


@pytest.fixture(scope="module")
def server():
    return start_server()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    done = run(folder, *METHODS, *EVERY)
    assert done.code == 0, done.err
    return comparable(folder)


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
def test_killed_edit_ends_like_an_undisturbed_one(server, undisturbed, tmp_path, moment):
    results = tmp_path / "r"
    words = ("run", "--task", "tofu", *TINY, "--results", str(results), *METHODS, *EVERY)
    assert ended(server, moment, words, tmp_path / "said") == -signal.SIGKILL
    before = {one.run_id for one in ResultsStore(results).runs()}
    done = run(results, *METHODS, *EVERY)
    assert done.code == 0, done.err
    assert comparable(results) == undisturbed
    assert before <= {one.run_id for one in ResultsStore(results).runs()}
    assert {n for found in tries(results).values() for n in found.values()} == {1}
    for one in ResultsStore(results).runs():
        artifacts = results / "artifacts" / one.run_id
        assert not (artifacts / "checkpoints").exists()
        assert (artifacts / "model" / "model.safetensors").is_file()
    assert not any(one.stat().st_size for one in (results / "journal").glob("*.jsonl"))


INTERRUPTED = {
    "in a step": Moment(WORK, "_Progress", "step", 1, signal=signal.SIGINT),
    "while the target is taught": Moment(
        "harness.models.fitting", "Fitting", "given", 2, signal=signal.SIGINT
    ),
    "asked to end in a step": Moment(WORK, "_Progress", "step", 1, signal=signal.SIGTERM),
}


@pytest.mark.parametrize("moment", INTERRUPTED.values(), ids=INTERRUPTED)
def test_interrupted_edit_stops_cleanly_and_continues(server, undisturbed, tmp_path, moment):
    results, said = tmp_path / "r", tmp_path / "said"
    words = ("run", "--task", "tofu", *TINY, "--results", str(results), *METHODS, *EVERY)
    assert ended(server, moment, words, said) == 130, said.read_text()
    text = said.read_text()
    assert "the same command continues" in text
    assert "Traceback" not in text
    assert "never retrieved" not in text
    assert run(results, *METHODS, *EVERY).code == 0
    assert comparable(results) == undisturbed
