"""Rules of scoring over a scripted game, and the games' folder; the real games need a download."""

from types import SimpleNamespace
from typing import ClassVar

import pytest

from harness.errors import MissingData, MissingExtra
from harness_tasks.evo_memory.alfworld import games
from harness_tasks.evo_memory.alfworld.environment import AlfWorldText, parsed, without_arrival
from harness_tasks.evo_memory.alfworld.subset import AlfWorld
from harness_tasks.evo_memory.subset import EvoMemoryOptions

INTRODUCTION = (
    "-= Welcome to TextWorld, ALFRED! =-\n\nYou are in the middle of a room. Looking quickly "
    "around you, you see a desk 1, and a shelf 1.\n\nYour task is to: put a mug in desk."
)


class ScriptedGame:
    """Answers from a table; `won` once the mug is on the desk."""

    answers: ClassVar = {
        "go to shelf 1": "You arrive at loc 3. On the shelf 1, you see a mug 1.",
        "open drawer 1": "You open the drawer 1.",
        "take mug 1 from shelf 1": "You pick up the mug 1 from the shelf 1.",
        "move mug 1 to desk 1": "You move the mug 1 to the desk 1.",
        "put mug 1 in/on desk 1": "You put the mug 1 in/on the desk 1.",
        "look": "You are facing the shelf 1. Next to it, you see nothing.",
    }

    def __init__(self):
        self.taken = []

    def reset(self):
        return self._state(INTRODUCTION)

    def step(self, command):
        self.taken.append(command)
        won = command.startswith(("move", "put"))
        # The game's own end at its step limit must not count as success.
        return self._state(self.answers.get(command, "Nothing happens."), won), float(won), True

    def close(self):
        pass

    def _state(self, feedback, won=False):
        return SimpleNamespace(
            feedback=feedback, won=won, admissible_commands=["go to shelf 1", "look"]
        )


class TestEpisode:
    def test_the_greeting_and_the_task_are_parted_from_what_is_seen(self):
        world = AlfWorldText(ScriptedGame())
        assert world.reset().startswith("You are in the middle of a room.")
        assert world.reset().endswith("and a shelf 1.")
        assert world.goal == "put a mug in desk."

    def test_progress_counts_the_end_as_one_more_subgoal(self):
        # Three subgoals, two seen, not done: .5; done: 1.
        world = AlfWorldText(ScriptedGame(), ["a mug", "pick up the mug", "a unicorn"])
        world.step("go to shelf 1")
        assert world.progress == 0.25
        assert not world.step("take mug 1 from shelf 1").done
        assert (world.progress, world.success) == (0.5, False)
        assert world.step("move mug 1 to desk 1").done
        assert (world.progress, world.success) == (1.0, True)

    def test_without_label_progress_is_success(self):
        world = AlfWorldText(ScriptedGame())
        world.step("go to shelf 1")
        assert world.progress == 0.0
        world.step("move mug 1 to desk 1")
        assert world.progress == 1.0

    def test_running_out_of_steps_is_no_success(self):
        world = AlfWorldText(ScriptedGame(), ["a mug"], max_steps=1)
        assert world.step("go to shelf 1").done
        assert (world.success, world.progress) == (False, 0.5)
        with pytest.raises(RuntimeError, match="reset"):
            world.step("look")

    def test_an_arrival_is_told_without_its_number(self):
        world = AlfWorldText(ScriptedGame(), ["^On the shelf"])
        assert world.step("go to shelf 1").text == "On the shelf 1, you see a mug 1."
        assert world.progress == 0.5
        # As of alfworld 0.4 places have names, and AgentBoard's rule leaves them.
        assert without_arrival("You arrive at desk 1. It is.") == "You arrive at desk 1. It is."

    def test_look_shows_the_last_place_once_more(self):
        world = AlfWorldText(ScriptedGame())
        assert world.step("look").text == world.seen
        world.step("go to shelf 1")
        world.step("go to the moon")
        assert world.step("look").text == "On the shelf 1, you see a mug 1."

    def test_valid_actions_are_listed_without_the_game_and_cost_a_step(self):
        game = ScriptedGame()
        world = AlfWorldText(game)
        step = world.step("check valid actions.")
        assert step.text == (
            "Choose an action from these valid actions: go to shelf 1, look, check valid actions"
        )
        assert (game.taken, world.steps) == ([], 1)

    def test_what_does_nothing_is_invalid(self):
        step = AlfWorldText(ScriptedGame()).step("dance")
        assert (step.text, step.valid) == ("Nothing happens.", False)

    def test_a_pattern_that_is_none_is_named(self):
        with pytest.raises(MissingData, match="no regular expression"):
            AlfWorldText(ScriptedGame(), ["a ("])


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ("put mug 1 in desk 1.", "put mug 1 in/on desk 1"),
        ("put mug 1 on desk 1", "put mug 1 in/on desk 1"),
        ("put mug 1 in/on desk 1", "put mug 1 in/on desk 1"),
        (" look. ", "look"),
        ("turn on lamp", "turn on lamp"),
    ],
)
def test_actions_as_the_game_takes_them(said, taken):
    assert parsed(said) == taken


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """134 games that can be played, and some that cannot."""
    monkeypatch.setenv("ALFWORLD_DATA", str(tmp_path))
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    split = tmp_path / "json_2.1.1/valid_unseen"
    names = [f"look_at_obj_in_light-Mug-None-Lamp-{n:03d}/trial_T{n}" for n in range(134)]
    odd = ["pick_and_place_simple-MugSliced-None-Desk-1/trial_T", "pick-movable-1/trial_T"]
    for name in [*names, *odd, "pick-Mug-2/trial_unsolvable"]:
        game = split / name / "game.tw-pddl"
        game.parent.mkdir(parents=True)
        solvable = "false" if "unsolvable" in name else "true"
        game.write_text(f'{{"solvable": {solvable}, "name": "{name}"}}')
        (game.parent / "traj_data.json").write_text("{}")
    return split


def subset(**options):
    return AlfWorld(EvoMemoryOptions(subset="alfworld", **options))


class TestSubset:
    def test_the_134_games_in_the_order_of_their_paths(self, folder):
        items = subset().items(0)
        assert [one.sample_id for one in items] == [f"alfworld/{n:03d}" for n in range(134)]
        assert {one.group for one in items} == {"look_at_obj_in_light"}
        assert len({one.stream_id for one in items}) == 7
        assert len({one.content_hash for one in items}) == 134

    def test_versions_of_the_packages_are_part_of_the_version(self, folder, monkeypatch):
        monkeypatch.setattr(games, "installed", lambda name: {"alfworld": "0.4.2"}.get(name, "1.7"))
        assert subset().version == "alfworld-1+alfworld-0.4.2+textworld-1.7+success-only"

    @pytest.mark.parametrize("lost", ["all", "one"])
    def test_missing_games_are_told_with_the_ways_to_get_them(self, folder, lost, monkeypatch):
        if lost == "all":
            monkeypatch.setenv("ALFWORLD_DATA", str(folder / "nowhere"))
        else:
            next(folder.glob("look*/*/traj_data.json")).unlink()
        said = "finds no games" if lost == "all" else "has 133 solvable games, not 134"
        with pytest.raises(MissingData, match=f"{said}.*alfworld-download.*ALFWORLD_DATA"):
            subset().items(0)

    def test_without_the_package_the_message_tells_what_to_install(self, monkeypatch, tmp_path):
        monkeypatch.setitem(__import__("sys").modules, "alfworld", None)
        with pytest.raises(MissingExtra, match=r"alfworld subset.*method-harness\[alfworld\]"):
            games.open_game(tmp_path)
