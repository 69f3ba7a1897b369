from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from harness.errors import MissingData, UnknownName, UsageError
from harness_tasks.evo_memory.babyai.environment import BabyAIText
from harness_tasks.evo_memory.babyai.levels import missions
from harness_tasks.evo_memory.subset import EvoMemoryOptions
from harness_tasks.evo_memory.task import EvoMemory

pytest.importorskip("minigrid")


def evo_memory(**options):
    return EvoMemory(EvoMemoryOptions(**options))


def babyai(**options):
    return evo_memory(subset="babyai", **options)


@pytest.fixture(scope="module")
def goals():
    return [BabyAIText(mission).goal for mission in missions()]


@pytest.fixture
def labels(tmp_path, monkeypatch, goals):
    """A mirror whose label file has AgentBoard's schema, with a subgoal that is seen at once."""
    file = tmp_path / "agentboard/babyai/test.jsonl"
    file.parent.mkdir(parents=True)
    rows = [
        {
            "id": mission.index,
            "task": "babyai",
            "goal": goal,
            "subgoals": ["You are **", "no such thing **"],
            "difficulty": "hard" if mission.index % 4 == 3 else "easy",
            "additional_info": {"init_obs": "", "subtask": mission.level},
        }
        for mission, goal in zip(missions(), goals, strict=True)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    return file


@pytest.fixture
def bare(monkeypatch):
    monkeypatch.delenv("HARNESS_DATA", raising=False)


class TestOptions:
    def test_an_unknown_subset_gets_the_nearest_name(self):
        with pytest.raises(UnknownName, match="did you mean babyai"):
            evo_memory(subset="babyia")

    @pytest.mark.parametrize(
        "options",
        [{"items": 3}, {"families": ("gcd",)}, {"families_per_stream": 3}],
    )
    def test_options_of_questions_are_refused_for_missions(self, options, bare):
        with pytest.raises(UsageError, match=f"{next(iter(options))} does not apply to subset"):
            babyai(**options)

    def test_options_of_missions_are_refused_for_questions(self):
        with pytest.raises(UsageError, match="max_steps does not apply to subset 'reasoning'"):
            evo_memory(max_steps=10)

    def test_a_default_that_is_spelled_out_is_no_mistake(self):
        assert evo_memory(max_steps=30).subset == "reasoning"

    def test_a_subset_has_its_own_longest_answer_and_needs(self, bare):
        assert evo_memory().sampling_defaults() == {"max_tokens": 16}
        assert babyai().sampling_defaults() == {"max_tokens": 64}
        assert [need.package for need in EvoMemory.needs(EvoMemoryOptions())] == ["reasoning_gym"]


class TestBabyAIWithoutLabels:
    def test_the_112_missions_in_seven_equal_streams_of_native_order(self, bare):
        items = babyai().items(0)
        assert Counter(item.stream_id for item in items) == {f"{n:03d}": 16 for n in range(7)}
        assert [item.sample_id for item in items] == [f"babyai/{n:03d}" for n in range(112)]
        assert items[0].group == "GoToRedBallGrey"
        assert {item.difficulty for item in items} == {None}

    @pytest.mark.parametrize("streams", [1, 3, 28, 112])
    def test_streams_are_consecutive_parts_of_nearly_equal_length(self, streams, bare):
        ids = [item.stream_id for item in babyai(streams=streams).items(0)]
        assert ids == sorted(ids)
        sizes = Counter(ids).values()
        assert len(sizes) == streams
        assert max(sizes) - min(sizes) <= 1

    def test_more_streams_than_missions_are_refused(self, bare):
        with pytest.raises(UsageError, match="babyai has 112 missions"):
            babyai(streams=113).items(0)

    def test_missions_do_not_depend_on_the_data_seed(self, bare):
        assert babyai().items(0) == babyai().items(7)

    def test_success_is_the_environments_and_progress_is_not_reported(self, bare):
        task = babyai(max_steps=1)
        assert task.version == "babyai-1+minigrid-2.3.0+environment-success"
        episode = task.episode(task.items(0)[0])
        episode.reset()
        assert episode.step("turn left").done
        found = episode.score()
        assert (found.value, found.success, dict(found.metrics)) == (0.0, False, {})
        assert [source.id for source in task.data_sources()] == ["minigrid"]

    def test_the_longest_episode_is_an_option(self, bare):
        task = babyai(max_steps=2)
        episode = task.episode(task.items(0)[0])
        episode.reset()
        assert episode.brief.max_turns == 2
        assert not episode.step("nonsense").done
        last = episode.step("nonsense")
        assert last.done
        assert not last.valid

    def test_demonstrations_are_solved_missions_of_other_seeds(self, bare):
        task = babyai()
        shown = task.demonstrations(3, 0)
        assert len(shown) == 3
        assert {one.action_label for one in shown} == {"Action"}
        assert all(one.turns for one in shown)
        assert task.demonstrations(3, 0) == shown
        assert task.demonstrations(3, 1) != shown


class TestBabyAIWithLabels:
    def test_success_is_agentboards_rule_and_so_another_version(self, labels):
        task = babyai()
        assert task.version == "babyai-1+minigrid-2.3.0+agentboard-labels"
        assert [source.id for source in task.data_sources()] == ["minigrid", "agentboard/babyai"]

    def test_progress_counts_the_subgoals(self, labels):
        task = babyai(max_steps=2)
        episode = task.episode(task.items(0)[0])
        episode.reset()
        episode.step("turn left")
        found = episode.score()
        assert dict(found.metrics) == {"progress": 0.5}
        assert (found.value, found.success) == (0.0, False)

    def test_difficulties_come_from_the_labels(self, labels):
        difficulty = [item.difficulty for item in babyai().items(0)]
        assert difficulty[:8] == [0, 0, 0, 1, 0, 0, 0, 1]

    def test_labels_change_what_items_are(self, labels, monkeypatch):
        with_labels = babyai().items(0)
        monkeypatch.delenv("HARNESS_DATA")
        assert with_labels[0].content_hash != babyai().items(0)[0].content_hash

    def test_a_label_of_another_mission_is_refused(self, labels):
        rows = labels.read_text().splitlines()
        labels.write_text("\n".join([rows[-1], *rows[1:]]))
        task = babyai()
        with pytest.raises(MissingData, match="is not for BabyAI-GoToRedBallGrey-v0"):
            task.episode(task.items(0)[0]).reset()

    def test_a_mirror_that_is_no_folder_is_named(self, monkeypatch, tmp_path):
        monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "nowhere"))
        with pytest.raises(MissingData, match="which is no folder"):
            babyai()

    def test_a_mirror_without_labels_plays_without_them(self, monkeypatch, tmp_path):
        monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
        assert babyai().version.endswith("environment-success")


@pytest.mark.mirror
def test_the_published_labels_have_86_easy_and_26_hard_missions():
    named = os.environ.get("HARNESS_DATA", "")
    if not (Path(named) / "agentboard/babyai/test.jsonl").is_file() or not named:
        pytest.skip("HARNESS_DATA does not point at a mirror with AgentBoard's labels")
    items = babyai().items(0)
    assert Counter(item.difficulty for item in items) == {0.0: 86, 1.0: 26}
