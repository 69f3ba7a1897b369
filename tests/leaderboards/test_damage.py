"""Results folders that something went wrong in: named, skipped, and the exit code says so."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from edits import command

STREAMS = {f"s{at}": [at % 2, 1] for at in range(8)}


@pytest.fixture
def filled(results):
    results.run("baseline", STREAMS)
    results.run("exprag", {name: [1, 1] for name in STREAMS})
    return results


def built(root, *words):
    return command("leaderboard", "evo-memory", "--results", str(root), *words)


def test_every_damaged_file_is_named_and_the_rest_is_shown(filled):
    runs, samples = filled.root / "runs", filled.root / "samples" / "task=evo-memory"
    whole = next(iter(sorted(runs.glob("*.parquet"))))
    (runs / "truncated.parquet").write_bytes(whole.read_bytes()[:-100])
    (runs / "empty.parquet").write_bytes(b"")
    pq.write_table(pa.table({"colour": ["red"]}), runs / "foreign.parquet")
    shutil.copy(whole, runs / f"{whole.stem} (copy).parquet")
    newer = filled.run("newer", STREAMS)
    filled.store.replace({**filled.store.row(newer), "schema_version": 99})
    torn = filled.run("torn", STREAMS)
    (samples / f"{torn}.parquet").write_bytes(b"PAR1 torn")
    lost = filled.run("lost", STREAMS)
    (samples / f"{lost}.parquet").unlink()
    (runs / f".{lost}.parquet.0123").write_bytes(b"half written")
    done = built(filled.root)
    assert done.code == 1
    for name in ("truncated", "empty", "foreign", "(copy)", newer, torn, lost):
        assert any(name in line for line in done.err.splitlines()), name
    assert "written by a newer harness (schema 99" in done.err
    assert "Traceback" not in done.err
    board = pq.read_table(filled.root / "leaderboards" / "evo-memory.parquet")
    assert sorted(board["method"].to_pylist()) == ["baseline", "exprag"]


def test_a_whole_folder_of_nothing_is_one_sentence(tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "x.parquet").write_bytes(b"junk")
    done = built(tmp_path)
    assert done.code == 2
    assert "no finished run of evo-memory" in done.err
    assert "Traceback" not in done.err


def test_two_processes_that_build_at_once_leave_one_whole_board(filled, tmp_path):
    built(filled.root, "--out", str(tmp_path / "alone"))
    code = (
        "import sys; from harness.cli import main; "
        f"main(['leaderboard', 'evo-memory', '--results', {str(filled.root)!r}, "
        f"'--out', {str(tmp_path / 'both')!r}])"
    )
    words = [sys.executable, "-c", code]
    processes = [
        subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(3)
    ]
    for one in processes:
        _, said = one.communicate(timeout=120)
        assert one.returncode == 0, said.decode()

    def contents(folder):
        return {
            path.relative_to(folder): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file() and path.suffix != ".lock" and path.name != ".lock"
        }

    assert contents(tmp_path / "both") == contents(tmp_path / "alone")


@pytest.mark.parametrize("column", ["n_planned", "n_done", "method", "task", "status"])
def test_a_row_that_lacks_what_every_run_has_is_named(filled, column):
    run = filled.run("odd", STREAMS)
    filled.store.replace({**filled.store.row(run), column: None})
    done = built(filled.root)
    assert done.code == 1
    assert f"{run}.parquet: its column {column} is empty" in done.err


def test_a_row_without_metrics_is_shown(filled):
    run = filled.run("odd", STREAMS)
    filled.store.replace({**filled.store.row(run), "metrics": None})
    done = built(filled.root)
    assert done.code == 0, done.err
    assert "odd" in done.out


def test_naming_a_board_leaves_the_pages_of_others(filled):
    filled.run("baseline", STREAMS, task="other-task")
    command("leaderboard", "--results", str(filled.root))
    built(filled.root)
    pages = {path.name for path in (filled.root / "leaderboards" / "site" / "board").iterdir()}
    assert pages == {"evo-memory.html", "other-task.html"}


def test_pages_show_neither_links_that_lead_out_nor_local_times(filled, monkeypatch):
    import time

    secret = filled.root.parent / "secret"
    secret.write_text("hush")
    run = filled.run("odd", STREAMS)
    folder = filled.store.artifacts(run)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spec.yaml").symlink_to(secret)
    site = filled.root / "leaderboards" / "site"
    built(filled.root)
    before = {path: path.read_bytes() for path in site.rglob("*.html")}
    assert not any(b"hush" in text for text in before.values())
    assert any(b"2026-01-02 03:04:05 UTC" in text for text in before.values())
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        built(filled.root)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert {path: path.read_bytes() for path in site.rglob("*.html")} == before
