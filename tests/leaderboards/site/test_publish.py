"""A site takes the place of another whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from harness.errors import ResultsError, UsageError
from harness_leaderboards.site import publish
from harness_leaderboards.site.publish import MARK, replacing


def fill(folder, text):
    with replacing(folder) as scratch:
        for name in ("a", "b"):
            (scratch / name).write_text(text)


def texts(folder):
    return {path.name: path.read_text() for path in folder.iterdir() if path.name != MARK}


def test_a_new_site_takes_the_place_of_the_old_one(tmp_path):
    fill(tmp_path / "site", "old")
    fill(tmp_path / "site", "new")
    assert texts(tmp_path / "site") == {"a": "new", "b": "new"}
    assert {path.name for path in tmp_path.iterdir()} == {"site", ".site.lock"}


def test_it_does_without_an_exchange_in_one_step(tmp_path, monkeypatch):
    monkeypatch.setattr(publish, "_exchange", lambda one, other: False)
    fill(tmp_path / "site", "old")
    fill(tmp_path / "site", "new")
    assert texts(tmp_path / "site") == {"a": "new", "b": "new"}


def test_a_build_that_breaks_leaves_the_old_site(tmp_path):
    fill(tmp_path / "site", "old")
    with pytest.raises(RuntimeError), replacing(tmp_path / "site") as scratch:
        (scratch / "a").write_text("new")
        raise RuntimeError
    assert texts(tmp_path / "site") == {"a": "old", "b": "old"}


def test_a_killed_build_leaves_the_old_site_and_no_trace_after_the_next(tmp_path):
    fill(tmp_path / "site", "old")
    code = (
        "import sys, pathlib, time; from harness_leaderboards.site.publish import replacing\n"
        "with replacing(pathlib.Path(sys.argv[1])) as scratch:\n"
        "    (scratch / 'a').write_text('new'); print('half', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "site")], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "half\n"
        os.kill(process.pid, signal.SIGKILL)
    assert texts(tmp_path / "site") == {"a": "old", "b": "old"}
    fill(tmp_path / "site", "new")
    assert texts(tmp_path / "site") == {"a": "new", "b": "new"}
    assert {path.name for path in tmp_path.iterdir()} == {"site", ".site.lock"}


def test_a_site_that_was_moved_away_when_its_build_was_killed_comes_back(tmp_path):
    fill(tmp_path / "site", "old")
    (tmp_path / "site").rename(tmp_path / ".site.old")
    with pytest.raises(RuntimeError), replacing(tmp_path / "site"):
        raise RuntimeError
    assert texts(tmp_path / "site") == {"a": "old", "b": "old"}


def test_builds_at_once_leave_one_whole_site(tmp_path):
    code = (
        "import sys, pathlib; from harness_leaderboards.site.publish import replacing\n"
        "for _ in range(20):\n"
        "    with replacing(pathlib.Path(sys.argv[1])) as scratch:\n"
        "        for name in 'ab': (scratch / name).write_text(sys.argv[2])\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "site")]
    running = [subprocess.Popen([*command, text]) for text in ("one", "two", "three")]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert texts(tmp_path / "site") in [{"a": one, "b": one} for one in ("one", "two", "three")]


@pytest.mark.parametrize("make", ["file", "folder"])
def test_what_is_no_site_is_never_replaced(tmp_path, make):
    target = tmp_path / "mine"
    if make == "file":
        target.write_text("mine")
    else:
        target.mkdir()
        (target / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="name an empty or a new"):
        fill(target, "new")
    assert (target if make == "file" else target / "thesis.txt").read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match="cannot write the site"):
        fill(tmp_path / "file" / "site", "new")


@pytest.mark.parametrize("name", ["CNAME", ".git/HEAD", "data/thesis.tex"])
def test_a_site_that_somebody_added_files_to_is_not_replaced(tmp_path, name):
    fill(tmp_path / "site", "old")
    added = tmp_path / "site" / name
    added.parent.mkdir(exist_ok=True)
    added.write_text("mine")
    with pytest.raises(UsageError, match="copy the site from there"):
        fill(tmp_path / "site", "new")
    assert added.read_text() == "mine"
    assert (tmp_path / "site" / "a").read_text() == "old"


def test_a_foreign_folder_with_the_name_of_a_moved_site_stays(tmp_path):
    (tmp_path / ".site.old").mkdir()
    (tmp_path / ".site.old" / "mine").write_text("x")
    fill(tmp_path / "site", "new")
    assert (tmp_path / ".site.old" / "mine").read_text() == "x"


def test_a_link_stays_and_what_it_points_at_is_replaced(tmp_path):
    fill(tmp_path / "real", "old")
    (tmp_path / "link").symlink_to("real")
    fill(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert texts(tmp_path / "real") == {"a": "new", "b": "new"}
