from __future__ import annotations

import json
import subprocess
import sys

import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from harness.errors import ResultsError, UnknownName, UsageError
from harness_leaderboards.command import leaderboard
from harness_leaderboards.export import schema
from harness_leaderboards.ranking.export import ranking_schema

CLI = typer.Typer()
CLI.command()(leaderboard)


def call(*words):
    """Run the command; exceptions of the harness are raised, as its own main turns them."""
    return CliRunner().invoke(CLI, [*map(str, words)], catch_exceptions=False)


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def filled(results):
    results.run("baseline", {"s": [0, 1, 0], "t": [1, 0, 0]})
    results.run("exprag", {"s": [1, 1, 0], "t": [1, 1, 0]})
    return results


def test_prints_the_tables_and_writes_the_files(filled):
    done = call("evo-memory", "--results", filled.root)
    assert done.exit_code == 0
    assert "exprag" in done.stdout
    table = pq.read_table(filled.root / "leaderboards" / "evo-memory.parquet")
    assert table.schema.equals(ranking_schema())
    assert table["method"].to_pylist() == ["exprag", "baseline"]
    assert table["value"].to_pylist() == pytest.approx([2 / 3, 1 / 3])
    assert table["rank_low"].to_pylist() == [1, 1]
    assert table["rank_high"].to_pylist() == [2, 2]
    table = pq.read_table(filled.root / "leaderboards" / "evo-memory.details.parquet")
    assert table.schema.equals(schema())
    assert table["method"].to_pylist() == ["baseline", "exprag"]
    assert table["gain_difference"].to_pylist() == [None, pytest.approx(1 / 3)]
    assert table["gain_verdict"].to_pylist() == [None, "inconclusive"]
    assert table["no_gain"].to_pylist() == ["the baseline itself", ""]
    assert table["curve_cumulative"].to_pylist()[1] == pytest.approx([1.0, 1.0, 2 / 3])
    text = (filled.root / "leaderboards" / "evo-memory.md").read_text()
    assert text.startswith("# Leaderboard evo-memory\n")


def test_files_go_where_they_are_asked_for_and_leave_no_scratch(filled, tmp_path):
    call("--results", filled.root, "--out", tmp_path / "boards")
    names = {path.name for path in (tmp_path / "boards").iterdir() if path.name[0] != "."}
    tables = {"evo-memory.csv", "evo-memory.md", "evo-memory.parquet"}
    assert names == {*tables, "evo-memory.details.parquet", "site"}
    call("--results", filled.root, "--out", tmp_path / "less", "--no-site")
    assert not (tmp_path / "less" / "site").exists()
    assert not (filled.root / "leaderboards").exists()


def test_files_are_the_same_bytes_when_written_again(filled):
    folder = filled.root / "leaderboards"
    call("--results", filled.root)
    before = contents(folder)
    assert folder / "site" / "index.html" in before
    call("--results", filled.root)
    assert contents(folder) == before


def test_json_holds_every_figure(filled):
    (board,) = json.loads(call("--json", "--results", filled.root).stdout)
    assert [row["method"] for row in board["tables"][0]["rows"]] == ["exprag", "baseline"]
    assert board["board"]["metric"]["cluster"] == "stream"
    rows = board["details"]["sections"][0]["rows"]
    assert [row["method"] for row in rows] == ["baseline", "exprag"]
    assert rows[1]["gain"]["verdict"] == "inconclusive"
    assert rows[1]["gain"]["wins"] == 2


def test_results_folder_comes_from_the_environment(filled):
    done = CliRunner().invoke(CLI, [], env={"HARNESS_RESULTS": str(filled.root)})
    assert done.exit_code == 0


def test_the_folder_of_the_files_comes_from_the_environment(filled, tmp_path):
    env = {"HARNESS_RESULTS": str(filled.root), "HARNESS_OUT": str(tmp_path / "boards")}
    done = CliRunner().invoke(CLI, [], env=env | {"HARNESS_JSON": "1", "HARNESS_DETAILS": "1"})
    assert (tmp_path / "boards" / "evo-memory.md").exists()
    assert done.stdout.startswith("Leaderboard evo-memory\n")
    assert "Cost per sample" not in done.stdout


def test_a_task_without_a_board_has_one_as_soon_as_it_has_runs(results):
    results.run("baseline", {"s": [0]}, task="my-task")
    done = call("my-task", "--results", results.root)
    assert "Leaderboard my-task" in done.stdout


def test_an_unknown_board_names_the_nearest(filled):
    with pytest.raises(UnknownName, match="did you mean evo-memory"):
        call("evo-memori", "--results", filled.root)


def test_an_empty_results_folder_says_how_to_fill_it(tmp_path):
    with pytest.raises(UsageError) as caught:
        call("--results", tmp_path)
    assert str(caught.value) == (
        f"no finished run of evo-memory in {tmp_path}; make one with: harness run --task evo-memory"
    )


def test_unreadable_files_are_named_and_exit_with_1_after_printing(filled):
    (filled.root / "runs" / "broken.parquet").write_bytes(b"junk")
    done = call("--results", filled.root)
    assert done.exit_code == 1
    assert "exprag" in done.stdout
    assert "skipped runs/broken.parquet" in done.stderr


def test_a_folder_that_cannot_be_written_is_one_sentence(filled, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match="choose another folder with --out"):
        call("--results", filled.root, "--out", tmp_path / "file" / "boards")


def test_importing_the_command_is_light():
    heavy = ["pandas", "pyarrow", "numpy", "duckdb", "scipy", "rich.table"]
    code = (
        "import sys, typer; before = set(sys.modules); import harness_leaderboards.command; "
        f"print([name for name in {heavy} if name in set(sys.modules) - before])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
