"""The command line as a user meets it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import yaml
from support import MODEL, Server, clean_environment, harness, run_arguments

from harness.cli import main

HEAVY = (
    *("torch", "transformers", "datasets", "pandas", "minigrid", "gymnasium", "reasoning_gym"),
    *("numpy", "pyarrow", "duckdb", "aiohttp", "scipy"),
)


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run a command in this process; returns (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    for name in ("HARNESS_RESULTS", "HARNESS_TASK"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return call


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A results folder with two finished runs."""
    folder = tmp_path_factory.mktemp("finished")
    with Server() as server:
        done = harness(
            *run_arguments(server, folder, "--method", "baseline", "--method", "exprag"),
            *("-T", "streams=3", "-T", "items=4", "-T", "store=all"),
        )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize(
    "command", [["--help"], ["run", "--help"], ["ls"], ["ls", "methods", "--json"], ["show", "npo"]]
)
def test_listing_imports_nothing_heavy(command):
    code = (
        "import sys\nfrom harness.cli import main\n"
        f"try:\n    main({command!r})\nexcept SystemExit:\n    pass\n"
        f"print(*sorted(set(sys.modules) & set({HEAVY!r})), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=clean_environment(),
        check=True,
    )
    assert done.stderr.strip().splitlines()[-1:] in ([], [""]) or "unknown name" in done.stderr
    assert not set(done.stderr.split()) & set(HEAVY)


RUN = ("run", "--task", "evo-memory")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run"], "which task? Name one with --task"),
        (["run", "--task", "evo-memry"], "unknown task 'evo-memry'; did you mean evo-memory?"),
        ([*RUN, "--method", "expragg"], "unknown method 'expragg'; did you mean exprag"),
        ([*RUN, "--method", "exprag+react"], "write agent+memory"),
        ([*RUN, "--method", "react+exprag+none"], "has 3 parts"),
        ([*RUN, "--method", "exprag:kk=3"], "unknown option of method 'exprag' 'kk'"),
        ([*RUN, "--method", "exprag:k=many"], "option k='many' is refused"),
        ([*RUN, "--method", "exprag:k"], "'k' is not NAME=VALUE"),
        ([*RUN, "--method", "file:./no.py#Mine"], "there is no file no.py"),
        ([*RUN, "-T", "subset=babiai"], "unknown subset of evo-memory 'babiai'; did you mean"),
        ([*RUN, "-T", "stor=all"], "unknown option of task 'evo-memory' 'stor'; did you mean"),
        ([*RUN, "-T", "feedback=none"], "use store=all"),
        ([*RUN, "-T", "k"], "-T takes NAME=VALUE"),
        ([*RUN, "-M", "temperature=hot"], "option temperature='hot' is refused"),
        ([*RUN, "--model", "smolm2"], "unknown model 'smolm2'; did you mean smollm2?"),
        ([*RUN, "--model", "openai"], "openai needs a model: --model openai:NAME"),
        ([*RUN, "--model", "scripted:none.jsonl"], "cannot read none.jsonl"),
        ([*RUN, "--model", "scripted:x", "--model-arg", "speed=2"], "speed"),
        ([*RUN, "--embedder", "minilmm"], "unknown embedder 'minilmm'; did you mean minilm?"),
        ([*RUN, "--order", "random"], "order 'random' is unknown; use native"),
        ([*RUN, "--seeds", "a"], "seeds 'a' are unreadable; write 0-4"),
        ([*RUN, "--seeds", "0-3"], "under greedy decoding are copies"),
        ([*RUN, "--limit", "0"], "limit=0 is refused"),
        ([*RUN, "--config", "none.yaml"], "cannot read none.yaml"),
        ([*RUN, "--base-url", "localhost:8000", "--model", "openai:m"], "must start with http"),
        (["ls", "tsaks"], "unknown list 'tsaks'; did you mean tasks?"),
        (["show", "expraq"], "unknown name 'expraq'; did you mean exprag"),
        (["memory", "latest"], "unknown run 'latest'"),
        (["leaderboard", "evo-memory"], "there is no results folder"),
    ],
)
def test_bad_input_gets_one_sentence_and_exit_code_2(run, arguments, said):
    code, out, err = run(*arguments)
    assert code == 2
    last = err.strip().splitlines()[-1]
    assert last.startswith("harness: ")
    assert said in last
    assert "Traceback" not in err + out


def test_unreachable_server_and_missing_model_are_told_before_the_first_call(run):
    with Server() as server:
        wrong = ("--model", f"openai:{MODEL}s", "--base-url", server.url, "--embedder", "bm25")
        code, _, err = run(*RUN, *wrong)
        assert code == 2
        assert f"did you mean {MODEL}?" in err
        assert server.total == 0
        url = server.url
    code, _, err = run(*RUN, "--model", f"openai:{MODEL}", "--base-url", url)
    assert code == 2
    assert "no server answers at" in err
    assert "--base-url" in err


def test_missing_package_of_an_extra_is_named_with_the_pip_command(run, monkeypatch):
    from harness.registry import Need

    monkeypatch.setattr(Need, "installed", lambda need: need.package != "reasoning_gym")
    code, _, err = run(*RUN)
    assert code == 2
    assert "pip install 'method-harness[environments]'" in err


def test_nothing_runnable_is_an_error_with_the_reasons(run):
    code, _, err = run(*RUN, "--order", "easy-hard", "--model", "openai:x")
    assert code == 2
    assert "nothing to run: baseline the items of this subset have no difficulty" in err


