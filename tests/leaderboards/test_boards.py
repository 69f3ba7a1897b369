from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from harness import registry
from harness.errors import UnknownName, UsageError
from harness_leaderboards.boards import (
    Board,
    _task_class,
    board_named,
    board_of,
    boards_of,
    detailed,
    least_effect,
)
from harness_leaderboards.boards.spec import Cluster, Source

OURS = "harness_leaderboards.boards:EVO_MEMORY"

FIELDS = {"name": "mine", "task": "evo-memory", "protocol": "stream", "baseline": "baseline"}
NO_FIELDS = {"name": "mine", "protocol": "stream"}
NO_BOARD = ("a", "tuple")


@pytest.fixture
def entries(monkeypatch):
    """Replace what is registered."""

    def replace(group, **values):
        points = [EntryPoint(name, value, group) for name, value in values.items()]
        monkeypatch.setattr(
            registry, "entry_points", lambda group, found={group: points}: found.get(group, [])
        )
        registry.registered.cache_clear()
        _task_class.cache_clear()

    yield replace
    registry.registered.cache_clear()
    _task_class.cache_clear()


def test_every_built_in_board_is_a_valid_file_about_a_registered_task():
    from harness.registry import Kind, registered

    tasks = {one.name for one in registered(Kind.TASK)}
    names = [one.name for one in registered(Kind.BOARD)]
    assert {"evo-memory", "tofu", "muse", "wmdp", "arc-agi", "arc-challenge", "imagenet-c"} <= set(
        names
    )
    for name in names:
        spec = board_named(name)
        assert spec.name == name
        assert spec.task in tasks
        assert detailed(spec) is not None
        assert 0 <= least_effect(spec) < 1


def test_what_a_board_says_of_its_protocol_reaches_its_tables():
    tofu = detailed(board_named("tofu"))
    assert tofu.forgetting[0].metric == "forget_Q_A_Prob"
    assert tofu.forgetting[0].levels == (0.5, 0.3, 0.15)
    assert tofu.end[0] == ("forget_Q_A_Prob", "forget prob")
    assert detailed(board_named("arc-agi")).fit_options == ("fit_on", "leaks")
    assert detailed(board_named("imagenet-c")).costs[0] == ("images_per_second", "images/s")


def test_a_third_party_registers_a_file_or_its_fields(entries):
    entries("harness.boards", file=OURS, fields=f"{__name__}:FIELDS")
    assert board_named("file").name == "evo-memory"
    assert board_named("fields").task == "evo-memory"


def test_a_file_of_the_users_own_is_read(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'name = "mine"\ntask = "evo-memory"\nprotocol = "stream"\nbaseline = "b"\n'
        'subsets = ["babyai"]\nmin_effect = 0.2\n[metric]\nname = "steps"\n'
        "higher_is_better = false\nworst = 64.0\n"
    )
    spec = board_named(str(path))
    assert spec.metric.name == "steps"
    assert spec.metric.cluster is Cluster.STREAM
    assert least_effect(spec) == 0.2
    assert detailed(spec).higher_is_better is False


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "Invalid value"),
        ('name = "a"', "task: Field required"),
        ('name = "a b"\ntask = "t"\nprotocol = "stream"\nbaseline = "b"', "letters a to z, digits"),
        ('name = "a"\ntask = "t"\nprotocol = "strem"\nbaseline = "b"', "protocol: Input should"),
        (
            'name = "a"\ntask = "t"\nprotocol = "stream"\nbaseline = "b"\ncolour = 1',
            "colour: Extra inputs",
        ),
        (
            'name = "a"\ntask = "t"\nprotocol = "stream"\nbaseline = "b"\n[adapt]\nfigures = []',
            r"has a part \[adapt\]",
        ),
        (
            'name = "a"\ntask = "t"\nprotocol = "stream"\nbaseline = "b"\nsubsets = ["x"]\n'
            '[[groups]]\nname = "g"\nsubsets = ["y"]',
            "does not have: y",
        ),
        (
            'name = "a"\ntask = "t"\nprotocol = "stream"\nbaseline = "b"\n[metric]\n'
            "higher_is_better = false",
            "has to say what a failed sample counts with",
        ),
        (
            'name = "a"\ntask = "t"\nprotocol = "stream"\nbaseline = "b"\n[metric]\nworst = nan',
            "metric.worst: Input should be a finite number",
        ),
        (
            'name = "a"\ntask = "t"\nprotocol = "stream"\nbaseline = "b"\n[[trade_offs]]\n'
            'x = "colour"\ntitle = "t"',
            "trade_offs name no column: colour",
        ),
        (
            'name = "a"\ntask = "evo-memory"\nprotocol = "solve"\nbaseline = "b"',
            "evo-memory is a task of protocol 'stream'",
        ),
        (
            'name = "a"\ntask = "t"\nprotocol = "stream"\nbaseline = "b"\nmin_effect = -1',
            "min_effect: Input should be greater",
        ),
    ],
)
def test_a_file_that_is_no_board_is_refused_with_the_place(tmp_path, text, message):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        board_named(str(path))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"cannot read the board .*none\.toml"):
        board_named(str(tmp_path / "none.toml"))


