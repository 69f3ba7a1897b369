"""Plug-ins as they are installed: a package folder with its metadata on the path."""

from __future__ import annotations

import sys

import pytest

from harness import catalogue
from harness.errors import UnknownName, UsageError
from harness.methods import resolve
from harness.registry import Kind, Need, find, registered, require

GOOD = """
from harness.protocols.stream import Agent, AgentReport, EntryMemory, Retrieval
from harness.registry import About, Need

class Works(EntryMemory):
    about = About("A memory that works.", "here")
    needs = (Need("no_such_package", "mem0"),)

    async def search(self, query):
        return Retrieval()

    async def evolve(self, experience):
        return

class Silent(EntryMemory):
    async def search(self, query):
        return Retrieval()

    async def evolve(self, experience):
        return
"""
ENTRY_POINTS = """
[harness.methods]
stream.memory.works = good_plugin:Works
stream.agent.misplaced = good_plugin:Works
stream.memory.silent = good_plugin:Silent
stream.memory.broken = broken_plugin:Memory
stream.memory.gone = good_plugin:Gone
no-role = good_plugin:Works

[harness.tasks]
broken-task = broken_plugin:Task
"""


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    (tmp_path / "good_plugin.py").write_text(GOOD)
    (tmp_path / "broken_plugin.py").write_text("raise RuntimeError('half installed')\n")
    install(tmp_path, "their-package", ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    registered.cache_clear()
    yield tmp_path
    registered.cache_clear()
    for name in ("good_plugin", "broken_plugin"):
        sys.modules.pop(name, None)


def install(folder, name, entry_points):
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points)


def test_a_third_partys_method_is_found_as_a_built_in_one(plugins):
    assert resolve("works", "stream").canonical() == "direct+works"
    assert resolve("react+works", "stream").right.type.__module__ == "good_plugin"


def test_a_broken_plug_in_is_named_with_its_reason_and_the_others_work(plugins):
    rows, problems = catalogue.rows("all")
    named = {(row.kind, row.role, row.name): row for row in rows}
    broken = named["method", "memory", "broken"]
    assert "of package 'their-package' cannot be loaded (RuntimeError: half installed)" in (
        broken.broken
    )
    assert "AttributeError" in named["method", "memory", "gone"].broken
    assert "has no 'about'" in named["method", "memory", "silent"].broken
    assert named["task", "task", "broken-task"].broken
    assert len(problems) == len([row for row in rows if row.broken]) == 4
    assert not named["method", "pair", "exprag"].broken
    works = named["method", "memory", "works"]
    assert (works.package, works.missing) == ("their-package", ("no_such_package",))
    text = "\n".join(catalogue.lines(rows))
    assert "A memory that works. [needs no_such_package]" in text
    assert "broken: method 'broken'" in text


def test_using_a_broken_plug_in_is_one_sentence_with_the_mend(plugins):
    with pytest.raises(UsageError, match="half installed.*mend or uninstall that package"):
        resolve("broken", "stream")
    assert resolve("exprag", "stream").label == "exprag"


def test_a_class_under_the_wrong_role_is_refused(plugins):
    with pytest.raises(UsageError, match="registered as agent but is no Agent"):
        resolve("misplaced+none", "stream")


def test_listing_names_imports_no_plug_in(plugins):
    assert "works" in {one.name for one in registered(Kind.METHOD)}
    assert "good_plugin" not in sys.modules


def test_a_name_that_two_packages_have_is_listed_once(plugins):
    install(plugins, "zz-package", "[harness.methods]\nstream.memory.works = good_plugin:Silent\n")
    registered.cache_clear()
    works = [one for one in registered(Kind.METHOD) if (one.role, one.name) == ("memory", "works")]
    assert len(works) == 1


def test_one_name_may_have_several_roles():
    roles = {one.role for one in registered(Kind.METHOD) if one.name == "exprag"}
    assert roles == {"memory", "pair"}
    assert {one.role for one in registered(Kind.MODEL) if one.name == "openai"} == {
        "chat",
        "embedder",
    }


def test_what_is_registered_comes_sorted():
    keys = [(one.protocol, one.role, one.name) for one in registered(Kind.METHOD)]
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    ("kind", "name", "role", "reason"),
    [
        (Kind.TASK, "evo-memoy", "", "unknown task 'evo-memoy'; did you mean evo-memory"),
        (Kind.MODEL, "smollm", "chat", "unknown model 'smollm'; did you mean smollm2"),
        (Kind.MODEL, "bm52", "embedder", "unknown embedder 'bm52'; did you mean bm25"),
        (Kind.BOARD, "xyzzy", "", "unknown board 'xyzzy'; known: arc-agi"),
    ],
)
def test_an_unknown_name_gets_the_nearest_ones(kind, name, role, reason):
    with pytest.raises(UnknownName, match=reason):
        find(kind, name, role)


def test_a_need_is_looked_up_without_an_import():
    assert Need("antigravity", "fun").installed()
    assert "antigravity" not in sys.modules
    with pytest.raises(UsageError, match="install it with: pip install 'method-harness"):
        require([Need("no_such_package", "mem0")], "memory 'mem0'")
