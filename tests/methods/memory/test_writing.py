"""What the memories that ask a model share: limits, budgets, counts, and the reading of answers."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memories import WritingToy, execute, opened, shown, toy_plan

from harness.errors import UsageError
from harness.methods import resolve
from harness.models.chat import Sampling
from harness.protocols.stream.record import rescored_metrics
from harness.protocols.stream.types import Score
from harness_methods.memory.model_text import (
    all_tagged,
    clean,
    is_closed,
    json_object,
    phrases,
    records,
    tagged,
    verdict,
)
from harness_methods.memory.writing import filled, fitted, shortened

SETTINGS = {"store": "all"}


class TestLimits:
    def requests(self, method, tmp_path):
        model = WritingToy()
        outcomes, records = execute(
            toy_plan([method], Sampling(max_tokens=16), **SETTINGS), tmp_path, model
        )
        assert all(one.good for one in outcomes)
        return model.requests, records

    def test_short_answers_of_the_task_do_not_cut_what_a_memory_writes(self, tmp_path):
        requests, _ = self.requests("dc-cu:writer_tokens=300", tmp_path)
        assert {one.max_tokens for one in requests} == {16, 300}
        for one in requests:
            writes = "You keep a cheatsheet" in one.messages[-1].content
            assert one.max_tokens == (300 if writes else 16)

    def test_the_limit_is_an_option_of_the_method_and_so_part_of_the_work(self):
        plain, more = (
            resolve(text, "stream").canonical() for text in ("mem0", "mem0:writer_tokens=900")
        )
        assert plain != more

    def test_an_agent_cannot_have_longer_answers_than_the_run(self, tmp_path):
        requests, _ = self.requests("refine+selfrag", tmp_path)
        assert max(one.max_tokens for one in requests) == 16


class TestCounts:
    @pytest.mark.parametrize(
        ("method", "name"),
        [("mem0", "facts"), ("awm", "judged_success"), ("dc-rs", "cut"), ("amem", "evolved")],
    )
    def test_counts_are_metrics_of_every_sample(self, method, name, tmp_path):
        _, records = execute(toy_plan([method], **SETTINGS), tmp_path, WritingToy())
        found = [one.metrics for one in records]
        assert all(
            {"memory_calls", "memory_unreadable", f"memory_{name}"} <= set(one) for one in found
        )
        assert sum(one[f"memory_{name}"] for one in found) > 0 or name == "cut"
        assert all(one["memory_unreadable"] <= one["memory_calls"] for one in found)

    def test_they_are_of_one_item_each(self, tmp_path):
        _, records = execute(toy_plan(["dc-cu"], **SETTINGS), tmp_path, WritingToy())
        assert {one.metrics["memory_calls"] for one in records} == {1.0}

    def test_memories_that_count_nothing_have_none(self, tmp_path):
        _, records = execute(toy_plan(["exprag"], **SETTINGS), tmp_path, WritingToy())
        assert not any("memory_calls" in one.metrics for one in records)

    def test_another_score_leaves_them_as_they_are(self):
        before = {"memory_unreadable": 2.0, "memory_entries": 4.0, "success": 1.0}
        after = rescored_metrics(before, [True], Score(0.0, success=False))
        assert (after["memory_unreadable"], after["memory_entries"], after["success"]) == (2, 4, 0)


class TestStorePolicy:
    def sizes(self, method, tmp_path, name, **settings):
        _, records = execute(toy_plan([method], **settings), tmp_path, WritingToy())
        records = [one for one in records if one.stream_id == "question-0"]
        records.sort(key=lambda one: one.step)
        assert len({bool(one.metrics["success"]) for one in records}) == 2
        return records, [one.metrics[name] for one in records]

    @pytest.mark.parametrize("method", ["dc-cu", "dc-rs", "awm", "reasoning-bank"])
    def test_a_memory_that_learns_unaided_is_offered_every_item(self, method, tmp_path):
        records, calls = self.sizes(method, tmp_path, "memory_calls", store="success_only")
        assert min(calls) >= 1
        told = [one.trace["feedback"] for one in records]
        assert told == [{"correct": None, "score": None, "gold": None}] * len(records)

    @pytest.mark.parametrize("method", ["mem0", "amem", "mem0-additive", "awm:judge=feedback"])
    @pytest.mark.parametrize("store", ["success_only", "failures_only", "all"])
    def test_others_are_offered_what_the_policy_admits(self, method, store, tmp_path):
        records, calls = self.sizes(method, tmp_path, "memory_calls", store=store)
        for one, asked in zip(records, calls, strict=True):
            success = bool(one.metrics["success"])
            offered = store == "all" or success == (store == "success_only")
            needs_model = success or "judge" not in method
            assert (asked > 0) == (offered and needs_model)

    def test_selfrag_stores_as_exprag_does(self, tmp_path):
        _, plain = self.sizes("exprag", tmp_path / "a", "memory_entries", store="success_only")
        _, asked = self.sizes("selfrag", tmp_path / "b", "memory_entries", store="success_only")
        assert asked == plain


TEXTS = st.lists(st.text(max_size=200), max_size=8)


class TestBudget:
    @given(TEXTS, st.integers(-5, 600))
    def test_texts_are_cut_to_the_budget_and_no_further(self, texts, chars):
        cut = fitted(texts, chars)
        assert sum(map(len, cut)) <= max(chars, 0)
        if sum(map(len, texts)) <= chars:
            assert cut == texts
        elif texts and chars > 0:
            assert sum(map(len, cut)) > chars - len(texts)

    def test_short_texts_leave_their_share_to_long_ones(self):
        assert [len(one) for one in fitted(["a" * 5, "b" * 100, "c" * 100], 65)] == [5, 30, 30]

    @given(st.text(), st.integers(0, 100))
    def test_a_shortened_text_keeps_its_beginning(self, text, chars):
        cut = shortened(text, chars)
        assert len(cut) == min(len(text), chars)
        assert text.startswith(cut.partition(" ... ")[0])

    def test_a_shortened_text_keeps_its_end(self):
        assert shortened("0123456789" * 3, 14) == "012345 ... 789"

    @given(st.text(max_size=500), TEXTS)
    def test_a_filled_prompt_keeps_to_its_budget(self, one, many):
        prompt = filled("A {one} {{x}}\nB {many}\nthe end", 120, one=one, many=many)
        assert len(prompt) <= 120
        assert prompt.startswith("A ")
        assert prompt.endswith("\nthe end")

    def test_what_is_empty_is_said_to_be(self):
        assert filled("{one}|{many}", 99, one="", many=[]) == "(empty)|(empty)"

    def test_braces_in_a_text_stand_for_nothing(self):
        assert filled("{one}", 99, one="{two} {") == "{two} {"


class TestReading:
    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("yes", True),
            ("**No**, since it is yes", False),
            ("I would say yes.", True),
            ("The answer is NO", False),
            ("It is right: yes. Or no.", None),
            ("not correct", None),
            ("nothing, yesterday", None),
            ("", None),
        ],
    )
    def test_verdicts(self, text, said):
        assert verdict(text) is said

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ('{"a": 1}', {"a": 1}),
            ('Sure:\n```json\n{"a": [1, 2,],}\n```\nDone.', {"a": [1, 2]}),
            ('{not json} {"a": {"b": 2}} {"c": 3}', {"a": {"b": 2}}),
            ('{"a": "line\nbreak"}', {"a": "line\nbreak"}),
            ("[1, 2]", None),
            ('{"a": ', None),
            ("", None),
        ],
    )
    def test_json_is_found_whatever_stands_around_it(self, text, found):
        assert json_object(text) == found

    @given(st.dictionaries(st.text(), st.integers() | st.text()), st.sampled_from(["", "So: "]))
    def test_any_object_is_read_back(self, value, before):
        assert json_object(before + json.dumps(value)) == value

    @given(st.text() | st.text('{}[]",:0a <>/cheatsheetTitle\n', max_size=200))
    def test_no_text_is_an_error(self, text):
        json_object(text)
        verdict(text)
        tagged(text, "cheatsheet")
        records(text, ("title", "content"))
        clean(text).encode()

    @pytest.mark.parametrize(
        "text", ["{" * 50_000, '{"a":' * 50_000, "<w>" * 50_000, "\n#" * 50_000]
    )
    def test_long_junk_is_read_at_once(self, text):
        assert json_object(text) is None
        assert tagged(text, "w") is None
        assert records(text, ("title", "content")) == []

    def test_tags(self):
        assert tagged("a <W> b </w> <w>c</w>", "w") == "b"
        assert all_tagged("<w>a<w>b</w><w> </w><w>c", "w") == ["a", "b", "c"]
        assert tagged("<w></w><w>x</w>", "w") == "x"
        assert is_closed("<w>a</w>", "w")
        assert not is_closed("<w>a</w><w>b", "w")

    def test_phrases_are_texts_each_once_and_bounded(self):
        assert phrases(["a  b", 3, "a b", "", "cde", "f"], 2, 3) == ("a b", "cde")
        assert phrases("a", 2, 3) is None

    def test_halves_of_characters_do_not_pass(self):
        (text,) = phrases(json.loads('["a\\ud800b"]'), 1, 9)
        assert text == "a?b"


def test_a_budget_that_no_template_fits_is_refused():
    with pytest.raises(UsageError, match="writer_chars"):
        resolve("amem:writer_chars=500", "stream")


@pytest.mark.parametrize(
    "name", ["dc-cu", "mem0", "mem0-additive", "amem", "selfrag", "awm", "reasoning-bank"]
)
def test_an_empty_memory_shows_nothing_and_asks_nothing(name):
    context = shown(opened(name))
    assert (context.items, context.text) == ((), "")
