"""A run that is killed and continued by the same command ends as one that was left alone."""

from __future__ import annotations

import json
import signal

import pytest
from adapt import MODEL, SMALL, comparable, ended, run, start_server
from edits import Moment

from harness.adapting.work import Work
from harness.results.store import ResultsStore

SETTINGS = {
    "reset": (),
    "continual": ("-T", "setting=continual", "-T", "after=true"),
    "window": ("-T", "window=4"),
    "pace": ("-T", "pace=1", "-T", "setting=continual"),
}
EATA, PANDA, ROTTA = "eata:fisher_images=20", "tent+panda:patch=8", "rotta:capacity=8,every=6"

STEP = ("harness.adapting.work", "Work", "_step")
SAVE = ("harness.results.checkpoints", "Checkpoints", "save")
KEEP = ("harness.adapting.execution", "AdaptExecution", "keep")
COMMIT = ("harness.results.store", "ResultsStore", "commit")
PUBLISH = ("harness.adapting.execution", "AdaptExecution", "publish")
CASES = (
    ("reset", "tent", "in the first step", Moment(*STEP, 1), 0),
    ("reset", "tent", "after a state is saved", Moment(*SAVE, 7, after=True), 7),
    ("reset", "tent", "amid the rows of a batch", Moment(*KEEP, 43), 8),
    ("reset", "tent", "after the last row, before the counts", Moment(*KEEP, 60, after=True), 11),
    ("reset", "tent", "before the tables", Moment(*PUBLISH, 1), 12),
    ("reset", "tent", "before the row is written", Moment(*COMMIT, 1), 12),
    ("reset", "tent", "after the row is written", Moment(*COMMIT, 1, after=True), 12),
    ("reset", EATA, "before a state is saved", Moment(*SAVE, 7), 6),
    ("reset", PANDA, "in the second corruption", Moment(*STEP, 10), 9),
    ("reset", ROTTA, "in the first corruption", Moment(*STEP, 7), 6),
    ("reset", "cotta", "after the last state of a stage", Moment(*SAVE, 8, after=True), 8),
    ("continual", "tent", "in the second corruption", Moment(*STEP, 11), 10),
    ("continual", EATA, "after a state is saved", Moment(*SAVE, 10, after=True), 10),
    ("continual", PANDA, "before a state is saved", Moment(*SAVE, 6), 5),
    ("continual", ROTTA, "in clean images after the stream", Moment(*STEP, 14), 13),
    ("window", "tent", "amid the rows of a stage", Moment(*KEEP, 43), 42),
    ("window", PANDA, "in the second corruption", Moment(*STEP, 52), 51),
    ("window", ROTTA, "after the last row, before the counts", Moment(*KEEP, 60, after=True), 59),
    ("pace", "tent", "while it is busy", Moment(*STEP, 10), 9),
)
"""Setting, method, when it is killed, and the first batch that is computed again."""


@pytest.fixture(scope="module")
def server():
    return start_server()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, adapt_cache):
    """What runs that were left alone gave, by setting and method."""
    del adapt_cache
    found = {}
    for setting, words in SETTINGS.items():
        folder = tmp_path_factory.mktemp("undisturbed")
        methods = dict.fromkeys(method for one, method, *_ in CASES if one == setting)
        flags = [word for method in methods for word in ("--method", method)]
        done = run(folder, *flags, *words)
        assert done.code == 0, done.err
        for name, one in comparable(folder).items():
            assert one["status"] == "complete"
            assert one["counts"][2:] == [0, 0]
            found[setting, name.removesuffix(" seed 0")] = one
    return found


@pytest.fixture
def steps(monkeypatch):
    """The batches that were given to a method in this process."""
    found, step = [], Work._step

    def counted(self, method, images, new, number):
        found.append(number)
        return step(self, method, images, new, number)

    monkeypatch.setattr(Work, "_step", counted)
    return found


