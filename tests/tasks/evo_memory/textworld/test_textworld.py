"""Generated games, made and played with the real package where it is installed."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import MissingExtra
from harness_tasks.evo_memory.subset import EvoMemoryOptions
from harness_tasks.evo_memory.task import EvoMemory
from harness_tasks.evo_memory.textworld import games
from harness_tasks.evo_memory.textworld.environment import TextGame
from harness_tasks.evo_memory.textworld.games import FAMILIES, GameSpec, compiled, walkthrough


def task(**options):
    return EvoMemory(EvoMemoryOptions(subset="textworld", **options))


class TestItems:
    def test_every_stream_has_all_families_at_all_levels(self):
        items = task().items(0)
        assert len(items) == 8 * 9
        for stream in range(8):
            own = [one for one in items if one.stream_id == f"{stream:03d}"]
            assert {(one.group, one.difficulty) for one in own} == {
                (family, level / 2) for family in FAMILIES for level in range(3)
            }

    def test_streams_and_data_seeds_are_disjoint_and_drawn_alike_again(self):
        one, other = task().items(0), task().items(1)
        hashes = {item.content_hash for item in (*one, *other)}
        assert len(hashes) == 2 * 72
        assert task().items(0) == one

    def test_numbers_of_streams_and_items_are_options(self):
        assert len(task(streams=3, items=4).items(0)) == 12


def test_without_the_package_the_message_tells_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "textworld", None)
    with pytest.raises(MissingExtra, match=r"textworld subset.*method-harness\[textworld\]"):
        games.load_textworld()


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def made(cache, monkeypatch):
    """Make a game in a cache of this module."""
    pytest.importorskip("textworld", reason="textworld is not installed")
    monkeypatch.setenv("HARNESS_CACHE", str(cache))
    return lambda family, level: compiled(GameSpec(family, level, 4711))


class TestGame:
    @pytest.mark.parametrize(("family", "level"), [("coin_collector", 0), ("cooking", 2)])
    def test_its_walkthrough_wins_all_points(self, made, family, level):
        path = made(family, level)
        game = TextGame(path)
        progress = [game.progress]
        for action in walkthrough(path):
            step = game.step(action)
            progress.append(game.progress)
        assert step.done
        assert game.success
        assert progress == sorted(progress)
        assert (progress[0], progress[-1]) == (0.0, 1.0)
        game.close()

    def test_what_is_shown_has_neither_banner_nor_prompt_nor_the_way(self, made):
        game = TextGame(made("coin_collector", 0))
        first = game.reset()
        assert first.startswith("-= ")
        assert ">" not in first + game.step("look").text
        assert "coin" in game.goal
        assert not re.search(r"north|south|east|west", game.goal)
        game.close()

    def test_valid_actions_are_listed_and_others_refused_at_the_cost_of_a_step(self, made):
        game = TextGame(made("coin_collector", 0), max_steps=3)
        listed = game.step("Check valid actions")
        assert listed.valid
        assert listed.text.startswith("Valid actions are: go ")
        assert not game.step("sing").valid
        last = game.step("look")
        assert (last.valid, last.done, game.success) == (True, True, False)
        with pytest.raises(RuntimeError, match="reset"):
            game.step("look")
        game.close()

    def test_two_games_in_one_process_do_not_disturb_each_other(self, made):
        path = made("coin_collector", 0)
        way = walkthrough(path)
        one, other = TextGame(path), TextGame(path)
        texts = [one.step(action).text for action in way]
        one.reset()
        mixed = [(one.step(action).text, other.step(action).text) for action in way]
        assert mixed == [(text, text) for text in texts]
        one.close()
        other.close()

    def test_the_same_seed_makes_the_same_game_in_another_process(self, made, tmp_path):
        path = made("coin_collector", 0)
        program = (
            "from harness_tasks.evo_memory.textworld.games import GameSpec, compiled\n"
            "print(compiled(GameSpec('coin_collector', 0, 4711)))"
        )
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "HARNESS_CACHE": str(tmp_path), "PYTHONHASHSEED": "7"},
        )
        other = Path(done.stdout.split()[-1])
        texts = []
        for file in (path, other):
            game = TextGame(file)
            texts.append([game.reset(), *(game.step(one).text for one in walkthrough(path))])
            game.close()
        assert texts[0] == texts[1]

    def test_a_game_is_generated_once(self, made, monkeypatch):
        path = made("coin_collector", 0)
        monkeypatch.setattr(games, "_generate", None)
        assert made("coin_collector", 0) == path
        assert json.loads(path.with_suffix(".json").read_text())["metadata"]["walkthrough"]

    def test_demonstrations_are_walkthroughs_of_other_games(self, made):
        (shown,) = task().demonstrations(1, 0)
        assert shown.feedback.correct
        assert shown.turns
