"""What the files of a site say, without a browser."""

from __future__ import annotations

import hashlib
import json

import pytest
import ranked_boards
import small_site

from harness.errors import UsageError
from harness_leaderboards.site.build import BuildStopped, write_site
from harness_leaderboards.site.model import SiteBoard, SiteOptions
from harness_leaderboards.site.names import Places
from harness_leaderboards.site.ranked import ranked_grid


def content(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_equal_rows_make_equal_bytes(results, tmp_path):
    board = small_site.small_board(results)
    one = small_site.write(results, [board], tmp_path / "one")
    other = small_site.write(results, [board], tmp_path / "other")
    assert content(one) == content(other)
    assert ".nojekyll" in content(one)


def test_pages_ask_nobody_unless_they_are_served(results, tmp_path):
    board = small_site.small_board(results)
    site = small_site.write(results, [board], tmp_path / "site")
    assert not (site / "assets" / "live.js").exists()
    assert "connect-src" not in (site / "index.html").read_text()
    served = small_site.write(results, [board], tmp_path / "served", live=True)
    assert "connect-src &#39;self&#39;" in (served / "index.html").read_text()
    for path in site.rglob("*.html"):
        assert "http://" not in path.read_text()
        assert "https://" not in path.read_text()


def test_missing_figures_are_said_and_never_zero():
    subsets = ("a", "b")
    rows = [
        ranked_boards.row("whole", [0.5, 0.4], subsets=subsets, rank=(1, 1)),
        ranked_boards.row("half", [0.9, None], subsets=subsets, unranked="b is missing"),
    ]
    places = Places(["evo-memory"], ["whole", "half"], ["evo-memory"], [])
    grid = ranked_grid(ranked_boards.spec(), ranked_boards.table(rows, subsets), 0, places)
    keys = [column.key for column in grid.columns]
    half = dict(zip(keys, grid.rows[1].cells, strict=True))
    assert half["value"].text == "n/a"
    assert half["value"].value is None
    assert (half["n"].text, half["n"].note) == ("60 of 120", "1 of 2 subsets")
    assert (half["s1"].text, half["s1"].note) == ("n/a", "none of 60")
    assert half["rank"].text == "–"
    assert half["method"].note == "b is missing"


def test_rows_are_sorted_and_samples_beyond_the_most_are_left_out(results, tmp_path):
    run_id = small_site.publish(results, "exprag", count=250)
    rows = [ranked_boards.row("exprag", [0.5], subsets=["r"], runs=[[run_id]])]
    board = SiteBoard(ranked_boards.board([ranked_boards.table(rows, ["r"])]))
    site = small_site.write(results, [board], tmp_path / "site", samples_per_run=210)
    folder = site / "data" / "run" / run_id
    names = sorted(path.name for path in folder.iterdir())
    assert names[:2] == ["samples-0.js", "samples-1.js"]
    assert len(names) == 2 + 11
    text = (folder / "samples-1.js").read_text()
    value = json.loads(text.removeprefix('harnessChunk("samples-1",').removesuffix(");\n"))
    assert len(value["rows"]) == 10
    page = (site / "run" / f"{run_id}.html").read_text()
    assert "The first 210 of 250" in page
    assert f"samples/task=evo-memory/{run_id}.parquet" in page


def test_a_damaged_file_of_samples_is_said_on_its_page(results, tmp_path):
    board = small_site.small_board(results)
    run_id = board.ranked.tables[0].rows[0].cells[0].run_ids[0]
    path = results.root / "samples" / "task=evo-memory" / f"{run_id}.parquet"
    path.write_bytes(b"PAR1 damaged")
    site = small_site.write(results, [board], tmp_path / "site")
    assert "the file of its samples is damaged" in (site / "run" / f"{run_id}.html").read_text()


def test_a_board_without_runs_and_a_site_without_boards_open(results, tmp_path):
    results.store.prepare()
    board = SiteBoard(ranked_boards.board([]))
    site = small_site.write(results, [board], tmp_path / "site")
    assert "No finished run to rank yet." in (site / "board" / "evo-memory.html").read_text()
    site = small_site.write(results, [], tmp_path / "site", problems=("a <b>problem</b>",))
    assert "a &lt;b&gt;problem&lt;/b&gt;" in (site / "index.html").read_text()


def test_spreadsheets_take_no_name_for_a_formula(results, tmp_path):
    results.store.prepare()
    rows = [
        ranked_boards.row("=cmd()", [0.5], subsets=["r"], rank=(1, 2)),
        ranked_boards.row("other", [0.1], subsets=["r"], rank=(1, 2)),
    ]
    board = SiteBoard(ranked_boards.board([ranked_boards.table(rows, ["r"])]))
    site = small_site.write(results, [board], tmp_path / "site")
    assert "'=cmd()" in (site / "data" / "board" / "evo-memory.csv").read_text()
    assert ",'=cmd()," in (site / "data" / "board" / "evo-memory.pairs.csv").read_text()
    plain = json.loads((site / "data" / "board" / "evo-memory.json").read_text())
    assert plain["tables"][0]["rows"][0]["method"] == "=cmd()"
    assert plain["tables"][0]["pairs"]["rows"][0][:2] == [0, 1]


def test_a_build_can_be_stopped(results, tmp_path):
    import threading

    results.store.prepare()
    stop = threading.Event()
    stop.set()
    with pytest.raises(BuildStopped):
        write_site([], results.store, tmp_path / "site", SiteOptions(), stop)
    assert not (tmp_path / "site").exists()


def test_a_folder_with_other_things_is_refused(results, tmp_path):
    results.store.prepare()
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="name an empty or a new"):
        small_site.write(results, [], tmp_path)