@pytest.mark.parametrize(
    ("setting", "method", "moment", "again"),
    [(setting, method, *rest) for setting, method, _, *rest in CASES],
    ids=[f"{method.partition(':')[0]}, {setting}, {when}" for setting, method, when, *_ in CASES],
)
def test_killed_run_ends_like_an_undisturbed_one(
    server, undisturbed, steps, tmp_path, setting, method, moment, again
):
    results, given = tmp_path / "r", ("--method", method, *SETTINGS[setting])
    said = tmp_path / "said"
    assert ended(server, moment, words(results, *given), said) == -signal.SIGKILL, said.read_text()
    before = {one.run_id for one in ResultsStore(results).runs()}
    done = run(results, *given)
    assert done.code == 0, done.err
    (one,) = ResultsStore(results).runs()
    (found,) = comparable(results).values()
    assert found == undisturbed[setting, one.method]
    assert before <= {one.run_id}
    batches = [int(json.loads(row)["step"]) for row in found["rows"]]
    assert steps == list(range(again, max(batches) + 1))
    assert not list(results.glob("artifacts/*/checkpoints"))
    assert not any(one.stat().st_size for one in (results / "journal").glob("*.jsonl"))


def words(results, *more):
    world = (*SMALL, "-T", "workers=0", "--results", str(results))
    return ("run", "--task", "imagenet-c", *world, *more)


def test_window_goes_on_across_a_broken_picture(server, tmp_path, pictures):
    """What a window holds is not the pictures before: broken ones never were in it."""
    given = ("--method", "tent", "-T", "window=4", "-T", "setting=continual")
    given += ("-T", "corruptions=contrast,fog")
    folder = pictures(tmp_path / "data", 3)
    for name in ("1/1.png", "4/2.png", "7/0.png"):
        (folder / name).write_bytes(b"no picture")
    world = (*MODEL, "-T", f"data={folder}", "-T", "constants=cifar")
    assert run(tmp_path / "whole", *given, world=world).code == 0
    (whole,) = comparable(tmp_path / "whole").values()
    statuses = [json.loads(row)["status"] for row in whole["rows"]]
    bad = [place for place, one in enumerate(statuses) if one == "invalid" and place > 31]
    results = tmp_path / "r"
    base = ("run", "--task", "imagenet-c", *world, *given, "-T", "workers=0")
    # The states after the broken picture and after the good one that follows it.
    moment = Moment(*SAVE, bad[0] + 2, after=True)
    ended(server, moment, (*base, "--results", str(results)), tmp_path / "said")
    assert run(results, *given, world=world).code == 0
    (found,) = comparable(results).values()
    assert found == whole


def test_damaged_state_is_said_in_one_sentence(server, steps, tmp_path):
    results = tmp_path / "r"
    moment = Moment(*SAVE, 7, after=True)
    ended(server, moment, words(results, "--method", "tent"), tmp_path / "said")
    (state,) = results.glob("artifacts/*/checkpoints/stream.pt")
    state.write_bytes(state.read_bytes()[:1000])
    done = run(results, "--method", "tent")
    assert done.code == 1
    assert not steps
    assert "Traceback" not in done.err
    assert f"the checkpoint {state} is damaged" in done.err
    state.unlink()
    assert run(results, "--method", "tent").code == 0
    assert steps == list(range(12))


INTERRUPTED = {
    "in a step": Moment(*STEP, 6, signal=signal.SIGINT),
    "asked to end while a state is saved": Moment(*SAVE, 3, signal=signal.SIGTERM),
}


@pytest.mark.parametrize("moment", INTERRUPTED.values(), ids=INTERRUPTED)
def test_interrupted_run_stops_cleanly_and_continues(server, undisturbed, tmp_path, moment):
    results, said = tmp_path / "r", tmp_path / "said"
    assert ended(server, moment, words(results, "--method", "tent"), said) == 130, said.read_text()
    text = said.read_text()
    assert "the same command continues" in text
    assert "Traceback" not in text
    assert run(results, "--method", "tent").code == 0
    assert comparable(results)["tent seed 0"] == undisturbed["reset", "tent"]
