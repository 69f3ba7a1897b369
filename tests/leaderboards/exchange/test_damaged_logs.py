"""Logs of any shape are read or refused in one sentence; those that tools wrote are the seeds."""

from __future__ import annotations

import copy
import json
import tempfile
from pathlib import Path

import pytest
from edits import command
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UsageError
from harness_leaderboards.exchange.command import Tool, import_
from harness_leaderboards.exchange.shapes import number_of

DATA = Path(__file__).parent / "data"
LM_EVAL = json.loads(next(DATA.glob("results_*.json")).read_text())
ROWS = [json.loads(line) for line in next(DATA.glob("samples_*.jsonl")).read_text().splitlines()]
INSPECT = json.loads((DATA / "capitals.json").read_text())

GONE = object()
VALUES = (
    *(GONE, None, True, 0, -1, 7, 1.5, 1e20, 10**400, float("nan"), float("inf")),
    *("", "x", "../../x", "a" * 300, "\ud800", "\x00", "2024-01-01", "0001-01-01T00:00:00+23:59"),
    *([], {}, [1], ["x"], [[]], [None], {"a": 1}, {"a": None}, {"": []}, [{"name": 1}]),
)


def places(value, path=()):
    yield path
    if isinstance(value, dict):
        for name, one in value.items():
            yield from places(one, (*path, name))
    if isinstance(value, list):
        for at, one in enumerate(value[:2]):
            yield from places(one, (*path, at))


def changed(value, path, new):
    if not path:
        return {} if new is GONE else new
    whole = copy.deepcopy(value)
    inner = whole
    for name in path[:-1]:
        inner = inner[name]
    if new is GONE:
        del inner[path[-1]]
    else:
        inner[path[-1]] = new
    return whole


def lm_eval(folder, log=LM_EVAL, rows=ROWS, task="toy_capitals"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results_1.json").write_text(json.dumps(log))
    lines = "\n".join(json.dumps(row) for row in rows)
    (folder / f"samples_{task}_1.jsonl").write_text(lines)
    return folder


def inspect(folder, log):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "log.json").write_text(json.dumps(log))
    return folder


def imported(tool, folder):
    """Import logs; the sentence of a refusal, else nothing."""
    with tempfile.TemporaryDirectory() as results:
        try:
            import_(tool, folder, Path(results), json_output=True)
        except UsageError as error:
            return str(error)
    return ""


def change_of(seed):
    return st.tuples(st.sampled_from(list(places(seed))), st.sampled_from(VALUES))


@settings(max_examples=150, deadline=None)
@given(st.lists(change_of(LM_EVAL), max_size=1), st.lists(change_of(ROWS), max_size=1))
def test_a_damaged_log_of_lm_eval_is_read_or_refused(in_log, in_rows):
    log, rows = LM_EVAL, ROWS
    for path, new in in_log:
        log = changed(log, path, new)
    for path, new in in_rows:
        rows = changed(rows, path, new)
    rows = rows if isinstance(rows, list) else [rows]
    with tempfile.TemporaryDirectory() as folder:
        said = imported(Tool.LM_EVAL, lm_eval(Path(folder), log, rows))
    assert "\n" not in said


@settings(max_examples=150, deadline=None)
@given(change_of(INSPECT))
def test_a_damaged_log_of_inspect_is_read_or_refused(change):
    with tempfile.TemporaryDirectory() as folder:
        said = imported(Tool.INSPECT, inspect(Path(folder), changed(INSPECT, *change)))
    assert "\n" not in said


@pytest.mark.parametrize(
    ("path", "new", "said"),
    [
        (("date",), 1e20, "date"),
        (("results", "toy_capitals"), [1], "results.toy_capitals"),
        (("config",), "hf", "config"),
        (("n-shot",), [1], "n-shot"),
        (("versions",), [1], "versions"),
    ],
)
def test_what_is_wrong_in_a_log_of_lm_eval_is_named(tmp_path, path, new, said):
    refused = imported(Tool.LM_EVAL, lm_eval(tmp_path, changed(LM_EVAL, path, new)))
    assert f"results_1.json: {said} is damaged" in refused


@pytest.mark.parametrize(("name", "new"), [("metrics", 5), ("arguments", 7)])
def test_what_is_wrong_in_a_sample_of_lm_eval_is_named(tmp_path, name, new):
    refused = imported(Tool.LM_EVAL, lm_eval(tmp_path, rows=changed(ROWS, (1, name), new)))
    assert refused.startswith("line 2 of ")
    assert f"{name}" in refused


@pytest.mark.parametrize(
    ("path", "new", "said"),
    [
        (("samples", 1, "error"), "boom", "sample 2 of"),
        (("samples", 0, "output"), "x", "output"),
        (("samples", 0, "scores"), [1], "scores"),
        (("samples", 0, "scores", "match"), "C", "scores.match"),
        (("samples", 0, "messages", 0), "a", "messages.0"),
        (("samples", 0, "epoch"), "x", "epoch"),
        (("samples", 0, "model_usage"), {"m": {"input_tokens": "many"}}, "input_tokens"),
        (("samples",), {"a": 1}, "samples"),
        (("samples",), [1, 2], "sample 1 of"),
        (("results",), [1], "results"),
        (("results", "scores", 0, "metrics", "accuracy"), 1.0, "metrics.accuracy"),
        (("eval", "packages"), ["x"], "eval.packages"),
    ],
)
def test_what_is_wrong_in_a_log_of_inspect_is_named(tmp_path, path, new, said):
    refused = imported(Tool.INSPECT, inspect(tmp_path, changed(INSPECT, path, new)))
    assert "log.json" in refused
    assert said in refused


def test_a_task_with_a_slash_has_no_samples_beside_it(tmp_path):
    folder = lm_eval(tmp_path / "logs")
    log = {**LM_EVAL, "configs": {"../x/y": {}}}
    (folder / "results_1.json").write_text(json.dumps(log))
    assert "--log_samples" in imported(Tool.LM_EVAL, folder)


def test_a_number_too_large_for_a_float_is_none(tmp_path):
    assert number_of(10**400) is None
    rows = changed(ROWS, (0, "acc"), 10**400)
    done = command(
        *("import", "lm-eval", lm_eval(tmp_path / "logs", rows=rows)),
        *("--results", tmp_path / "r"),
    )
    assert done.code == 0
    assert "1 samples have no acc" in done.err


@pytest.mark.parametrize("name", ["two words", "é", ".hidden", "-x", "a" * 101, "a/b", "a=b"])
def test_names_that_no_board_can_have_are_refused_with_the_mend(tmp_path, name):
    words = ("import", "lm-eval", lm_eval(tmp_path / "logs"), "--results", tmp_path / "r")
    for option in ("task", "subset"):
        done = command(*words, f"--{option}={name}")
        assert done.code == 2
        assert f"give one with --{option} NAME" in done.err
    log = changed(INSPECT, ("eval", "task"), name)
    said = imported(Tool.INSPECT, inspect(tmp_path / "inspect", log))
    assert name == "a/b" or "--task NAME" in said
