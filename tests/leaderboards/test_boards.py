from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from harness import registry
from harness.errors import UnknownName, UsageError
from harness_leaderboards.boards import EVO_MEMORY, Board, board_named, boards_of


@pytest.fixture
def boards(monkeypatch):
    """Replace the registered boards."""

    def replace(**values):
        points = [EntryPoint(name, value, "harness.boards") for name, value in values.items()]
        monkeypatch.setattr(registry, "entry_points", lambda group: points)
        registry.registered.cache_clear()

    yield replace
    registry.registered.cache_clear()


def test_a_registered_board_is_found_by_name(boards):
    boards(mine="harness_leaderboards.boards:EVO_MEMORY")
    assert board_named("mine", []) is EVO_MEMORY
    assert boards_of(["evo-memory"]) == ((EVO_MEMORY,), ())


def test_a_task_with_runs_has_a_default_board(boards):
    boards(mine="harness_leaderboards.boards:EVO_MEMORY")
    assert board_named("other", ["other"]) == Board(name="other", task="other")
    assert boards_of(["other"]) == ((Board(name="other", task="other"),), ())


class Loud:
    """Stands in for a task class of another package."""

    baseline = "plain"
    min_effect = 0.05


class Odd:
    baseline = None
    min_effect = -1


@pytest.fixture
def tasks(monkeypatch):
    """Replace the registered tasks; there are no boards."""

    def replace(**values):
        points = [EntryPoint(name, value, "harness.tasks") for name, value in values.items()]
        found = {"harness.tasks": points}
        monkeypatch.setattr(registry, "entry_points", lambda group: found.get(group, []))
        registry.registered.cache_clear()

    yield replace
    registry.registered.cache_clear()


def test_a_default_board_takes_baseline_and_effect_of_its_task(tasks):
    tasks(loud=f"{__name__}:Loud")
    expected = Board(name="loud", task="loud", baseline="plain", min_effect=0.05)
    assert board_named("loud", ["loud"]) == expected
    assert boards_of(["loud"]) == ((expected,), ())


def test_a_broken_or_unknown_task_has_a_default_board_all_the_same(tasks):
    tasks(broken="no_such_package:Task", odd=f"{__name__}:Odd")
    for name in ("broken", "odd", "gone"):
        assert board_named(name, [name]) == Board(name=name, task=name)


def test_an_unknown_board_names_the_nearest(boards):
    boards(**{"evo-memory": "harness_leaderboards.boards:EVO_MEMORY"})
    with pytest.raises(UnknownName, match="unknown board 'evo-memry'; did you mean evo-memory"):
        board_named("evo-memry", [])


def test_an_object_that_is_no_board_is_refused(boards):
    boards(mine="harness_leaderboards.boards:MAIN_COLUMNS")
    with pytest.raises(UsageError, match="'mine' is a tuple, not a Board"):
        board_named("mine", [])


def test_a_broken_plug_in_is_named_and_the_others_work(boards):
    boards(bad="no_such_package.boards:B", mine="harness_leaderboards.boards:EVO_MEMORY")
    found, broken = boards_of(["evo-memory"])
    assert found == (EVO_MEMORY,)
    assert len(broken) == 1
    assert "board 'bad'" in broken[0]
