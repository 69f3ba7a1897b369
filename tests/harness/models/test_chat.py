from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import options
from harness.errors import UsageError
from harness.models.base import ModelRequest
from harness.models.chat import ChatRequest, Message, Sampling

REQUEST = ChatRequest(
    (Message("system", "s"), Message("user", "u")), 0.5, 0.9, max_tokens=8, stop=("\n",), seed=3
)


@pytest.mark.parametrize(
    ("text", "name", "target", "revision"),
    [
        ("smollm2", "smollm2", "", ""),
        ("smollm2@r1", "smollm2", "", "r1"),
        ("openai:gpt-x", "openai", "gpt-x", ""),
        ("openai:org/name:tag@abc", "openai", "org/name:tag", "abc"),
        ("hf:BAAI/bge@refs/pr/1", "hf", "BAAI/bge", "refs/pr/1"),
        ("scripted:/tmp/rules.jsonl", "scripted", "/tmp/rules.jsonl", ""),
    ],
)
def test_a_model_is_named_in_one_way(text, name, target, revision):
    request = ModelRequest.parse(text, [("retries", "3")], ["http://127.0.0.1/v1"])
    assert (request.name, request.target, request.revision) == (name, target, revision)
    assert (request.args, request.base_urls) == ((("retries", "3"),), ("http://127.0.0.1/v1",))
    assert str(request) == text


plain = st.text(st.characters(exclude_characters=":@"), min_size=1)


@given(plain, st.text(st.characters(exclude_characters="@")), plain | st.just(""))
def test_what_is_written_is_read_back(name, target, revision):
    request = ModelRequest(name, target, revision)
    assert ModelRequest.parse(str(request)) == request


def test_equal_requests_have_equal_keys():
    assert REQUEST.key() == replace(REQUEST).key()


@pytest.mark.parametrize(
    "change",
    [
        {"messages": (Message("user", "s"), Message("user", "u"))},
        {"messages": (Message("system", "su"),)},
        {"messages": (Message("system", "s"), Message("user", "u "))},
        {"temperature": 0.6},
        {"top_p": 1.0},
        {"max_tokens": 9},
        {"stop": ()},
        {"stop": ("\n", "\n")},
        {"seed": None},
        {"seed": 0},
    ],
)
def test_whatever_can_change_the_answer_changes_the_key(change):
    assert replace(REQUEST, **change).key() != REQUEST.key()


def test_half_a_surrogate_pair_has_a_key():
    assert replace(REQUEST, messages=(Message("user", "\ud83d"),)).key()


def test_sampling_is_greedy_unless_a_temperature_is_given():
    assert Sampling().greedy
    assert not options.build(Sampling, {"temperature": "0.2"}, "sampling").greedy


@pytest.mark.parametrize("raw", [{"temperature": "-1"}, {"top_p": "0"}, {"max_tokens": "0"}])
def test_sampling_outside_its_range_is_refused(raw):
    with pytest.raises(UsageError, match="is refused"):
        options.build(Sampling, raw, "sampling")
