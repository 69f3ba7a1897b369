"""Mem0, the algorithm of the paper's time and the one that replaced it; reference case 16."""

from __future__ import annotations

import json
import math

import pytest
from memories import CountVectors, Similarities, experience, found, ids, learned, opened, texts

from harness.protocols.stream import Delta, Entry


def facts(*found):
    return json.dumps({"facts": found})


def decide(*decisions):
    names = ("id", "event", "text")
    return json.dumps({"memory": [dict(zip(names, one, strict=False)) for one in decisions]})


def extracted(*found):
    return json.dumps({"memory": [{"text": one} for one in found]})


def one_fact(method, *answers, **settings):
    """A memory that holds one fact, and answers next as told."""
    first = (
        (extracted("old"),)
        if "additive" in method
        else (facts("old"), decide(("new", "ADD", "old")))
    )
    memory = opened(method, [*first, *answers], **settings)
    return learned(memory, experience(0, "red lamp"))


def change(memory, step=1, goal="red door", **how):
    """What learning one more experience changes."""
    before = memory.entries()
    learned(memory, experience(step, goal, **how))
    return Delta.between(before, memory.entries())


class TestReferenceCase16:
    def test_in_the_first_algorithm_an_update_edits_the_item(self):
        memory = one_fact("mem0", facts("f1"), decide(("0", "UPDATE", "old and f1")))
        delta = change(memory)
        assert (len(delta.added), len(delta.changed), len(delta.removed)) == (0, 1, 0)
        assert texts(memory) == {"e0.0": "old and f1"}
        assert memory.entries()["e0.0"].key == "old and f1"
        assert memory.entries()["e0.0"].meta == {"updated_by": "s/1"}

    def test_in_the_second_algorithm_the_same_input_adds(self):
        memory = one_fact("mem0-additive", extracted("f1"))
        delta = change(memory)
        assert [entry.text for entry in delta.added] == ["f1"]
        assert [entry.id for entry in delta.changed] == ["messages"]
        assert delta.removed == ()


class TestMem0:
    def test_every_event_is_carried_out(self):
        memory = opened("mem0", [facts("a", "b"), decide(("x", "ADD", "a"), ("y", "add", "b"))])
        learned(memory, experience(0, "red lamp"))
        assert texts(memory) == {"e0.0": "a", "e0.1": "b"}
        memory.context.ask.answers += [
            facts("c", "a"),
            decide((0, "DELETE"), ("1", "NONE", "b"), ("new", "ADD", "c")),
        ]
        delta = change(memory)
        assert delta.removed == ("e0.0",) or delta.removed == ("e0.1",)
        assert [entry.text for entry in delta.added] == ["c"]
        notes = memory.notes()
        assert (notes["added"], notes["deleted"], notes["refused"]) == (3, 1, 0)

    def test_memories_are_shown_by_small_numbers(self):
        memory = one_fact("mem0", facts("f1"), decide())
        change(memory)
        prompt = memory.context.ask.prompts[-1]
        assert "Memory:\n[0] old\n" in prompt
        assert "New facts:\n[1] f1\n" in prompt
        assert "e0.0" not in prompt

    def test_an_empty_memory_is_said_to_be_empty(self):
        memory = opened("mem0", [facts("f1"), decide(("new", "ADD", "f1"))])
        learned(memory, experience(0, "red lamp"))
        assert "Memory:\n(empty)" in memory.context.ask.prompts[-1]

    def test_neighbours_of_all_facts_are_shown_once_and_bounded(self):
        names = [f"fact {n}" for n in range(9)]
        memory = opened("mem0", [facts(*names), decide(*(("x", "ADD", one) for one in names))])
        learned(memory, experience(0, "red lamp"))
        memory.context.ask.answers += [facts("fact 1", "fact 2"), decide()]
        change(memory)
        listed = memory.context.ask.prompts[-1].partition("New facts")[0]
        shown = [line for line in listed.splitlines() if line.startswith("[")]
        assert 5 <= len(shown) <= 9
        assert len({line.partition("] ")[2] for line in shown}) == len(shown)

    def test_without_facts_nothing_more_is_asked_and_nothing_is_unreadable(self):
        memory = opened("mem0", [facts()])
        learned(memory, experience(0, "red lamp"))
        notes = memory.notes()
        assert (notes["calls"], notes["facts"], notes["unreadable"]) == (1, 0, 0)

    @pytest.mark.parametrize(
        "refused",
        [("7", "UPDATE", "t"), ("x", "DELETE", "t"), ("0", "MERGE", "t"), ("new", "ADD", " ")],
    )
    def test_an_operation_that_cannot_be_done_is_counted(self, refused):
        memory = one_fact("mem0", facts("f1"), decide(refused))
        delta = change(memory)
        assert delta == Delta()
        assert memory.notes()["refused"] == 1

    def test_what_was_deleted_cannot_be_updated_by_the_same_answer(self):
        memory = one_fact("mem0", facts("f1"), decide(("0", "DELETE"), ("0", "UPDATE", "t")))
        change(memory)
        assert texts(memory) == {}
        assert memory.notes()["refused"] == 1

    def test_the_outcome_that_is_granted_is_shown_to_the_extraction(self):
        memory = one_fact("mem0", facts())
        change(memory, correct=False)
        assert "Result: incorrect" in memory.context.ask.prompts[-1]
        assert not memory.unaided

    def test_reading_is_by_similarity_to_the_facts(self):
        memory = opened(
            "mem0:k=1",
            [facts("a b", "c d"), decide(("", "ADD", "a b"), ("", "ADD", "c d"))],
            ranker=CountVectors(),
        )
        learned(memory, experience(0, "red lamp"))
        assert ids(memory, "c d") == ["e0.1"]


