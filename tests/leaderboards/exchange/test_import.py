"""Logs that the tools themselves wrote (lm-eval 0.4.13, inspect_ai 0.3.285), read and joined."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from edits import command

from harness.errors import UsageError
from harness.results.schema import Status
from harness.results.store import ResultsStore
from harness_leaderboards.boards import board_named
from harness_leaderboards.exchange.inspect_log import read_inspect
from harness_leaderboards.exchange.lm_eval import read_lm_eval
from harness_leaderboards.ranking.build import build_ranked

DATA = Path(__file__).parent / "data"
(LM_EVAL,) = DATA.glob("results_*.json")
(LM_EVAL_SAMPLES,) = DATA.glob("samples_*.jsonl")


def edited(path, target, change):
    content = json.loads(path.read_text())
    change(content)
    target.write_text(json.dumps(content))
    return target


def test_a_log_of_lm_eval_gives_its_own_figures():
    (run,) = read_lm_eval(LM_EVAL)
    assert (run.task, run.model, run.version, run.task_version) == (
        "toy_capitals", "qdpv68r5", "0.4.13", "1.0",
    )  # fmt: skip
    scores = [one.score for one in run.samples]
    reported = json.loads(LM_EVAL.read_text())["results"]["toy_capitals"]
    assert sum(scores) / len(scores) == reported["acc,none"] == 0.75
    assert run.metrics["acc_norm"] == reported["acc_norm,none"]
    assert run.samples[0].metrics == {"acc": 1.0, "acc_norm": 1.0}
    assert run.samples[0].trace["calls"][0]["prompt"] == "Capital of France? Answer:\n Paris"
    assert len(run.samples[0].sample_hash) == 64
    assert run.notes == ()


def test_another_metric_can_be_the_score():
    (run,) = read_lm_eval(LM_EVAL, "acc_norm")
    assert sum(one.score for one in run.samples) == 2
    with pytest.raises(UsageError, match="no number 'f1'; they have: acc, acc_norm"):
        list(read_lm_eval(LM_EVAL, "f1"))


def test_a_figure_that_is_not_the_mean_of_its_samples_is_told(tmp_path):
    shutil.copy(LM_EVAL_SAMPLES, tmp_path)

    def change(log):
        log["results"]["toy_capitals"]["acc,none"] = 0.9

    (run,) = read_lm_eval(edited(LM_EVAL, tmp_path / LM_EVAL.name, change))
    assert run.notes == (
        "toy_capitals: the mean acc of the samples, 0.75, is not the 0.9 that lm-eval reports.",
    )


def test_samples_of_further_filters_are_further_metrics(tmp_path):
    shutil.copy(LM_EVAL, tmp_path)
    lines = LM_EVAL_SAMPLES.read_text().splitlines()
    strict = [json.dumps({**json.loads(line), "filter": "strict", "acc": 0.0}) for line in lines]
    (tmp_path / LM_EVAL_SAMPLES.name).write_text("\n".join([*lines, *strict]))
    (run,) = read_lm_eval(tmp_path)
    assert len(run.samples) == 4
    assert run.samples[0].metrics["acc@strict"] == 0.0
    assert run.samples[0].score == 1.0


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no results_.*of lm-eval"),
        ({"results_x.json": "{"}, "is no JSON"),
        ({"results_x.json": "[]"}, "holds no JSON object"),
        ({"results_x.json": "{}"}, "is no results file"),
        ({"results_x.json": '{"results": {}, "configs": {"a": {}}}'}, "with --log_samples"),
        (
            {
                "results_x.json": '{"results": {}, "configs": {"a": {}}}',
                "samples_a_x.jsonl": '{"doc_id": 1}\n{',
            },
            "line 2 of .* is no JSON",
        ),
        (
            {
                "results_x.json": '{"results": {}, "configs": {"a": {}}}',
                "samples_a_x.jsonl": '{"doc_id": 1, "metrics": ["ppl"], "ppl": [1, 2]}',
            },
            "no metric that is a number",
        ),
        (
            {
                "results_x.json": '{"results": {}, "configs": {"a": {}}}',
                "samples_a_x.jsonl": "{}",
            },
            "it has no doc_id",
        ),
    ],
)
def test_what_is_no_log_of_lm_eval_is_refused(tmp_path, files, message):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=message):
        list(read_lm_eval(tmp_path))


@pytest.mark.parametrize("name", ["capitals.eval", "capitals.json"])
def test_a_log_of_inspect_gives_its_scores_and_counts_its_errors(name):
    (run,) = read_inspect(DATA / name)
    assert (run.task, run.model, run.version) == ("capitals", "mockllm/model", "0.3.285")
    by_place = {(one.sample_id, one.repeat): one for one in run.samples}
    assert len(by_place) == 8
    assert by_place["c0", 0].metrics == {"includes": 1.0, "match": 1.0}
    assert (by_place["c2", 0].score, by_place["c2", 1].score) == (0.0, 1.0)
    assert by_place["c0", 0].trace["output"] == "It is Paris."
    assert by_place["c0", 0].trace["calls"][0]["messages"][0]["role"] == "user"
    failed = by_place["c3", 1]
    assert (failed.status, failed.score) == (Status.FAILED, 0.0)
    assert "no such capital" in failed.error
    # Inspect leaves errored samples out: five of six are right, which is its own figure.
    answered = [one.score for one in run.samples if one.status is Status.OK]
    assert sum(answered) / len(answered) == pytest.approx(run.metrics["includes/accuracy"])
    assert run.notes[0].startswith("2 samples errored and count as failed")


def test_both_forms_of_a_log_of_inspect_hold_the_same():
    (one,), (other,) = (read_inspect(DATA / name) for name in ("capitals.eval", "capitals.json"))
    assert {(s.sample_id, s.repeat, s.score, s.sample_hash) for s in one.samples} == {
        (s.sample_id, s.repeat, s.score, s.sample_hash) for s in other.samples
    }


def test_a_scorer_of_inspect_is_chosen_by_name():
    (run,) = read_inspect(DATA / "capitals.eval", "match")
    assert run.samples[0].score == run.samples[0].metrics["match"]
    with pytest.raises(UsageError, match="no scorer 'exact'; it has: includes, match"):
        list(read_inspect(DATA / "capitals.eval", "exact"))


def test_logs_of_inspect_that_cannot_be_used_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"no \.eval or \.json log"):
        list(read_inspect(tmp_path))
    log = DATA / "capitals.json"
    changes = {
        "status 'error'": lambda one: one.update(status="error"),
        "has no scores": lambda one: one["results"].update(scores=[]),
        "has no samples": lambda one: one.update(samples=[]),
        "lacks 'eval'": lambda one: one.pop("eval"),
    }
    for message, change in changes.items():
        with pytest.raises(UsageError, match=message):
            list(read_inspect(edited(log, tmp_path / "x.json", change)))
    whole = (DATA / "capitals.eval").read_bytes()
    for cut, message in ((len(whole) // 2, "damaged archive"), (len(whole) - 30, "damaged")):
        (tmp_path / "x.eval").write_bytes(whole[:cut])
        with pytest.raises(UsageError, match=message):
            list(read_inspect(tmp_path / "x.eval"))
    with zipfile.ZipFile(tmp_path / "x.eval", "w") as archive:
        archive.writestr("samples/a_epoch_1.json", "{}")
    with pytest.raises(UsageError, match="is not finished"):
        list(read_inspect(tmp_path / "x.eval"))


def test_imported_runs_join_a_board_and_are_imported_once(tmp_path):
    words = ("import", "lm-eval", str(DATA), "--results", str(tmp_path))
    done = command(*words)
    assert done.code == 0, done.err
    assert "4 samples, score 0.750" in done.out
    assert "was there already" in command(*words).out
    words = ("import", "inspect", str(DATA / "capitals.eval"), "--results", str(tmp_path))
    done = command(*words, "--task", "toy_capitals", "--method", "mine", "--json")
    assert done.json[0]["n"] == 8
    board = build_ranked(board_named("toy_capitals", ["toy_capitals"]), ResultsStore(tmp_path))
    rows = [row for table in board.tables for row in table.rows]
    assert {row.method: row.average.value for row in rows} == {"lm-eval": 0.75, "mine": 0.625}
    assert {row.average.clusters for row in rows} == {4}
    done = command("leaderboard", "toy_capitals", "--results", str(tmp_path), "--no-site")
    assert done.code == 0, done.err
    assert "lm-eval" in done.out


def test_a_task_whose_name_is_no_folder_needs_another(tmp_path):
    words = ("import", "lm-eval", str(DATA), "--results", str(tmp_path), "--task", "../x")
    done = command(*words)
    assert done.code == 2
    assert "give one with --task" in done.err
    assert not list(tmp_path.rglob("*.parquet"))
