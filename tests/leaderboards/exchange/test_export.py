"""Exported runs, read back with the tools of the formats where there are some."""

from __future__ import annotations

import csv
import io
import json

import yaml
from edits import command
from huggingface_hub import parse_eval_result_entries

from harness.results.schema import Status

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