class TestAdditive:
    def test_what_is_known_word_for_word_is_not_added_again(self):
        memory = one_fact("mem0-additive", extracted("old", "new", "new"))
        delta = change(memory)
        assert [entry.text for entry in delta.added] == ["new"]
        assert memory.notes()["duplicates"] == 1

    def test_the_window_holds_the_last_messages(self):
        memory = opened("mem0-additive:window=3", lambda _prompt: extracted())
        learned(memory, experience(0, "one"), experience(1, "two"), experience(2, "three"))
        assert json.loads(texts(memory)["messages"]) == [
            "Answer: blue\nResult: correct",
            "Question: three",
            "Answer: blue\nResult: correct",
        ]
        learned(memory, experience(3, "four"))
        prompt = memory.context.ask.prompts[-1]
        assert "Earlier messages:\nAnswer: blue\nResult: correct\nQuestion: three" in prompt

    def test_the_window_is_never_found(self):
        memory = one_fact("mem0-additive:threshold=0,window=4")
        assert ids(memory, "Question red lamp blue") == ["e0.0"]

    def test_the_window_moves_on_where_nothing_could_be_read(self):
        memory = one_fact("mem0-additive", "junk")
        change(memory)
        assert "red door" in texts(memory)["messages"]
        assert memory.notes()["unreadable"] == 1

    def stored(self, similar, *found, **settings):
        memory = opened(
            "mem0-additive", [extracted(*found)], ranker=Similarities(similar), **settings
        )
        return learned(memory, experience(0, "red lamp"))

    def test_the_threshold_is_one_of_similarity_alone(self):
        memory = self.stored({"near": 0.1, "lamp": 0.09}, "near", "lamp lamp lamp")
        assert [hit.text for hit in found(memory, "lamp").hits] == ["near"]

    def test_the_score_adds_squeezed_bm25_to_the_similarity(self):
        similar = {"door": 0.5, "lamp": 0.4}
        memory = self.stored(similar, "door", "lamp", "tree")
        hits = {hit.text: hit.score for hit in found(memory, "lamp").hits}
        # One of three one-word texts: idf = ln(1 + 2.5/1.5); its term factor is 1 at mean length.
        squeezed = 1 / (1 + math.exp(-0.7 * (math.log(1 + 2.5 / 1.5) - 5.0)))
        assert hits == pytest.approx({"door": 0.25, "lamp": (0.4 + squeezed) / 2})

    def test_without_any_shared_word_the_score_is_the_similarity(self):
        memory = self.stored({"door": 0.5}, "door")
        assert [hit.score for hit in found(memory, "zebra").hits] == [0.5]

    def test_words_can_turn_the_order_around(self):
        long = " ".join(f"w{n}" for n in range(40))
        memory = self.stored({"door": 0.5, "w39": 0.45}, "door", long)
        assert [hit.id for hit in found(memory, long).hits] == ["e0.1", "e0.0"]

    def test_the_k_of_the_stream_bounds_what_is_shown(self):
        names = [f"lamp {n}" for n in range(9)]
        memory = self.stored({"lamp": 0.9}, *names, k=3)
        assert len(ids(memory, "lamp")) == 3

    def test_entries_of_an_older_kind_are_no_surprise(self):
        memory = opened("mem0-additive", [extracted("b")])
        memory.put(Entry("e0.0", "a", "a", "s/0", 0))
        learned(memory, experience(0, "again"))
        assert list(texts(memory)) == ["e0.0", "messages", "e0.1"]