def test_a_task_with_runs_has_a_default_board(entries):
    entries("harness.boards", mine=OURS)
    spec = board_named("other", ["other"])
    assert (spec.name, spec.task, spec.baseline) == ("other", "other", "baseline")
    assert detailed(spec) == Board(name="other", task="other")
    assert boards_of(["other"]) == ((spec,), ())
    assert board_of("other") == spec


class Loud:
    """Stands in for a task class of another package."""

    baseline = "plain"
    min_effect = 0.05


class Solving:
    baseline = "nothing"
    protocol = "solve"


class Editing:
    baseline = "identity"
    protocol = "edit"


class Odd:
    baseline = None
    min_effect = -1


def test_a_default_board_takes_baseline_and_effect_of_its_task(entries):
    entries("harness.tasks", loud=f"{__name__}:Loud")
    spec = board_named("loud", ["loud"])
    assert spec.baseline == "plain"
    assert least_effect(spec) == 0.05
    assert detailed(spec).min_effect == 0.05


def test_a_default_board_fits_the_protocol_of_its_task(entries):
    entries("harness.tasks", solving=f"{__name__}:Solving", editing=f"{__name__}:Editing")
    solving, editing = (board_named(name, [name]) for name in ("solving", "editing"))
    assert (solving.protocol, solving.metric.cluster) == ("solve", Cluster.SOURCE)
    assert (editing.protocol, editing.metric.of) == ("edit", Source.RUNS)
    assert detailed(solving) is None
    assert detailed(editing) is None


def test_a_broken_or_unknown_task_has_a_default_board_all_the_same(entries):
    entries("harness.tasks", broken="no_such_package:Task", odd=f"{__name__}:Odd")
    for name in ("broken", "odd", "gone"):
        spec = board_named(name, [name])
        assert spec.baseline == "baseline"
        assert least_effect(spec) == 0.01


def test_an_unknown_board_names_the_nearest(entries):
    entries("harness.boards", **{"evo-memory": OURS})
    with pytest.raises(UnknownName, match="unknown board 'evo-memry'; did you mean evo-memory"):
        board_named("evo-memry", [])


def test_an_object_that_is_no_board_is_refused(entries):
    entries("harness.boards", mine=f"{__name__}:NO_BOARD", less=f"{__name__}:NO_FIELDS")
    with pytest.raises(UsageError, match="'mine' is a tuple, not the path"):
        board_named("mine", [])
    with pytest.raises(UsageError, match="task: Field required"):
        board_named("less", [])


def test_a_broken_plug_in_is_named_and_the_others_work(entries):
    entries("harness.boards", bad="no_such_package.boards:B", mine=OURS)
    found, broken = boards_of(["evo-memory"])
    assert [one.name for one in found] == ["evo-memory"]
    assert len(broken) == 1
    assert "board 'bad'" in broken[0]