def test_a_base_url_that_nobody_would_use_is_refused(run):
    code, _, err = run(*RUN, "--base-url", "http://127.0.0.1:1", "--embedder", "bm25")
    assert code == 2
    assert "no model or embedder of this sweep talks to a server" in err


@pytest.mark.parametrize(
    "journal", ["[1]\n", '{"kind":"run"}\n', '{"kind":"run","summary":{"x":1}}\n', "{\n{}\n"]
)
def test_a_foreign_journal_is_named_and_skipped(run, tmp_path, journal):
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "X.jsonl").write_text(journal)
    code, _, err = run("results", "--results", str(tmp_path))
    assert code == 1
    assert "skipped journal/X.jsonl" in err
    assert "Traceback" not in err


def test_options_accept_underscores_and_environment_variables(run, monkeypatch):
    code, out, _ = run(*RUN, "--dry_run", "--max_in_flight", "3", "--data_seed", "1", "--json")
    assert code == 0
    assert {one["data_seed"] for one in json.loads(out)["runs"]} == {1}
    monkeypatch.setenv("HARNESS_TASK", "evo-memory")
    monkeypatch.setenv("HARNESS_METHOD", "baseline,exprag:k=2")
    monkeypatch.setenv("HARNESS_TASK_OPTION", "streams=2,items=3")
    code, out, _ = run("run", "--dry-run", "--json")
    assert code == 0
    runs = json.loads(out)["runs"]
    assert [one["label"] for one in runs] == ["baseline", "exprag:k=2"]
    assert {one["n_samples"] for one in runs} == {6}


def test_dry_run_prints_the_matrix_with_reasons_and_the_smallest_p(run):
    code, out, _ = run(*RUN, "--dry-run", "--order", "native", "--order", "easy-hard")
    assert code == 0
    assert out.count("runnable") == 4
    assert out.count("skipped: the items of this subset have no difficulty") == 4
    assert "smallest adjusted p it can reach: 0.0059" in out  # 3 comparisons x 2^(1-10)
    code, out, _ = run(*RUN, "--dry-run", "-T", "streams=3")
    assert "every verdict will be inconclusive" in out


def test_preview_prints_prompts_and_asks_nobody(run):
    code, out, _ = run(*RUN, "--preview", "--method", "baseline", "--model", "openai:x")
    assert code == 0
    assert "--- system\nAnswer the question." in out
    assert "Question: " in out


def test_config_file_is_a_sweep_and_the_command_line_wins(run, tmp_path):
    (tmp_path / "sweep.yaml").write_text(
        yaml.safe_dump(
            {
                "task": "evo-memory",
                "method": ["baseline", "random"],
                "task_options": {"streams": 2, "items": 2},
                "sampling": {"temperature": 0.5},
                "seeds": "0-1",
            }
        )
    )
    code, out, _ = run("run", "--config", "sweep.yaml", "--dry-run", "--json", "-T", "items=3")
    assert code == 0
    runs = json.loads(out)["runs"]
    assert len(runs) == 4
    assert {one["n_samples"] for one in runs} == {6}
    assert {one["sampling"]["temperature"] for one in runs} == {0.5}


def test_saved_spec_runs_again_as_the_same_work(run, finished):
    for spec in (finished / "artifacts").glob("*/spec.yaml"):
        code, out, _ = run("run", "--config", str(spec), "--dry-run", "--json")
        assert code == 0
        (again,) = json.loads(out)["runs"]
        listed = json.loads(run("results", "--results", str(finished), "--json")[1])
        assert again["work_key"] in {one["work_key"] for one in listed}


def test_results_lists_runs_and_names_files_it_cannot_read(run, finished, tmp_path):
    code, out, _ = run("results", "--results", str(finished))
    assert code == 0
    assert out.count("complete") == 2
    assert out.count("12 of 12") == 2
    code, out, _ = run("results", "--results", str(tmp_path / "empty"))
    assert "no runs in" in out
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "torn.parquet").write_bytes(b"PAR1 torn")
    code, _, err = run("results", "--results", str(tmp_path))
    assert code == 1
    assert "skipped runs/torn.parquet" in err


def test_memory_shows_entries_changes_and_who_wrote_and_read_them(run, finished):
    listed = json.loads(run("results", "--results", str(finished), "--json")[1])
    run_id = next(one["run_id"] for one in listed if one["method"] == "exprag")
    where = ("--results", str(finished), "--json")
    views = json.loads(run("memory", run_id[-8:], *where)[1])
    assert [step["added"] for step in views["timeline"]] == [["e0"], ["e1"], ["e2"], ["e3"]]
    first = views["provenance"][0]
    assert first["written"]["step"] == 0
    assert [touch["step"] for touch in first["read"]] == [1, 2, 3]
    entries = json.loads(run("memory", run_id, "--at", "1", *where)[1])["entries"]
    assert [entry["id"] for entry in entries] == ["e0", "e1"]
    changes = json.loads(run("memory", run_id, "--diff", "0", "2", *where)[1])["diff"]
    assert [entry["id"] for entry in changes["added"]] == ["e1", "e2"]
    code, _, err = run("memory", run_id, "--stream", "999", "--results", str(finished))
    assert code == 2
    assert "unknown stream '999'" in err


def test_show_prints_source_options_and_metrics(run):
    code, out, _ = run("show", "evo-memory")
    assert code == 0
    for text in ("arXiv 2511.20857", "licence:", "store = success_only", "metrics:", "progress"):
        assert text in out
    code, out, _ = run("show", "baseline")
    assert "history = false" in out
