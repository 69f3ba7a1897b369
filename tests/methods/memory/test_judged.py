"""Memories that learn from what a judge says, and the one that asks before it reads."""

from __future__ import annotations

import pytest
from memories import experience, ids, learned, opened, shown, texts

from harness.errors import MethodError
from harness.models.chat import Phase


def workflow(*names):
    return "\n".join(f"<workflow>\n{name}\n1. look\n2. act\n</workflow>" for name in names)


def lesson(*titles):
    return "\n\n".join(
        f"Title: {one}\nDescription: when {one}\nContent: do {one}" for one in titles
    )


class TestAWM:
    def test_a_success_is_induced_from_and_a_failure_is_not(self):
        memory = opened("awm", ["No.", "Yes, it fits.", workflow("find")])
        learned(memory, experience(0, "red lamp", correct=None))
        assert memory.entries() == {}
        learned(memory, experience(1, "old door", correct=None))
        assert memory.context.ask.phases == [Phase.JUDGE, Phase.JUDGE, Phase.EVOLVE]
        assert shown(memory).ids == ("e1.0",)
        assert shown(memory).items[0].text == "find\n1. look\n2. act"
        assert memory.notes()["judged_success"] == 0  # reading began another item

    def test_all_workflows_are_induced_anew_from_all_successes(self):
        answers = ["yes", workflow("a", "b"), "yes", workflow("c")]
        memory = opened("awm", answers)
        learned(memory, *(experience(n, f"goal {n}", correct=None) for n in range(2)))
        prompt = memory.context.ask.prompts[-1]
        assert "[1] Question: goal 0" in prompt
        assert "[2] Question: goal 1" in prompt
        assert list(texts(memory)) == ["e0", "e1", "e1.0"]

    def test_each_success_can_add_its_own(self):
        answers = ["yes", workflow("a", "b"), "yes", workflow("c")]
        memory = opened("awm:induce=each", answers)
        learned(memory, *(experience(n, f"goal {n}", correct=None) for n in range(2)))
        assert "goal 0" not in memory.context.ask.prompts[-1]
        assert shown(memory).ids == ("e0.0", "e0.1", "e1.0")

    def test_every_n_th_success_is_induced_from(self):
        memory = opened("awm:every=2", ["yes", "yes", workflow("a"), "yes"])
        learned(memory, *(experience(n, f"goal {n}", correct=None) for n in range(3)))
        assert shown(memory).ids == ("e1.0",)

    def test_an_answer_without_a_workflow_keeps_the_old_ones(self):
        memory = opened("awm", ["yes", workflow("a"), "yes", "nothing in common"])
        learned(memory, *(experience(n, f"goal {n}", correct=None) for n in range(2)))
        assert memory.notes()["unreadable"] == 1
        assert shown(memory).ids == ("e0.0",)

    def test_equal_goals_count_once_and_the_newest_fit(self):
        memory = opened("awm", lambda prompt: "yes" if "yes or no" in prompt else workflow("a"))
        goals = [f"goal {n} {'x' * 300}" for n in range(30)] + ["again", "again"]
        learned(memory, *(experience(n, goal, f"a{n}") for n, goal in enumerate(goals)))
        prompt = memory.context.ask.prompts[-1]
        assert prompt.count("Question: again") == 1
        assert "Answer: a31" in prompt
        assert "goal 29" in prompt
        assert "goal 0" not in prompt

    def test_the_newest_workflows_that_fit_are_shown_in_order(self):
        memory = opened(
            "awm:induce=each",
            lambda prompt: "yes" if "yes or no" in prompt else workflow("a"),
            experience_chars=2 * len("a\n1. look\n2. act"),
        )
        learned(memory, *(experience(n, f"goal {n}") for n in range(4)))
        assert shown(memory).ids == ("e2.0", "e3.0")


class TestJudge:
    @pytest.mark.parametrize("method", ["awm", "reasoning-bank"])
    def test_the_model_judges_without_being_told(self, method):
        memory = opened(method, ["no"] * 9)
        assert memory.unaided
        learned(memory, experience(0, "red lamp", "brown", correct=None))
        assert "Question: red lamp\nAnswer: brown" in memory.context.ask.prompts[0]
        assert "Result" not in memory.context.ask.prompts[0]

    @pytest.mark.parametrize("method", ["awm:judge=feedback", "reasoning-bank:judge=feedback"])
    def test_or_the_feedback_does(self, method):
        memory = opened(method, [workflow("a") + lesson("b")] * 2, store="all")
        assert not memory.unaided
        learned(memory, experience(0, "red lamp", correct=True))
        assert memory.context.ask.phases == [Phase.EVOLVE]
        assert memory.notes()["judged_success"] == 1

    @pytest.mark.parametrize("method", ["awm:judge=feedback", "reasoning-bank:judge=feedback"])
    def test_which_the_stream_has_to_grant(self, method):
        with pytest.raises(MethodError, match="feedback=correctness"):
            opened(method, feedback="none", store="all")

    def test_an_unreadable_verdict_is_no_success_and_is_counted(self):
        memory = opened("awm", ["not correct, I would say"])
        learned(memory, experience(0, "red lamp", correct=None))
        assert memory.entries() == {}
        assert memory.notes() == {
            "calls": 1,
            "unreadable": 1,
            "judged_success": 0,
            "workflows": 0,
        }


