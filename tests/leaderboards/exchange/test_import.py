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


def lm_eval_log(folder, scores=(1.0, 1.0, 0.0, 1.0), **changes):
    """The recorded log with other members and other scores of its samples."""
    folder.mkdir(parents=True)
    edited(LM_EVAL, folder / LM_EVAL.name, lambda log: log.update(changes))
    rows = [json.loads(line) for line in LM_EVAL_SAMPLES.read_text().splitlines()]
    lines = [json.dumps({**row, "acc": acc}) for row, acc in zip(rows, scores, strict=True)]
    (folder / LM_EVAL_SAMPLES.name).write_text("\n".join(lines))
    return folder


def imported(tool, path, results, *words):
    done = command("import", tool, path, "--results", results, "--json", *words)
    assert done.code == 0, done.err
    return done.json


def config(**changes):
    return {**json.loads(LM_EVAL.read_text())["config"], **changes}


@pytest.mark.parametrize(
    "change",
    [
        {"model_name": "org/other"},
        {"config": config(model_revision="abc")},
        {"config": config(model_args={"peft": "adapter"})},
        {"n-shot": {"toy_capitals": 5}},
        {"versions": {"toy_capitals": 2.0}},
        {"date": 1795359999.0},
    ],
)
def test_equal_samples_of_another_run_are_another_run(tmp_path, change):
    logs = [lm_eval_log(tmp_path / "a"), lm_eval_log(tmp_path / "b", **change)]
    first, second = (imported("lm-eval", one, tmp_path / "r")[0] for one in logs)
    assert first["new"]
    assert second["new"]
    assert not imported("lm-eval", logs[1], tmp_path / "r")[0]["new"]


def test_another_metric_of_a_log_is_another_run(tmp_path):
    for tool, log, metric in (
        ("lm-eval", LM_EVAL, "acc_norm"),
        ("inspect", DATA / "capitals.json", "match"),
    ):
        assert imported(tool, log, tmp_path)[0]["new"]
        assert imported(tool, log, tmp_path, "--metric", metric)[0]["new"]


def test_an_adapter_and_its_base_are_told_apart_on_a_board(tmp_path):
    for name, scores in (("base", (1, 1, 1, 1)), ("peft", (0, 0, 0, 1))):
        args = config(model_args=f"pretrained=m,{name}=x")
        imported("lm-eval", lm_eval_log(tmp_path / name, scores, config=args), tmp_path / "r")
    board = build_ranked(
        board_named("toy_capitals", ["toy_capitals"]), ResultsStore(tmp_path / "r")
    )
    rows = [row for table in board.tables for row in table.rows]
    assert sorted(row.average.value for row in rows) == [0.25, 1.0]


@pytest.mark.parametrize("newest_first", [True, False])
def test_of_equal_work_the_log_that_began_last_counts(tmp_path, newest_first):
    old = lm_eval_log(tmp_path / "old", (0, 0, 0, 0), date=1_700_000_000.0)
    new = lm_eval_log(tmp_path / "new", (1, 1, 1, 1), date=1_700_000_900.5)
    logs = [new, old] if newest_first else [old, new]
    told = [imported("lm-eval", one, tmp_path / "r")[0] for one in logs]
    said = "boards take that one" if newest_first else f"it replaces run {told[0]['run_id']}"
    assert said in told[1]["notes"][-1]
    store = ResultsStore(tmp_path / "r")
    assert [row["started_at"].timestamp() for row in store.rows()] == [
        1_700_000_000,
        1_700_000_900.5,
    ]
    board = build_ranked(board_named("toy_capitals", ["toy_capitals"]), store)
    (row,) = [row for table in board.tables for row in table.rows]
    assert row.average.value == 1.0


def test_arguments_of_task_model_and_solver_of_inspect_tell_runs_apart(tmp_path):
    def change(log):
        log["eval"]["task_args"] = {"fewshot": 3}
        log["eval"]["model_args"] = {"adapter": "x"}
        log["eval"]["model_generate_config"] = {"temperature": 0.5}
        log["eval"]["solver"] = "recite"

    (run,) = read_inspect(edited(DATA / "capitals.json", tmp_path / "x.json", change))
    assert run.task_options == {"fewshot": 3}
    assert run.sampling == {
        "temperature": 0.5,
        "model_args": {"adapter": "x"},
        "solver": "recite",
    }


def test_values_of_inspect_are_its_own_numbers_and_others_are_told(tmp_path):
    # As inspect_ai.scorer.value_to_float of 0.3.285 has them; what it warns of is no number here.
    values = {
        "C": 1.0,
        "P": 0.5,
        "I": 0.0,
        "N": 0.0,
        "c": None,
        "Yes": 1.0,
        "no": 0.0,
        "TRUE": 1.0,
        "false": 0.0,
        "0.25": 0.25,
        "1e400": None,
        "nan": None,
        "maybe": None,
        "": None,
    }

    def change(log):
        one = log["samples"][0]
        log["samples"] = [
            {**one, "id": f"s{at}", "scores": {"includes": {"value": value}}}
            for at, value in enumerate([*values, {"a": 1}, [1], True, 3])
        ]

    (run,) = read_inspect(edited(DATA / "capitals.json", tmp_path / "x.json", change))
    assert [one.score for one in run.samples] == [*values.values(), None, None, 1.0, 3.0]
    assert run.notes[0].startswith("7 of 18 samples have no value of includes that is a number")
