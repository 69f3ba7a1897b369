"""`harness results RUN`: one run, and one of its items, as a user meets them."""

from __future__ import annotations

import json
import os
from xml.etree import ElementTree

import pytest
from edits import command, refused
from puzzles import method, run
from small_puzzles import GOLD, write_mirror
from support import Server, harness, run_arguments

from harness.results.store import ResultsStore

BROKEN = '''
from harness.protocols.solve import Candidate, Solver
from harness.registry import About


class Broken(Solver):
    """Answers the first puzzle and breaks on the others."""

    about = About("Breaks", "here")

    def solve(self, query, desk):
        desk.notes["colour"] = "red"
        return [Candidate([[1, 2]])] if query.puzzle.puzzle_id == "Copy1" else 1 / 0
'''


@pytest.fixture(scope="module")
def puzzles(tmp_path_factory):
    """A results folder with a solve run; returns its path and the run's id."""
    folder = tmp_path_factory.mktemp("puzzles")
    (folder / "broken.py").write_text(BROKEN)
    done = harness(
        *("run", "--task", "arc-agi", "-T", "subset=concept", "--results", str(folder / "results")),
        *("--method", f"file:{folder / 'broken.py'}#Broken"),
        env={"HARNESS_DATA": str(write_mirror(folder / "mirror"))},
    )
    assert "Traceback" not in done.stderr
    (run,) = ResultsStore(folder / "results").runs()
    return folder / "results", run.run_id


@pytest.fixture(scope="module")
def streams(tmp_path_factory):
    """A results folder with a run whose method asks a model."""
    folder = tmp_path_factory.mktemp("streams")
    with Server() as server:
        done = harness(
            *run_arguments(server, folder, "--method", "baseline"),
            *("-T", "streams=2", "-T", "items=2", "-T", "store=all"),
        )
    assert done.returncode == 0, done.stderr
    return folder


def results(folder, *arguments):
    return command("results", *arguments, "--results", folder)


def test_the_listing_stays_as_it_is(puzzles):
    folder, run_id = puzzles
    heading, row = results(folder).out.splitlines()
    assert heading.split()[:3] == ["run", "task", "method"]
    assert row.split()[:2] == [run_id, "arc-agi/concept"]
    (listed,) = results(folder, "--json").json
    assert listed["run_id"] == run_id
    assert "metrics" not in listed


@pytest.mark.parametrize("name", ["latest", "whole", "beginning", "end"])
def test_a_run_alone_shows_its_metrics(puzzles, name):
    folder, run_id = puzzles
    run = {"latest": name, "whole": run_id, "beginning": run_id[:9], "end": run_id[-6:].lower()}
    lines = results(folder, run[name]).out.splitlines()
    assert lines[1].split()[0] == run_id
    figures = dict(line.split() for line in lines[3:])
    # A half of one puzzle of three, by the first attempt.
    assert figures["task_mean"] == figures["task_mean_first"] == "0.166667"
    assert figures["strict"] == "0"


def test_a_run_as_json_has_its_row_and_metrics(puzzles):
    folder, run_id = puzzles
    found = results(folder, "latest", "--json").json
    assert (found["run_id"], found["task"], found["n_failed"]) == (run_id, "arc-agi", 4)
    assert found["metrics"]["pooled"] == pytest.approx(1 / 6)
    assert found["protocol_settings"]["setting"] == "inductive"


def test_an_item_of_a_puzzle_is_drawn(puzzles, monkeypatch):
    monkeypatch.setenv("COLUMNS", "90")
    folder, run_id = puzzles
    lines = results(folder, run_id, "--item", "Copy1/1").out.splitlines()
    assert lines[1].startswith("item Copy1/1: ok, score 0.000")
    assert lines[-3:-1] == ["truth   attempt 1: 2 of 2 cells wrong", "3 4     1!2!"]
    assert "demonstration 2   output" in lines
    right = results(folder, run_id, "--item", "Copy1/0").out
    assert "attempt 1: right" in right
    assert "!" not in right


def test_an_item_that_broke_says_so(puzzles):
    out = results(puzzles[0], "latest", "--item", "Fill1/2").out
    assert "item Fill1/2: failed, score 0.000" in out
    assert "ZeroDivisionError: Broken raised ZeroDivisionError: division by zero" in out
    assert "there is no attempt" in out


def test_an_item_as_svg(puzzles, tmp_path):
    done = results(puzzles[0], "latest", "--item", "Copy1/1", "--svg", tmp_path / "a.svg")
    assert done.err == f"drawn in {tmp_path / 'a.svg'}\n"
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    assert root.get("role") == "img"
    assert "Copy1/1" in root[0].text
    assert puzzles[1] in root[0].text


