"""The verb `score` as a user meets it, with a small task of a third party."""

from __future__ import annotations

import json
import sys

import pytest

from harness import scoring
from harness.cli import main
from harness.registry import registered

PLUGIN = '''
from pathlib import Path
from harness.errors import UsageError
from harness.options import Options
from harness.registry import About
from harness.scoring import ScoreInterval, Scorer, Scores


class LineOptions(Options):
    """Options."""

    word: str = "right"
    """The word to count."""


class LineScorer(Scorer):
    """Counts lines."""

    Options = LineOptions

    def score(self, files, reference, options):
        lines = [line for file in files for line in file.read_text().splitlines()]
        if not lines:
            raise UsageError("the file is empty.")
        share = sum(line == options.word for line in lines) / len(lines)
        share = float("nan") if lines == ["nan"] else share
        refused = {} if reference else {"gain": "needs --reference FILE"}
        interval = {"accuracy": ScoreInterval(0.0, 1.0, 2)} if reference else {}
        return Scores({"accuracy": share}, {"accuracy": len(lines)}, interval, {"accuracy": 0.5},
                      refused, ["one line is one answer."], {"word": options.word})


class Answers:
    """A task with a scorer."""

    about = About("Answers", "here")
    scorer = LineScorer


class Plain:
    """A task without one."""

    about = About("Plain", "here")
'''
ENTRY_POINTS = """
[harness.tasks]
answers = score_plugin:Answers
plain = score_plugin:Plain
broken-task = score_plugin:Nothing
"""


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run `harness score` beside a package with two tasks; returns (exit code, out, err)."""
    (tmp_path / "score_plugin.py").write_text(PLUGIN)
    info = tmp_path / "score_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: score-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in ("HARNESS_REFERENCE", "HARNESS_TASK_OPTION"):
        monkeypatch.delenv(name, raising=False)
    registered.cache_clear()
    (tmp_path / "one.txt").write_text("right\nwrong\nright\n")
    (tmp_path / "two.txt").write_text("right\n")

    def call(*arguments):
        with pytest.raises(SystemExit) as stopped:
            main(["score", *arguments])
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    yield call
    registered.cache_clear()
    sys.modules.pop("score_plugin", None)


def test_metrics_come_with_what_was_recorded_and_what_is_missing(run):
    code, out, _ = run("answers", "one.txt", "--json")
    assert code == 0
    assert json.loads(out) == {
        "metrics": {"accuracy": 2 / 3},
        "n": {"accuracy": 3},
        "intervals": {},
        "recorded": {"accuracy": 0.5},
        "not_computed": {"gain": "needs --reference FILE"},
        "notes": ["one line is one answer."],
        "word": "right",
    }


def test_several_files_a_reference_and_options(run):
    arguments = ("one.txt", "two.txt", "--reference", "two.txt", "-T", "word=wrong", "--json")
    code, out, _ = run("answers", *arguments)
    found = json.loads(out)
    assert code == 0
    assert found["metrics"] == {"accuracy": 0.25}
    assert found["intervals"] == {"accuracy": {"low": 0, "high": 1, "clusters": 2, "level": 0.95}}


def test_options_are_read_from_variables(run, monkeypatch):
    monkeypatch.setenv("HARNESS_REFERENCE", "two.txt")
    monkeypatch.setenv("HARNESS_TASK_OPTION", "word=wrong")
    found = json.loads(run("answers", "one.txt", "--json")[1])
    assert found["metrics"] == {"accuracy": 1 / 3}
    assert not found["not_computed"]


def test_the_table_has_a_row_for_each_metric(run):
    _, out, _ = run("answers", "one.txt")
    assert out.splitlines() == [
        "metric       value  recorded  n",
        "accuracy  0.666667       0.5  3",
        "",
        "not computed:",
        "  gain: needs --reference FILE",
        "",
        "one line is one answer.",
    ]
    _, out, _ = run("answers", "one.txt", "--reference", "two.txt")
    assert out.splitlines()[:2] == [
        "metric       value  interval  recorded  n",
        "accuracy  0.666667    0 to 1       0.5  3",
    ]


def test_a_table_without_metrics_still_has_a_head():
    assert scoring.lines(scoring.Scores({}))[0].split() == [
        *("metric", "value", "interval", "recorded", "n")
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("plain", "one.txt"), "task 'plain' has no scorer"),
        (("plain", "one.txt"), "these have one: answers"),
        (("answer", "one.txt"), "did you mean answers?"),
        (("answers", "absent.txt"), "there is no file absent.txt"),
        (("answers", "one.txt", "--reference", "absent.txt"), "there is no file absent.txt"),
        (("answers", "one.txt", "-T", "wrod=x"), "unknown option of harness score answers 'wrod'"),
        (("answers", "one.txt", "-T", "word"), "-T takes NAME=VALUE"),
        (("answers", "empty.txt"), "the file is empty."),
        (("answers", "nan.txt"), "the metric accuracy is nan, which is no score"),
        (("broken-task", "one.txt"), "cannot be loaded"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(run, tmp_path, arguments, words):
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "nan.txt").write_text("nan\n")
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.strip().splitlines()) == 1
