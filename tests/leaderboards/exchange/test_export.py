"""Exported runs, read back with the tools of the formats where there are some."""

from __future__ import annotations

import csv
import io
import json

import pytest
import yaml
from edits import command
from huggingface_hub import parse_eval_result_entries

from harness.errors import ResultsError
from harness.results.schema import Status
from harness.statistics import wilson
from harness_leaderboards.exchange.command import _write

HUB = '[{"id": "org/data/config", "revision": "1", "content_hash": "c"}]'


def exported(results, out, *words):
    return command("export", *words, "--results", str(results.root), "--out", str(out))


def test_csv_has_every_run_and_sample(results, tmp_path):
    results.run("exprag", {"s": [1, 0]}, metrics_of_run=[("score", 0.5)])
    results.run("=1+1", {"s": [1, Status.FAILED]})
    done = exported(results, tmp_path, "--format", "csv")
    assert done.code == 0, done.err
    runs = list(csv.DictReader(io.StringIO((tmp_path / "runs.csv").read_text())))
    assert [row["method"] for row in runs] == ["exprag", "'=1+1"]
    assert runs[0]["metric.score"] == "0.5"
    samples = list(csv.DictReader(io.StringIO((tmp_path / "samples.csv").read_text())))
    assert [row["status"] for row in samples] == ["ok", "ok", "ok", "failed"]
    assert samples[0]["metric.success"] == "1.0"
    before = (tmp_path / "samples.csv").read_bytes()
    exported(results, tmp_path, "--format", "csv")
    assert (tmp_path / "samples.csv").read_bytes() == before


def test_every_eval_ever_has_what_its_schema_requires(results, tmp_path):
    run = results.run("exprag", {f"s{at}": [at % 2] for at in range(8)}, model_id="org/m-1")
    done = exported(results, tmp_path, run, "--format", "every-eval-ever", "--json")
    assert done.code == 0, done.err
    (path,) = (tmp_path / "data" / "evo-memory" / "org" / "m-1").glob("*.json")
    found = json.loads(path.read_text())
    # Required and allowed members of eval.schema.json 0.2.1, which allows no others.
    required = {
        *("schema_version", "evaluation_id", "retrieved_timestamp", "source_metadata"),
        *("model_info", "eval_library", "evaluation_results"),
    }
    allowed = {"evaluation_timestamp", "dedupe_identity", "detailed_evaluation_results"}
    assert required <= found.keys() <= required | allowed
    assert found["schema_version"] == "0.2.1"
    assert found["retrieved_timestamp"].isdigit()
    assert found["source_metadata"]["source_type"] == "evaluation_run"
    assert found["source_metadata"]["evaluator_relationship"] == "other"
    assert found["model_info"]["id"] == "org/m-1"
    assert found["model_info"]["additional_details"]["method"] == "exprag"
    (result,) = found["evaluation_results"]
    assert {"evaluation_name", "source_data", "metric_config", "score_details"} <= result.keys()
    assert result["evaluation_name"] == "evo-memory/babyai"
    assert result["metric_config"]["lower_is_better"] is False
    assert result["score_details"]["score"] == 0.5
    interval = result["score_details"]["uncertainty"]["confidence_interval"]
    assert interval["lower"] < 0.5 < interval["upper"]
    details = result["generation_config"]["additional_details"]
    assert all(isinstance(value, str) for value in details.values())
    lines = path.with_name(found["detailed_evaluation_results"]["file_path"]).read_text()
    rows = [json.loads(line) for line in lines.splitlines()]
    assert len(rows) == found["detailed_evaluation_results"]["total_rows"] == 8
    for row in rows:
        assert {"sample_id", "input", "answer_attribution", "evaluation"} <= row.keys()
        assert row["evaluation_id"] == found["evaluation_id"]
        assert row["interaction_type"] == "single_turn"
        assert row["output"]["raw"] == [""]
        assert row["messages"] is None
        assert row["input"]["reference"] == []


def test_a_conversation_of_several_turns_has_each_message_once():
    from harness_leaderboards.exchange.every_eval_ever import _messages

    first = [{"role": "system", "content": "play"}, {"role": "user", "content": "door"}]
    more = [*first, {"role": "assistant", "content": "open"}, {"role": "user", "content": "done"}]
    calls = [{"messages": first, "output": "open"}, {"messages": more, "output": "thanks"}]
    said = [one["content"] for one in _messages({"calls": json.dumps(calls)})]
    assert said == ["play", "door", "open", "done", "thanks"]


def test_hub_results_are_read_by_the_hubs_own_library(results, tmp_path):
    results.run("exprag", {"s": [1, 0], "t": [1, 1]}, model_id="org/model", data=HUB)
    done = exported(results, tmp_path, "--format", "hf-results")
    assert done.code == 0, done.err
    (path,) = (tmp_path / "org" / "model" / ".eval_results").glob("*.yaml")
    (entry,) = parse_eval_result_entries(yaml.safe_load(path.read_text()))
    assert (entry.dataset_id, entry.task_id, entry.value) == ("org/data", "babyai", 0.75)
    assert entry.date == "2026-01-02T03:04:05Z"
    assert "exprag" in entry.notes