def test_an_item_as_json(puzzles):
    found = results(puzzles[0], "latest", "--item", "Copy1/1", "--json").json
    (sample,) = found["samples"]
    assert found["run"]["run_id"] == puzzles[1]
    assert (sample["sample_id"], sample["score"], sample["status"]) == ("Copy1/1", 0.0, "ok")
    assert sample["metrics"]["solved"] == 0
    assert sample["trace"]["context"]["gold"] == GOLD["Copy1"][1]
    assert sample["trace"]["context"]["notes"] == {"colour": "red"}
    assert json.loads(sample["trace"]["output"]) == [[[1, 2]]]


def test_an_item_of_another_protocol_shows_its_texts(streams):
    store = ResultsStore(streams)
    (run,) = store.runs()
    sample = store.samples(run.task, [run.run_id]).iloc[1]
    trace = store.traces(run.task, [run.run_id]).set_index("sample_id").loc[sample.sample_id]
    (call,) = json.loads(trace["calls"])
    out = results(streams, run.run_id, "--item", sample.sample_id).out
    assert (
        f"item {sample.sample_id}, stream_id {sample.stream_id}: ok, score {sample.score:.3f}"
        in out
    )
    for message in call["messages"]:
        assert f"--- {message['role']}\n{message['content']}\n" in out
    assert f"--- output\n{call['output']}\n" in out
    assert out.endswith(f"--- answer\n{trace['output']}\n")
    found = results(streams, run.run_id, "--item", sample.sample_id, "--json").json
    assert found["samples"][0]["trace"]["calls"] == [call]


def test_foreign_texts_cannot_steer_the_terminal(streams, monkeypatch):
    monkeypatch.setattr(ResultsStore, "item", lambda *_: [STEERING])
    out = results(streams, "latest", "--item", "x").out
    assert "\x1b" not in out
    assert "--- user\na\\x1b[2J\nb\n" in out


STEERING = {
    "sample_id": "x\x1b[1m",
    "stream_id": "",
    "checkpoint": "",
    "status": "ok",
    "score": None,
    "error": "",
    "error_type": "",
    "metrics": {},
    "trace": {
        "calls": json.dumps(
            [{"messages": [{"role": "user", "content": "a\x1b[2J\nb"}], "output": ""}]
        ),
        "trajectory": "[]",
        "context": "{}",
        "output": "",
    },
}


def test_bad_input_is_one_sentence(puzzles, streams, tmp_path):
    folder, run_id = puzzles
    item = (run_id, "--item", "Copy1/1")
    refused(results(folder, "latest", "--item", "Copy1/7"), "unknown item", "did you mean Copy1/")
    refused(results(folder, "latest", "--item", "%"), "unknown item", "known: Copy1/0, Copy1/1")
    refused(results(folder, "01ABC"), "unknown run '01ABC'")
    refused(results(folder, "--item", "Copy1/1"), "harness results RUN --item ID")
    refused(results(folder, run_id, "--svg", tmp_path / "a.svg"), "harness results RUN --item ID")
    refused(results(folder, *item, "--svg", tmp_path / "none" / "a.svg"), "cannot write")
    (sample,) = ResultsStore(streams).runs()
    ids = ResultsStore(streams).samples(sample.task, [sample.run_id]).sample_id
    drawn = ("latest", "--item", ids.iloc[0], "--svg", tmp_path / "a.svg")
    refused(results(streams, *drawn), "--svg draws grid puzzles, and evo-memory has none")
    assert os.listdir(tmp_path) == []


def test_an_item_that_the_machine_broke_has_no_score(tmp_path):
    unfinished = tmp_path / "results"
    with Server() as server:
        server.broken = lambda prompt: True
        harness(*run_arguments(server, unfinished, "--method", "baseline", "-T", "streams=1"))
    (found,) = ResultsStore(unfinished).runs()
    assert found.n_error
    out = results(unfinished, found.run_id).out
    assert found.run_id in out
    item = ResultsStore(unfinished).item(found.task, found.run_id, ids_of(unfinished, found)[0])
    assert item[0]["score"] is None
    shown = results(unfinished, found.run_id, "--item", item[0]["sample_id"])
    assert "error, score n/a" in shown.out


def ids_of(folder, run):
    return list(ResultsStore(folder).samples(run.task, [run.run_id]).sample_id)


def test_a_run_is_one_page_with_every_puzzle_drawn(tmp_path):
    results, file = tmp_path / "r", tmp_path / "run.html"
    assert run(results, "--method", method("HalfRight")).code == 0
    done = command("results", "latest", "--results", str(results), "--html", str(file))
    assert done.code == 0, done.err
    text = file.read_text()
    assert text.count("<svg ") == 6
    assert text.count('class="solved"') == 4
    assert "<td>strict</td><td>0.5</td>" in text
    assert "<script" not in text
    done = command("results", "--results", str(results), "--html", str(file))
    assert (done.code, "RUN --html FILE" in done.err) == (2, True)
