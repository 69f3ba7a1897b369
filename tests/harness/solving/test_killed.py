"""A run that is killed in its fit or while it solves ends as one that was left alone."""

from __future__ import annotations

import signal

import pytest
from edits import Moment, ended
from puzzles import TASK, comparable, method, run, start_server

SAVE = ("harness.results.checkpoints", "Checkpoints", "save")
CHECK = ("harness.protocols.solve.method", "FitDesk", "check")
PLAY = ("harness.solving.play", "SolveLane", "play")
KEEP = ("harness.results.journal", "Journal", "append")
COMMIT = ("harness.results.store", "ResultsStore", "commit")
MOMENTS = {
    "in the first step of the fit": (Moment(*CHECK, 1), 0),
    "before the fit is saved first": (Moment(*SAVE, 1), 0),
    "after the fit is saved": (Moment(*SAVE, 1, after=True), 5),
    "before the fit is done": (Moment(*CHECK, 12), 10),
    "before the result of the fit is saved": (Moment(*SAVE, 3), 10),
    "after the result of the fit is saved": (Moment(*SAVE, 3, after=True), 12),
    "before the first test input": (Moment(*PLAY, 1), 12),
    "before a row is kept": (Moment(*KEEP, 5), 12),
    "after a row is kept": (Moment(*KEEP, 5, after=True), 12),
    "before the run is published": (Moment(*COMMIT, 1), 12),
    "after the run is published": (Moment(*COMMIT, 1, after=True), 12),
    "by ctrl-c in the fit": (Moment(*CHECK, 8, signal=signal.SIGINT), 5),
    "by ctrl-c while it solves": (Moment(*KEEP, 6, signal=signal.SIGINT), 12),
}


@pytest.fixture(scope="module")
def server():
    return start_server()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    assert run(folder, "--method", method("Learner")).code == 0
    return comparable(folder)


@pytest.mark.parametrize("when", MOMENTS)
def test_a_killed_run_goes_on_to_the_same_end(tmp_path, server, undisturbed, when, monkeypatch):
    from harness.protocols.solve.method import FitDesk

    moment, step = MOMENTS[when]
    words = ("run", "--task", TASK, "--results", str(tmp_path), "--method", method("Learner"))
    code = ended(server, moment, words, tmp_path / "note")
    assert code == (130 if moment.signal == signal.SIGINT else -signal.SIGKILL), (
        tmp_path / "note"
    ).read_text()
    steps, check = [], FitDesk.check
    monkeypatch.setattr(FitDesk, "check", lambda self: (steps.append(1), check(self))[1])
    assert run(tmp_path, "--method", method("Learner")).code == 0
    assert comparable(tmp_path) == undisturbed
    # None is made again that a checkpoint holds. Who is asked to stop may have come further.
    if moment.signal == signal.SIGINT:
        assert len(steps) <= 12 - step
    else:
        assert len(steps) == 12 - step
