"""Dynamic Cheatsheet in both forms; reference case 7."""

from __future__ import annotations

import asyncio

import pytest
from memories import Similarities, experience, found, learned, opened, shown, texts

from harness.models.chat import Phase
from harness.protocols.stream import Query

# Reference case 7: similarities .9, .5, .7 of the stored tasks 1, 2, 3 and k = 3.
SIMILAR = {"one": 0.9, "two": 0.5, "three": 0.7}


def sheet(text):
    return f"Let me think.\n<cheatsheet>\n{text}\n</cheatsheet>"


def play(memory, step, goal, **how):
    """Play an item; returns what was shown."""
    context = shown(memory, goal, step)
    learned(memory, experience(step, goal, correct=None, **how))
    return context


class TestCumulative:
    def test_the_sheet_is_written_after_a_task_and_shown_with_the_next(self):
        memory = opened("dc-cu", [sheet("count twice"), sheet("count thrice")])
        assert play(memory, 0, "red lamp").text == ""
        assert play(memory, 1, "old door").text == "count twice"
        assert texts(memory) == {"sheet": "count thrice"}
        assert memory.context.ask.phases == [Phase.EVOLVE] * 2

    def test_the_curator_is_given_sheet_task_and_answer_and_no_outcome(self):
        memory = opened("dc-cu", [sheet("count twice"), sheet("x")])
        play(memory, 0, "red lamp")
        play(memory, 1, "old door", answer="brown")
        first, second = memory.context.ask.prompts
        assert "Current cheatsheet:\n(empty)" in first
        assert "Current cheatsheet:\ncount twice" in second
        assert "Question: old door\nAnswer: brown" in second
        assert "Result" not in second
        assert memory.unaided

    def test_an_episode_is_given_turn_by_turn(self):
        memory = opened("dc-cu", [sheet("x")])
        play(memory, 0, "find it", answer="go", episode=True)
        (prompt,) = memory.context.ask.prompts
        assert "Observation: seen\nAction: turn left\nObservation: seen\nAction: go" in prompt

    @pytest.mark.parametrize("answer", ["no sheet", "<cheatsheet> </cheatsheet>", ""])
    def test_without_the_tag_the_old_sheet_stays_and_that_is_counted(self, answer):
        memory = opened("dc-cu", [sheet("old"), answer])
        play(memory, 0, "red lamp")
        before = memory.entries()
        play(memory, 1, "old door")
        assert memory.entries() == before
        assert memory.notes() == {"calls": 1, "unreadable": 1, "cut": 0}

    @pytest.mark.parametrize(
        ("answer", "kept"),
        [("<cheatsheet>never closed", "never closed"), (sheet("0123456789x"), "0123456789")],
    )
    def test_a_sheet_that_was_cut_is_counted(self, answer, kept):
        memory = opened("dc-cu:sheet_chars=12" if "never" in answer else "dc-cu:sheet_chars=10")
        memory.context.ask.answers.append(answer)
        play(memory, 0, "red lamp")
        assert texts(memory) == {"sheet": kept}
        assert memory.notes()["cut"] == 1

    def test_the_sheet_is_shown_within_the_streams_budget(self):
        memory = opened("dc-cu", [sheet("0123456789")], experience_chars=4)
        play(memory, 0, "red lamp")
        assert shown(memory).text == "0123"


class TestRetrievalSynthesis:
    def three(self, *answers, method="dc-rs", **settings):
        memory = opened(method, [*["no"] * 3, *answers], ranker=Similarities(SIMILAR), **settings)
        for step, goal in enumerate(("one", "two", "three")):
            play(memory, step, goal, answer=f"answer {goal}")
        return memory

    def test_the_least_similar_pair_stands_first(self):
        memory = self.three(sheet("new"), item_order="most_similar_first")
        assert [hit.id for hit in found(memory, "next", 3).hits] == ["e0", "e2", "e1"]
        shown(memory, "next", 3)
        prompt = memory.context.ask.prompts[-1]
        places = [prompt.rindex(f"Answer: answer {goal}") for goal in ("two", "three", "one")]
        assert places == sorted(places)
        assert "Next task:\nnext" in prompt

    def test_without_the_tag_the_raw_pairs_are_shown_and_stay(self):
        memory = self.three("no sheet here")
        text = play(memory, 3, "next").text
        pairs = [f"Question: {goal}\nAnswer: answer {goal}" for goal in ("two", "three", "one")]
        assert text == "\n\n".join(pairs)
        assert texts(memory)["sheet"] == text
        assert memory.notes()["unreadable"] == 1

    def test_the_sheet_is_written_before_the_task_is_answered_also_the_first(self):
        memory = opened("dc-rs", [sheet("look"), sheet("look again")])
        assert play(memory, 0, "red lamp").text == "look"
        assert play(memory, 1, "old door").text == "look again"
        first, second = memory.context.ask.prompts
        assert "Last cheatsheet:\n(empty)" in first
        assert first.count("(empty)") == 2
        assert "Last cheatsheet:\nlook\n" in second
        assert "Question: red lamp\nAnswer: blue" in second
        assert memory.context.ask.phases == [Phase.RETRIEVE] * 2
        assert list(texts(memory)) == ["sheet", "e0", "e1"]

    def test_a_sheet_becomes_memory_with_its_own_task_only(self):
        memory = opened("dc-rs", [sheet("of the first"), sheet("of another")])
        shown(memory, "red lamp", 0)
        assert memory.entries() == {}
        shown(memory, "held out", 77)
        learned(memory, experience(0, "red lamp", correct=None))
        assert list(texts(memory)) == ["e0"]

    def test_a_failed_task_leaves_no_sheet_behind(self):
        memory = opened("dc-rs", [sheet("of the failed"), sheet("of the second try")])
        shown(memory, "red lamp", 0)
        asyncio.run(memory.restore({}))
        learned(memory, experience(0, "red lamp", correct=None))
        assert "sheet" not in texts(memory)

    def test_raw_pairs_beyond_the_budget_are_cut_alike(self):
        memory = self.three("no", method="dc-rs:sheet_chars=60")
        text = play(memory, 3, "next").text
        assert len(text) <= 60
        parts = [len(part) for part in text.split("\n\n")]
        assert len(parts) == 3
        assert max(parts) - min(parts) <= 1

    def test_the_sheet_itself_is_never_retrieved_as_a_pair(self):
        memory = self.three(sheet("one one one"))
        play(memory, 3, "next")
        assert "sheet" not in [
            hit.id for hit in asyncio.run(memory.search(Query("q", 4, "one"))).hits
        ]