class TestReasoningBank:
    def test_success_and_failure_have_prompts_of_their_own(self):
        memory = opened("reasoning-bank", ["yes", lesson("a"), "no", lesson("b")])
        learned(memory, *(experience(n, f"goal {n}", correct=None) for n in range(2)))
        prompts = memory.context.ask.prompts
        assert "This attempt at a task succeeded" in prompts[1]
        assert "This attempt at a task failed" in prompts[3]
        origins = [entry.meta["from"] for entry in memory.entries().values()]
        assert origins == ["success", "failure"]

    def test_at_most_three_items_are_kept(self):
        memory = opened("reasoning-bank", ["yes", lesson("a", "b", "c", "d")])
        learned(memory, experience(0, "red lamp", correct=None))
        assert texts(memory) == {
            f"e0.{n}": f"{one}\nwhen {one}\ndo {one}" for n, one in enumerate("abc")
        }

    def test_markdown_headings_are_read_as_well(self):
        answer = (
            "# Memory Item 1\n## Title Look\n## Description\nAlways look.\n## Content: See it.\n"
            "# Memory Item 2\n**Title:** Act\n**Content:** Do it."
        )
        memory = opened("reasoning-bank", ["yes", answer])
        learned(memory, experience(0, "red lamp", correct=None))
        assert texts(memory) == {"e0.0": "Look\nAlways look.\nSee it.", "e0.1": "Act\nDo it."}

    @pytest.mark.parametrize(
        ("tasks", "kept"), [(1, ["e1.0", "e1.1"]), (2, ["e1.0", "e1.1", "e0.0"])]
    )
    def test_all_items_of_the_nearest_task_are_shown(self, tasks, kept):
        memory = opened(
            f"reasoning-bank:tasks={tasks}", ["yes", lesson("a"), "no", lesson("b", "c")]
        )
        learned(memory, experience(0, "old door", correct=None))
        learned(memory, experience(1, "red lamp", correct=None))
        assert ids(memory, "red lamp red door") == kept

    def test_a_task_without_an_item_leaves_nothing(self):
        memory = opened("reasoning-bank", ["yes", "Title: only a title"])
        learned(memory, experience(0, "red lamp", correct=None))
        assert memory.entries() == {}
        assert memory.notes()["unreadable"] == 1


class TestSelfRAG:
    def three(self, *answers, method="selfrag"):
        memory = opened(method, answers, k=2)
        goals = ("red lamp", "old door", "red door")
        return learned(memory, *(experience(n, goal) for n, goal in enumerate(goals)))

    def test_one_call_and_one_for_each_retrieved_experience(self):
        memory = self.three("Yes.", "yes", "yes")
        assert len(ids(memory, "red door")) == 2
        asked = memory.context.ask
        assert asked.phases == [Phase.RETRIEVE] * 3
        assert asked.limits == [16] * 3
        assert "red lamp" not in asked.prompts[0]
        assert "Question: red door" in asked.prompts[1]

    def test_what_is_irrelevant_is_not_shown(self):
        memory = self.three("yes", "no", "yes")
        plain = ids(self.three(method="exprag"), "red door")
        assert ids(memory, "red door") == plain[1:]
        assert memory.notes()["irrelevant"] == 1

    def test_nothing_is_retrieved_where_it_is_not_wanted(self):
        memory = self.three("No, I can do it.")
        assert ids(memory, "red door") == []
        assert memory.notes()["declined"] == 1
        assert memory.notes()["calls"] == 1

    def test_an_empty_memory_is_not_asked_about(self):
        memory = opened("selfrag")
        assert ids(memory) == []
        assert memory.notes()["calls"] == 0

    def test_what_cannot_be_read_shows_what_exprag_shows_and_is_counted(self):
        memory = self.three("perhaps", "perhaps", "perhaps")
        assert ids(memory, "red door") == ids(self.three(method="exprag"), "red door")
        assert memory.notes()["unreadable"] == 3

    @pytest.mark.parametrize(
        ("method", "answers", "calls"),
        [("selfrag:ask_need=false", ["yes"] * 2, 2), ("selfrag:ask_relevance=false", ["yes"], 1)],
    )
    def test_each_question_can_be_left_out(self, method, answers, calls):
        memory = self.three(*answers, method=method)
        assert len(ids(memory, "red door")) == 2
        assert memory.notes()["calls"] == calls
