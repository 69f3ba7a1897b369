"""Memories on their own: what they keep, find and show."""

from __future__ import annotations

import asyncio

import pytest
from memories import CountVectors, experience, filled, found, ids, opened, shown

from harness.protocols.stream import TieBreak


class TestExpRAG:
    # Reference case 3: count vectors, a tie, and an item without any similarity.
    reference = ("a a b", "a b b", "c d")

    def test_the_nearest_come_first_and_ties_go_to_the_older(self):
        memory = filled("exprag", self.reference, ranker=CountVectors(), k=2)
        hits = found(memory, "a b").hits
        assert [hit.id for hit in hits] == ["e0", "e1"]
        assert [hit.score for hit in hits] == pytest.approx([0.94868, 0.94868], abs=1e-5)

    def test_there_is_no_threshold(self):
        memory = filled("exprag", self.reference, ranker=CountVectors(), k=4)
        assert ids(memory, "a b") == ["e0", "e1", "e2"]

    def test_ties_go_to_the_newer_where_the_stream_says_so(self):
        memory = filled(
            "exprag", self.reference, ranker=CountVectors(), k=2, tie_break=TieBreak.NEWER
        )
        assert ids(memory, "a b") == ["e1", "e0"]

    def test_own_k_wins_over_the_streams(self):
        assert len(ids(filled("exprag:k=1", k=3))) == 1
        assert len(ids(filled("exprag", k=3))) == 3
        assert ids(filled("exprag:k=0", k=3)) == []

    def test_least_similar_first_turns_the_prompt_around(self):
        plain = shown(filled("exprag", self.reference, ranker=CountVectors()), "a b").ids
        turned = shown(
            filled(
                "exprag", self.reference, ranker=CountVectors(), item_order="least_similar_first"
            ),
            "a b",
        ).ids
        assert plain == ("e0", "e1", "e2")
        assert turned == ("e2", "e1", "e0")

    @pytest.mark.parametrize(("index_key", "first"), [("input", "e0"), ("input_output", "e1")])
    def test_the_answer_is_compared_only_if_asked_to(self, index_key, first):
        memory = opened("exprag:k=1", index_key=index_key)
        asyncio.run(memory.evolve(experience(0, "lamp", "blue")))
        asyncio.run(memory.evolve(experience(1, "door", "zebra zebra zebra")))
        assert ids(memory, "zebra lamp lamp" if index_key == "input" else "zebra") == [first]

    def test_the_budget_cuts_the_last_and_drops_the_least_similar(self):
        texts = [hit.text for hit in found(filled("exprag", k=4)).hits]
        budget = len(texts[0]) + 5
        context = shown(filled("exprag", k=4, experience_chars=budget))
        assert [item.text for item in context.items] == [texts[0], texts[1][:5]]
        least_first = shown(
            filled("exprag", k=4, experience_chars=budget, item_order="least_similar_first")
        )
        assert [item.text for item in least_first.items] == [texts[1][:5], texts[0]]
        assert shown(filled("exprag", k=4, experience_chars=0)).items == ()

    def test_an_entry_is_the_templated_record(self):
        memory = opened("exprag")
        asyncio.run(memory.evolve(experience(3, "Open it", "toggle", correct=False, episode=True)))
        (entry,) = memory.entries().values()
        assert entry.text == "Mission: Open it\nActions: turn left -> toggle\nResult: incorrect"
        assert (entry.id, entry.key, entry.sample_id, entry.step) == ("e3", "Open it", "s/3", 3)

    def test_a_removed_entry_is_not_found_again(self):
        memory = filled("exprag")
        assert "e0" in ids(memory)
        asyncio.run(memory.remove(["e0", "unknown"]))
        assert "e0" not in ids(memory)
        assert list(memory.entries()) == ["e1", "e2", "e3"]


class TestExpRecent:
    def test_the_window_holds_the_newest_in_task_order(self):
        assert shown(filled("exprecent", k=2)).ids == ("e2", "e3")
        assert shown(filled("exprecent:k=3", k=2)).ids == ("e1", "e2", "e3")
        assert shown(filled("exprecent", k=0)).ids == ()

    def test_the_budget_drops_the_oldest(self):
        newest = list(filled("exprecent").entries().values())[-1]
        context = shown(filled("exprecent", experience_chars=len(newest.text) + 3))
        assert context.ids == ("e2", "e3")
        assert len(context.items[0].text) == 3


