"""A-Mem; reference case 15."""

from __future__ import annotations

import json

import pytest
from memories import CountVectors, Similarities, experience, found, ids, learned, opened, texts

ANALYSIS = json.dumps({"keywords": ["k1", "k2"], "context": "about it", "tags": ["t1"]})
STILL = json.dumps({"should_evolve": False})


def evolution(**parts):
    whole = {
        "should_evolve": True,
        "actions": ["strengthen", "update_neighbor"],
        "suggested_connections": [],
        "tags_to_update": [],
        "new_context_neighborhood": [],
        "new_tags_neighborhood": [],
    }
    return json.dumps({**whole, **parts})


def notes_of(count, *, method="amem", similar=None, **settings):
    """A memory of so many notes, none of which has evolved."""
    answers = [ANALYSIS, *[ANALYSIS, STILL] * (count - 1)]
    ranker = Similarities(similar) if similar else CountVectors()
    memory = opened(method, answers, ranker=ranker, **settings)
    return learned(memory, *(experience(n, f"goal {n + 1}") for n in range(count)))


def meta(memory, one):
    return memory.entries()[one].meta


class TestReferenceCase15:
    """Seven notes, and a new one whose nearest are the 6th and the 7th."""

    edit = evolution(
        suggested_connections=[1, 2],
        new_context_neighborhood=["sixth", "seventh"],
        new_tags_neighborhood=[["six"], ["seven"]],
    )

    def changed(self, method):
        memory = notes_of(7, method=method, similar={"goal 6": 0.9, "goal 7": 0.8})
        before = memory.entries()
        memory.context.ask.answers += [ANALYSIS, self.edit]
        learned(memory, experience(7, "goal 8"))
        after = memory.entries()
        shown = memory.context.ask.prompts[-1].partition("Nearest notes")[2]
        assert "[1] Question: goal 6" in shown
        assert "[2] Question: goal 7" in shown
        changed = {one: after[one].meta["context"] for one in before if after[one] != before[one]}
        return changed, json.loads(meta(memory, "e7")["links"])

    def test_the_nearest_notes_are_edited_and_linked(self):
        edited, links = self.changed("amem:neighbours=2")
        assert edited == {"e5": "sixth", "e6": "seventh"}
        assert links == ["e5", "e6"]

    def test_the_librarys_bug_edits_and_links_the_oldest(self):
        edited, links = self.changed("amem:neighbours=2,legacy_index_bug=true")
        assert edited == {"e0": "sixth", "e1": "seventh"}
        assert links == ["e0", "e1"]


class TestWriting:
    def test_the_first_note_is_analysed_and_nothing_else(self):
        memory = notes_of(1)
        assert texts(memory) == {
            "e0": "Question: goal 1\nAnswer: blue\nResult: correct\n"
            "Context: about it\nKeywords: k1, k2\nTags: t1"
        }
        assert memory.entries()["e0"].key == (
            "content:Question: goal 1\nAnswer: blue\nResult: correct context:about it "
            "keywords: k1, k2 tags: t1"
        )
        assert memory.notes()["calls"] == 1

    def test_every_other_note_costs_two_calls(self):
        memory = notes_of(3)
        assert memory.notes()["calls"] == 5
        assert memory.notes()["evolved"] == 0

    def test_strengthen_gives_new_tags_and_links_that_exist(self):
        memory = notes_of(2)
        decided = evolution(
            actions=["strengthen"], suggested_connections=[2, "1", 9, "x"], tags_to_update=["new"]
        )
        memory.context.ask.answers += [ANALYSIS, decided]
        learned(memory, experience(2, "goal 3"))
        assert sorted(json.loads(meta(memory, "e2")["links"])) == ["e0", "e1"]
        assert json.loads(meta(memory, "e2")["tags"]) == ["new"]
        counts = memory.notes()
        assert (counts["linked"], counts["refused"], counts["updated"]) == (2, 2, 0)

    def test_neighbours_are_edited_as_far_as_tags_are_given(self):
        memory = notes_of(
            3, method="amem:neighbours=3", similar={f"goal {n}": 1 / n for n in (1, 2, 3)}
        )
        decided = evolution(
            actions=["update_neighbor"],
            suggested_connections=[1],
            new_context_neighborhood=["first"],
            new_tags_neighborhood=[["a"], ["b"]],
        )
        memory.context.ask.answers += [ANALYSIS, decided]
        learned(memory, experience(3, "goal 4"))
        assert [meta(memory, f"e{n}")["context"] for n in range(3)] == ["first", *["about it"] * 2]
        assert [json.loads(meta(memory, f"e{n}")["tags"]) for n in range(3)] == [
            ["a"],
            ["b"],
            ["t1"],
        ]
        assert json.loads(meta(memory, "e3")["links"]) == []
        assert memory.notes()["updated"] == 2

    def test_a_note_that_should_not_evolve_changes_nothing(self):
        memory = notes_of(2)
        before = memory.entries()
        refused = evolution(should_evolve=False, suggested_connections=[1], tags_to_update=["x"])
        memory.context.ask.answers += [ANALYSIS, refused]
        learned(memory, experience(2, "goal 3"))
        after = memory.entries()
        assert {one: after[one] for one in before} == before
        assert json.loads(meta(memory, "e2")["links"]) == []

    def test_junk_makes_a_note_without_keywords_and_no_evolution(self):
        memory = notes_of(1)
        memory.context.ask.answers += ["no idea", "no idea"]
        learned(memory, experience(1, "goal 2"))
        assert texts(memory)["e1"] == "Question: goal 2\nAnswer: blue\nResult: correct"
        assert memory.notes()["unreadable"] == 2


