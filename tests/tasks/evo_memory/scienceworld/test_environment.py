"""Rules of scoring, over a scripted stand-in for the Java game."""

import pytest

from harness.errors import MissingData, UsageError
from harness_tasks.evo_memory.agentboard import Label
from harness_tasks.evo_memory.scienceworld import simulator
from harness_tasks.evo_memory.scienceworld.environment import ScienceWorldText
from harness_tasks.evo_memory.scienceworld.variations import SPLITS
from harness_tasks.evo_memory.subset import EvoMemoryOptions
from harness_tasks.evo_memory.task import EvoMemory


class ScriptedGame:
    """Answers from a list of (text, score, completed)."""

    goal = "Boil water."

    def __init__(self, *answers):
        self._answers = list(answers)
        self.score, self.completed = 0, False

    def reset(self):
        return "a room\nnothing in the inventory\n"

    def step(self, action):
        text, self.score, self.completed = self._answers.pop(0)
        return text

    def templates(self):
        return ["go OBJ", "reset task", "wait"]


def label(*subgoals):
    return Label("Boil it.", subgoals, "hard", {})


class TestWithLabel:
    def test_progress_is_the_share_of_patterns_found_and_all_of_them_end_the_episode(self):
        game = ScriptedGame(
            ("a cat", 0, False), ("12 degrees, a cat", 0, False), ("a dog", 0, False)
        )
        world = ScienceWorldText(game, label("dog", r"\d+ degrees", "cat"))
        world.reset()
        found = []
        for _ in range(3):
            step = world.step("look around")
            found.append((world.progress, step.done, world.success))
        assert [progress for progress, _, _ in found] == pytest.approx([1 / 3, 2 / 3, 1])
        assert [rest for _, *rest in found] == [[False, False], [False, False], [True, True]]
        assert world.goal == "Boil it."

    def test_the_games_own_end_and_score_mean_nothing(self):
        world = ScienceWorldText(ScriptedGame(("won", 100, True), ("dog", 100, True)), label("dog"))
        world.reset()
        step = world.step("wait")
        assert (step.done, world.success, world.progress) == (False, False, 0.0)
        assert world.step("wait").done

    def test_the_first_room_counts_for_no_subgoal(self):
        world = ScienceWorldText(ScriptedGame(("", 0, False)), label("a room"))
        world.reset()
        world.step("wait")
        assert world.progress == 0.0

    def test_a_pattern_that_is_none_is_named(self):
        world = ScienceWorldText(ScriptedGame(), label("a ("))
        with pytest.raises(MissingData, match="is no regular expression"):
            world.reset()


class TestWithoutLabel:
    def test_progress_is_the_games_score_and_success_its_full_score(self):
        game = ScriptedGame(("", 25, False), ("", 100, True))
        world = ScienceWorldText(game)
        world.reset()
        assert not world.step("wait").done
        assert (world.progress, world.success) == (0.25, False)
        assert world.step("wait").done
        assert (world.progress, world.success, world.goal) == (1.0, True, "Boil water.")

    def test_a_lost_game_ends_without_success_and_without_negative_progress(self):
        world = ScienceWorldText(ScriptedGame(("", -100, True)))
        world.reset()
        assert world.step("focus on air").done
        assert (world.progress, world.success) == (0.0, False)


def test_valid_actions_are_listed_without_the_game_and_cost_a_step():
    world = ScienceWorldText(
        ScriptedGame(("No known action matches that input.", 0, False)), None, 2
    )
    world.reset()
    step = world.step(" check valid actions ")
    assert step.text == (
        "Choose an action from these valid actions: go OBJ, wait, check valid actions"
    )
    assert step.valid
    last = world.step("dance")
    assert (last.valid, last.done, world.success) == (False, True, False)
    with pytest.raises(RuntimeError, match="reset"):
        world.step("wait")


def test_without_java_the_subset_says_so_before_anything_starts(monkeypatch):
    monkeypatch.setattr(simulator.shutil, "which", lambda name: None)
    with pytest.raises(UsageError, match="needs Java.*install a Java runtime"):
        EvoMemory(EvoMemoryOptions(subset="scienceworld")).items(0)


def test_test_variations_are_spread_over_the_last_quarter():
    assert SPLITS["boil"].tests(3) == [21, 25, 29]
    assert all(len(set(one.tests(3))) == 3 for one in SPLITS.values())
    assert all(one.train <= one.first_test for one in SPLITS.values())