class TestHistory:
    def test_all_previous_questions_are_shown_in_task_order(self):
        goals = [f"question {n}" for n in range(12)]
        assert shown(filled("history", goals, k=2)).ids == tuple(f"e{n}" for n in range(12))

    def test_own_k_bounds_it(self):
        assert shown(filled("history:k=2", k=9)).ids == ("e2", "e3")

    def test_the_budget_drops_the_oldest(self):
        newest = list(filled("history").entries().values())[-1]
        assert shown(filled("history", experience_chars=len(newest.text))).ids == ("e3",)

    @pytest.mark.parametrize(("method", "kept"), [("history", 0), ("history:across=always", 1)])
    def test_episodes_are_kept_only_with_across_always(self, method, kept):
        memory = opened(method)
        asyncio.run(memory.evolve(experience(0, "Open it", episode=True)))
        assert len(memory.entries()) == kept


class TestRandom:
    goals = tuple(f"goal {n}" for n in range(20))

    def test_the_draw_is_the_same_in_every_execution(self):
        drawn = ids(filled("random", self.goals))
        again = filled("random", self.goals)
        for step in (3, 1, 7):
            ids(again, step=step)
        assert ids(again) == drawn
        assert len(set(drawn)) == 4

    def test_the_draw_depends_on_the_item_and_the_stream(self):
        memory = filled("random", self.goals)
        assert len({tuple(ids(memory, step=step)) for step in range(20, 30)}) > 5
        other = filled("random", self.goals, seed_text="0/1/native/000")
        assert ids(other) != ids(memory)

    def test_the_goal_does_not_matter(self):
        memory = filled("random", self.goals)
        assert ids(memory, "goal 1") == ids(memory, "goal 2")

    def test_fewer_entries_than_k_are_all_shown(self):
        assert sorted(ids(filled("random", k=9))) == ["e0", "e1", "e2", "e3"]


class TestStatic:
    def test_the_same_solved_examples_for_every_item(self):
        memory = opened("static:k=2")
        first = found(memory, "anything")
        asyncio.run(memory.evolve(experience(0, "lamp")))
        assert found(memory, "lamp", 5) == first
        assert [hit.text for hit in first.hits] == [
            "Question: demo 0\nAnswer: blue\nResult: correct",
            "Question: demo 1\nAnswer: blue\nResult: correct",
        ]

    def test_nothing_is_kept_so_that_order_cannot_matter(self):
        memory = filled("static")
        assert memory.entries() == {}
        assert memory.stateful is False
        assert len(ids(memory)) == 4


class TestShuffled:
    def test_what_is_found_is_what_exprag_finds_for_another_goal(self):
        goals = ("red lamp", "red lamp shade", "old door", "old door frame")
        memory, honest = filled("shuffled:k=2", goals), filled("exprag:k=2", goals)
        others = {tuple(ids(honest, goal)) for goal in goals}
        drawn = {tuple(ids(memory, "tall tree", step)) for step in range(30)}
        assert drawn <= others
        assert len(drawn) > 1
        assert ids(memory, "x", 4) == ids(memory, "y", 4)

    def test_an_empty_memory_finds_nothing(self):
        assert ids(opened("shuffled")) == []


def test_none_keeps_and_finds_nothing():
    memory = filled("none")
    assert memory.entries() == {}
    assert ids(memory) == []
    assert memory.stateful is False


@pytest.mark.parametrize(
    "method", ["exprag", "exprecent", "history", "random", "shuffled", "static", "none"]
)
def test_a_restored_memory_is_the_same_and_finds_the_same(method, tmp_path):
    memory = filled(method)
    restored, loaded = opened(method), opened(method)
    asyncio.run(restored.restore(memory.entries()))
    memory.dump(tmp_path)
    asyncio.run(loaded.load(tmp_path))
    for other in (restored, loaded):
        assert other.fingerprint() == memory.fingerprint()
        assert ids(other) == ids(memory)