def test_runs_that_the_hub_cannot_place_are_named(results, tmp_path):
    results.run("exprag", {"s": [1, 0]}, model_id="plain")
    done = exported(results, tmp_path, "--format", "hf-results", "--dataset", "org/data")
    assert done.code == 1
    assert "its model 'plain' has no Hub id" in done.err
    done = exported(results, tmp_path, "--format", "hf-results")
    assert "name the benchmark with --dataset" in done.err
    done = exported(results, tmp_path, "--format", "hf-results", "--dataset", "x")
    assert done.code == 2


def test_unfinished_and_unknown_runs_are_refused(results, tmp_path):
    run = results.run("exprag", {"s": [1, Status.ERROR]})
    assert exported(results, tmp_path, run).code == 2
    assert exported(results, tmp_path, "nothing").code == 2
    done = exported(results, tmp_path)
    assert done.code == 2
    assert "no finished run" in done.err


@pytest.mark.parametrize("model", ["../..", "org/..", "../x", "a/.", ".hidden/x"])
def test_a_model_cannot_name_a_folder_outside_of_the_export(results, tmp_path, model):
    results.run("exprag", {"s": [1, 0]}, model_id=model, data=HUB)
    done = exported(results, tmp_path / "deep" / "out", "--format", "hf-results")
    assert done.code == 1
    assert f"its model '{model}' has no Hub id" in done.err
    assert not list(tmp_path.rglob("*.yaml"))


def test_a_file_outside_of_the_folder_is_never_written(tmp_path):
    with pytest.raises(ResultsError, match="is outside of"):
        _write(tmp_path / "out", {"../x": b"x"})
    (tmp_path / "out").mkdir(exist_ok=True)
    (tmp_path / "out" / "link").symlink_to(tmp_path)
    with pytest.raises(ResultsError, match="is outside of"):
        _write(tmp_path / "out", {"link/x": b"x"})
    assert not list(tmp_path.rglob("x"))


@pytest.mark.parametrize("form", ["csv", "every-eval-ever"])
def test_a_run_with_damaged_samples_is_named_and_the_others_are_written(results, tmp_path, form):
    broken = results.run("exprag", {"s": [1, 0]})
    whole = results.run("history", {"s": [1, 1]})
    path = results.root / "samples" / "task=evo-memory" / f"{broken}.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    done = exported(results, tmp_path / "out", "--format", form)
    assert done.code == 1
    assert broken in done.err
    assert "Traceback" not in done.err
    texts = "".join(one.read_text() for one in (tmp_path / "out").rglob("*.*") if one.is_file())
    assert whole in texts
    assert broken not in texts


def test_damaged_texts_leave_a_run_out_where_they_are_needed(results, tmp_path):
    broken = results.run("exprag", {"s": [1, 0]})
    results.run("history", {"s": [1, 1]})
    path = results.root / "traces" / "task=evo-memory" / f"{broken}.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    done = exported(results, tmp_path / "csv", "--format", "csv")
    assert (done.code, done.err) == (0, "")
    done = exported(results, tmp_path / "eee", "--format", "every-eval-ever")
    assert done.code == 1
    assert f"left out run {broken}: " in done.err
    assert len(list((tmp_path / "eee").rglob("*_samples.jsonl"))) == 1


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ([1, 0, 1, 1], "Wilson's score interval over independent sources"),
        ([1, 0, 0.5, 1], "t interval over independent sources, within [0, 1]"),
    ],
)
def test_an_interval_is_called_what_it_is(results, tmp_path, monkeypatch, scores, said):
    from harness_leaderboards.boards.spec import BoardSpec, Cluster, Metric
    from harness_leaderboards.exchange import chosen

    metric = Metric(cluster=Cluster.SOURCE, equal_sources=True)
    board = BoardSpec(name="x", task="evo-memory", protocol="stream", baseline="b", metric=metric)
    results.run("exprag", {f"s{at}": [score] for at, score in enumerate(scores)})
    monkeypatch.setattr(chosen, "board_of", lambda _: board)
    (one,) = chosen.chosen(results.store, ())
    assert one.interval == said
    if "Wilson" in said:
        known = wilson(3, 4)
        assert (one.low, one.high) == pytest.approx((known.low, known.high))


def test_the_interval_of_a_board_of_streams_is_over_streams(results, tmp_path):
    results.run("exprag", {f"s{at}": [at % 2] for at in range(8)}, model_id="org/m-1")
    exported(results, tmp_path, "--format", "every-eval-ever")
    (path,) = (tmp_path / "data" / "evo-memory" / "org" / "m-1").glob("*.json")
    (result,) = json.loads(path.read_text())["evaluation_results"]
    interval = result["score_details"]["uncertainty"]["confidence_interval"]
    assert interval["method"] == "cluster-robust t interval over independent streams"
