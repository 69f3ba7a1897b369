"""Comparison with AgentBoard's 60 labels and planning files, where a local mirror holds them."""

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import MissingData
from harness_tasks.evo_memory.pddl.environment import PddlText
from harness_tasks.evo_memory.pddl.reading import mended, read_problem
from harness_tasks.evo_memory.pddl.wording import literal_text
from harness_tasks.evo_memory.subset import EvoMemoryOptions
from harness_tasks.evo_memory.task import EvoMemory

pytest.importorskip("unified_planning")


def test_without_a_mirror_the_subset_says_what_it_needs(monkeypatch):
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    with pytest.raises(MissingData, match=r"needs agentboard/pddl/test\.jsonl .*HARNESS_DATA"):
        EvoMemory(EvoMemoryOptions(subset="pddl")).items(0)


@pytest.fixture(scope="module")
def task():
    named = os.environ.get("HARNESS_DATA", "")
    if not named or not (Path(named) / "agentboard/pddl/test.jsonl").is_file():
        pytest.skip("HARNESS_DATA does not point at a mirror with AgentBoard's planning problems")
    return EvoMemory(EvoMemoryOptions(subset="pddl", max_steps=200))


@pytest.fixture(scope="module")
def problems(task):
    """Name of the domain, its text, the problem's text, the label."""
    files = task._subset._files
    return [
        (name, files.domains[name], text, label)
        for (name, text), label in zip(files.problems, files.labels, strict=True)
    ]


@pytest.mark.mirror
class TestMirror:
    def test_the_items_are_agentboards(self, task):
        items = task.items(0)
        assert [one.sample_id for one in items] == [f"pddl/{n:03d}" for n in range(60)]
        assert Counter(one.group for one in items) == {
            "gripper": 20,
            "blockworld": 10,
            "barman": 20,
            "tyreworld": 10,
        }
        assert Counter(one.difficulty for one in items) == {0.0: 36, 1.0: 24}
        assert len({one.content_hash for one in items}) == 60
        assert Counter(one.stream_id for one in items) == {f"{n:03d}": 10 for n in range(6)}

    def test_all_60_labels_equal_the_words_of_the_goals(self, problems):
        def spaced(texts):
            return sorted(" ".join(one.split()) for one in texts)

        equal = sum(
            spaced(literal_text(one) for one in read_problem(domain, text).goal)
            == spaced(label.subgoals)
            for _, domain, text, label in problems
        )
        assert equal == 60

    def test_two_problems_begin_with_a_literal_of_the_goal(self, problems):
        read = [read_problem(domain, text) for _, domain, text, _ in problems]
        assert sum(one.satisfied(one.initial) > 0 for one in read) == 2

    def test_all_60_are_solved_by_plans_of_another_program(self, problems, tmp_path):
        planner = pytest.importorskip("pyperplan.planner")
        solved = 0
        for name, domain, text, _ in problems:
            world = PddlText(name, read_problem(domain, text), max_steps=200)
            for operator in _plan(planner, name, mended(domain.lower(), text.lower()), tmp_path):
                assert world.step(operator.name).valid
            solved += world.success and world.progress == 1.0
        assert solved == 60

    def test_demonstrations_are_small_solved_problems(self, task):
        shown = task.demonstrations(6, 0)
        assert len(shown) == 6
        assert all(one.turns and one.feedback.correct for one in shown)
        assert task.demonstrations(6, 0) == shown
        assert task.demonstrations(6, 1) != shown
        goals = {one.goal for one in shown}
        asked = {" ".join(label.goal.split()) for label in task._subset._files.labels}
        assert not goals & asked

    def test_an_observation_recorded_of_agentboard(self, problems):
        name, domain, text, _ = problems[30]
        world = PddlText(name, read_problem(domain, text))
        world.reset()
        assert world.step("right grasp shot2.").text == "You are holding right. "
        filled = world.step(
            "fill-shot glass shot2 with ingredient2 with right and left holding dispenser2"
        )
        assert filled.text == (
            "Pour shot2 from a shot glass to a used shaker ingredient2 Shot2 contains ingredient2. "
        )

    def test_a_label_of_another_problem_is_refused(self, task, problems, monkeypatch):
        monkeypatch.setenv("HARNESS_WORKERS", "0")
        labels = [label for *_, label in problems][::-1]
        monkeypatch.setattr(task._subset, "_files", replace(task._subset._files, labels=labels))
        with pytest.raises(MissingData, match="is not for a problem of gripper"):
            task.episode(task.items(0)[0])


def _plan(planner, name, texts, folder):
    """A plan by best-first search; in barman goal by goal, because its plateaus are wide."""
    files = folder / "domain.pddl", folder / "problem.pddl"
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    task = planner._ground(planner._parse(*map(str, files)))
    goals, plan = sorted(task.goals), []
    bar = name == "barman"
    heuristic = planner.HEURISTICS["hadd" if bar else "hff"]
    for count in range(1, len(goals) + 1) if bar else [len(goals)]:
        task.goals = frozenset(goals[:count])
        part = planner.SEARCHES["gbf"](task, heuristic(task))
        for operator in part:
            task.initial_state = operator.apply(task.initial_state)
        plan += part
    return plan
