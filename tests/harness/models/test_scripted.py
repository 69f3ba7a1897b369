from __future__ import annotations

import asyncio
import json

import pytest

from harness.data import content_hash
from harness.errors import UsageError
from harness.models.base import ModelRequest
from harness.models.chat import ChatRequest, Message
from harness.models.scripted import Scripted


@pytest.fixture
def script(tmp_path):
    def write(*rules, name="rules.jsonl"):
        lines = [rule if isinstance(rule, str) else json.dumps(rule) for rule in rules]
        (tmp_path / name).write_text("\n".join(lines), encoding="utf-8")
        return Scripted(ModelRequest.parse(f"scripted:{tmp_path / name}"))

    return write


def ask(model, *texts):
    async def answers():
        identity = await model.start()
        return identity, [
            await model.chat(ChatRequest((Message("system", "Be brief."), Message("user", text))))
            for text in texts
        ]

    return asyncio.run(answers())


def texts(model, *questions):
    return [answer.text for answer in ask(model, *questions)[1]]


def test_the_first_rule_that_matches_answers(script):
    model = script({"match": "two", "text": "2"}, {"match": "t", "text": "t"})
    assert texts(model, "one two", "ten", "two") == ["2", "t", "2"]


def test_groups_fill_the_answer(script):
    model = script(
        {"match": r"open the (\w+) door.*key (?P<key>\d)", "text": r"use \g<key> on \1"},
        {"match": "(a)|(b)", "text": r"[\1][\2]"},
    )
    assert texts(model, "open the red door\nwith key 7", "b") == ["use 7 on red", "[][b]"]


def test_every_message_of_the_conversation_is_searched(script):
    assert texts(script({"match": "brief.*hello", "text": "yes"}), "hello") == ["yes"]


def test_no_rule_is_an_empty_answer(script):
    _, (answer,) = ask(script({"match": "x", "text": "y"}), "hello there")
    assert (answer.text, answer.input_tokens, answer.output_tokens) == ("", 4, 0)


def test_words_are_counted_as_tokens(script):
    _, (answer,) = ask(script({"text": "go to the door"}), "hello there")
    assert (answer.input_tokens, answer.output_tokens, answer.finish_reason) == (4, 4, "stop")


def test_the_answer_does_not_depend_on_what_was_asked_before(script):
    model = script({"match": "a", "text": "A"}, {"match": "b", "text": "B"})
    assert texts(model, *"abab") == texts(model, *"baba")[::-1] == ["A", "B", "A", "B"]


def test_lines_end_at_line_feeds_only(script):
    model = script('{"text": "a\u2028b\x85c"}', "", "  ", {"match": "never", "text": ""})
    assert texts(model, "x") == ["a\u2028b\x85c"]


def test_the_identity_is_the_file_and_what_it_says(script):
    one, _ = ask(script({"text": "1"}))
    other, _ = ask(script({"text": "2"}))
    assert (one.id, one.engine) == ("rules.jsonl", "scripted")
    assert one.revision == content_hash('{"text": "1"}') != other.revision


def test_a_path_may_hold_an_at_sign(script):
    assert texts(script({"text": "ok"}, name="a@b.jsonl"), "x") == ["ok"]


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        "[1]",
        "7",
        "null",
        "{}",
        '{"match": "x"}',
        '{"match": "(", "text": "x"}',
        '{"match": 5, "text": "x"}',
        '{"match": "x", "text": "\\\\1"}',
        '{"match": "x", "text": "\\\\g<name>"}',
        '{"text": "x", "delay_s": "soon"}',
        '{"text": "x", "delay_s": null}',
    ],
)
def test_a_line_that_is_no_rule_is_named(script, line):
    with pytest.raises(UsageError, match=r"rules\.jsonl line 2 is no rule .*write \{"):
        ask(script({"text": "fine"}, line))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"cannot read .*absent\.jsonl: No such file"):
        ask(Scripted(ModelRequest.parse(f"scripted:{tmp_path / 'absent.jsonl'}")))


def test_a_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / "weights").write_bytes(b"\xff\xfe\xfd")
    with pytest.raises(UsageError, match="is no UTF-8 text"):
        ask(Scripted(ModelRequest.parse(f"scripted:{tmp_path / 'weights'}")))


def test_without_a_file_the_form_is_shown():
    with pytest.raises(UsageError, match=r"--model scripted:FILE\.jsonl"):
        Scripted(ModelRequest.parse("scripted"))