class TestIndex:
    edit = evolution(
        actions=["update_neighbor"],
        new_context_neighborhood=["zebra"],
        new_tags_neighborhood=[["zebra"]],
    )

    @pytest.mark.parametrize("bug", ["false", "true"])
    @pytest.mark.parametrize(("threshold", "anew"), [(100, False), (2, False), (1, True)])
    def test_an_edit_is_found_only_after_the_next_indexing(self, threshold, anew, bug):
        method = f"amem:neighbours=1,evo_threshold={threshold},legacy_index_bug={bug}"
        memory = notes_of(1, method=method)
        memory.context.ask.answers += [ANALYSIS, self.edit]
        learned(memory, experience(1, "goal 2"))
        entry = memory.entries()["e0"]
        assert "zebra" in entry.text
        assert ("zebra" in entry.key) == anew
        assert memory.notes()["reindexed"] == anew

    def test_every_threshold_th_evolution_indexes_anew_also_after_a_restart(self):
        memory = notes_of(1, method="amem:neighbours=1,evo_threshold=3")
        seen = []
        for step in range(1, 7):
            memory.context.ask.answers += [ANALYSIS, self.edit]
            learned(memory, experience(step, f"goal {step + 1}"))
            seen.append("zebra" in memory.entries()["e0"].key)
            restored = opened("amem:neighbours=1,evo_threshold=3", ranker=CountVectors())
            restored.context.ask.answers = memory.context.ask.answers
            restored._entries = dict(memory.entries())
            memory = restored
        assert seen == [False, False, True, True, True, True]
        numbers = [entry.meta.get("evolution") for entry in memory.entries().values()]
        assert numbers == [None, "1", "2", "3", "4", "5", "6"]


class TestReading:
    def linked(self, **settings):
        """Three notes; the last links to the first."""
        memory = notes_of(2, similar={"goal 3": 0.9, "goal 2": 0.5, "goal 1": 0.1}, **settings)
        memory.context.ask.answers += [
            ANALYSIS,
            evolution(actions=["strengthen"], suggested_connections=[2]),
        ]
        return learned(memory, experience(2, "goal 3"))

    def test_a_note_is_followed_by_those_it_links_to(self):
        hits = found(self.linked(k=1)).hits
        assert [hit.id for hit in hits] == ["e2", "e0"]
        assert hits[0].score == 0.9
        assert hits[1].score != hits[1].score

    def test_a_note_that_is_near_itself_is_shown_once(self):
        assert ids(self.linked(k=3)) == ["e2", "e1", "e0"]

    def test_links_to_notes_that_are_gone_are_passed_over(self):
        memory = self.linked(k=1)
        memory._entries.pop("e0")
        assert ids(memory) == ["e2"]

    def test_nothing_is_shown_where_the_stream_shows_nothing(self):
        assert ids(self.linked(k=0)) == []
