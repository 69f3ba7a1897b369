from __future__ import annotations

import subprocess
import sys

import pytest

from harness.errors import UnknownName
from harness_leaderboards import compare, leaderboard, load_runs, load_samples


@pytest.fixture
def filled(results):
    results.run("baseline", {"s": [0, 1], "t": [1, 0]}, metrics_of_run=[("score", 0.5)])
    results.run("exprag", {"s": [1, 1], "t": [1, 0]}, metrics_of_run=[("score", 0.75)])
    results.run("other", {"s": [1]}, task="other-task")
    return results


def test_runs_are_rows_with_their_metrics(filled):
    runs = load_runs(filled.root)
    assert list(runs["method"]) == ["baseline", "exprag", "other"]
    assert list(runs["metric.score"][:2]) == [0.5, 0.75]
    assert list(load_runs(filled.root, "other-task")["method"]) == ["other"]


def test_samples_are_rows_with_task_and_method(filled):
    samples = load_samples(filled.root)
    assert samples.groupby("method")["score"].mean().to_dict() == {
        "baseline": 0.5, "exprag": 0.75, "other": 1.0,
    }  # fmt: skip
    assert set(samples["task"]) == {"evo-memory", "other-task"}
    assert samples["metric.success"].sum() == 6
    run = load_runs(filled.root)["run_id"][1]
    assert set(load_samples(filled.root, run)["method"]) == {"exprag"}
    assert len(load_samples(filled.root, [run, "latest"])) == 5
    with pytest.raises(UnknownName):
        load_samples(filled.root, "nothing")


def test_a_leaderboard_is_its_rows(filled):
    board = leaderboard(filled.root, "evo-memory")
    assert list(board["method"]) == ["exprag", "baseline"]
    assert list(board["value"]) == [0.75, 0.5]
    assert board["setting"][0]["order"] == "native"


def test_a_comparison_is_a_row_for_each_task_and_subset(results):
    streams = {f"s{at}": [1, 0] for at in range(8)}
    before = results.run("exprag", streams, work_key="a")
    after = results.run("exprag", {name: [0, 0] for name in streams}, work_key="b")
    found = compare(before, after, results.root)
    (row,) = found.to_dict("records")
    assert (row["task"], row["subset"], row["difference"]) == ("evo-memory", "", -0.5)
    assert row["verdict"] == "regressed"
    assert found.attrs["verdict"] == "regressed"
    same = compare(before, before, results.root)
    assert same.attrs["verdict"] == "not_worse"


def test_an_empty_folder_gives_empty_frames(tmp_path):
    assert load_runs(tmp_path).empty
    assert load_samples(tmp_path).empty
    assert leaderboard(tmp_path).empty


def test_what_cannot_be_read_is_a_warning(filled):
    (filled.root / "runs" / "x.parquet").write_bytes(b"junk")
    with pytest.warns(UserWarning, match=r"skipped runs/x\.parquet"):
        load_runs(filled.root)


def test_importing_it_is_light():
    code = (
        "import sys, harness_leaderboards; "
        "print([name for name in ('pandas', 'numpy', 'duckdb') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
