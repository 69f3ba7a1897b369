"""What a request becomes on its way to a server, and what is read of the answer."""

from __future__ import annotations

import asyncio
import json

import pytest
from endpoints import Server, answering, completion, status

from harness.errors import EndpointError, PromptTooLong
from harness.models.base import Ability, ModelRequest
from harness.models.chat import (
    ChatRequest,
    ChatResponse,
    Choices,
    Message,
    Overflow,
    Pattern,
    Schema,
    TokenLogprob,
    Tool,
    ToolCall,
    ToolChoice,
)
from harness.models.openai import OpenAIChat
from harness.models.vllm import VLLM

QUICK = (("retries", "1"), ("backoff_s", "0.001"), ("timeout_s", "10"))
MESSAGES = (Message("user", "2 + 2?"),)
PARAMETERS = '{"type": "object", "properties": {"a": {"type": "integer"}}}'
ADD = Tool("add", "adds", PARAMETERS)


def talk(server, request, kind=VLLM):
    async def scenario():
        async with server.running():
            model = kind(ModelRequest("x", "tiny", args=QUICK, base_urls=(server.url,)))
            await model.start()
            try:
                return await model.chat(request)
            finally:
                await model.close()

    return asyncio.run(scenario())


def sent(request, answer=None, kind=VLLM):
    """The path and body that a request becomes."""
    server = Server(answering(answer or completion()))
    talk(server, request, kind)
    path, _, body = server.seen[0]
    return path, body


def test_a_plain_prompt_goes_to_completions():
    answer = {"choices": [{"text": " Paris", "finish_reason": "stop"}]}
    path, body = sent(ChatRequest((), prompt="The capital is", stop=("\n",)), answer)
    assert path == "/v1/completions"
    assert body == {
        "model": "tiny",
        "prompt": "The capital is",
        "temperature": 0.0,
        "top_p": 1.0,
        "max_tokens": 256,
        "stop": ["\n"],
    }


def test_sampling_settings_are_sent_where_they_are_set():
    request = ChatRequest(
        MESSAGES, temperature=0.7, seed=3, top_k=5, min_p=0.1, repetition_penalty=1.2
    )
    _, body = sent(request)
    assert {"top_k": 5, "min_p": 0.1, "repetition_penalty": 1.2, "seed": 3}.items() <= body.items()
    _, plain = sent(ChatRequest(MESSAGES))
    assert set(plain) == {"model", "messages", "temperature", "top_p", "max_tokens"}


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (Choices(("Yes", "No")), {"structured_outputs": {"choice": ["Yes", "No"]}}),
        (Pattern(r"\d+"), {"structured_outputs": {"regex": r"\d+"}}),
        (
            Schema(PARAMETERS),
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "answer", "schema": json.loads(PARAMETERS)},
                }
            },
        ),
    ],
)
def test_the_form_of_an_answer_is_asked_of_the_engine(form, expected):
    _, body = sent(ChatRequest(MESSAGES, form=form))
    assert expected.items() <= body.items()


def test_tools_are_offered_and_calls_come_back():
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 3}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    server = Server(answering({"choices": [{"message": message, "finish_reason": "tool_calls"}]}))
    request = ChatRequest(MESSAGES, tools=(ADD,), tool_choice=ToolChoice.REQUIRED)
    answer = talk(server, request)
    assert answer.tool_calls == (ToolCall("c1", "add", '{"a": 3}'),)
    assert (answer.text, answer.finish_reason) == ("", "tool_calls")
    body = server.seen[0][2]
    assert body["tool_choice"] == "required"
    assert body["tools"][0]["function"]["parameters"] == json.loads(PARAMETERS)


def test_a_conversation_with_tool_calls_is_sent_in_full():
    call = ToolCall("c1", "add", "{}")
    turn = (Message("assistant", "", tool_calls=(call,)), Message("tool", "7", tool_call_id="c1"))
    _, body = sent(ChatRequest((*MESSAGES, *turn)))
    assert body["messages"][1]["tool_calls"][0]["function"] == {"name": "add", "arguments": "{}"}
    assert body["messages"][2] == {"role": "tool", "content": "7", "tool_call_id": "c1"}


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_reasoning_is_kept_apart_from_the_answer(name):
    message = {"role": "assistant", "content": "4", name: "two and two"}
    answer = talk(Server(answering({"choices": [{"message": message}]})), ChatRequest(MESSAGES))
    assert (answer.text, answer.reasoning) == ("4", "two and two")


def test_logprobs_of_an_answer():
    top = [{"token": "4", "logprob": -0.1}, {"token": "5", "logprob": -2.5}]
    choice = {
        "message": {"content": "4"},
        "logprobs": {"content": [{"token": "4", "logprob": -0.1, "top_logprobs": top}]},
    }
    server = Server(answering({"choices": [choice]}))
    answer = talk(server, ChatRequest(MESSAGES, logprobs=2))
    assert answer.logprobs == (TokenLogprob("4", -0.1, (("4", -0.1), ("5", -2.5))),)
    assert {"logprobs": True, "top_logprobs": 2}.items() <= server.seen[0][2].items()


def test_logprobs_of_a_prompt():
    logprobs = {
        "tokens": ["The", " end", "."],
        "token_logprobs": [None, -1.5, -0.2],
        "top_logprobs": [None, {" end": -1.5, " cat": -0.9}, {".": -0.2}],
    }
    choice = {"text": "The end.", "logprobs": logprobs}
    server = Server(answering({"choices": [choice]}))
    request = ChatRequest((), prompt="The end", max_tokens=1, logprobs=1, score_prompt=True)
    answer = talk(server, request)
    assert [one.logprob for one in answer.logprobs] == [None, -1.5, -0.2]
    assert {"echo": True, "logprobs": 1}.items() <= server.seen[0][2].items()


def test_a_logprob_that_is_no_number_is_an_error_and_not_a_score():
    bad = {"token": "4", "logprob": float("nan"), "top_logprobs": []}
    choice = {"message": {"content": "4"}, "logprobs": {"content": [bad]}}
    with pytest.raises(EndpointError, match="a log-probability is NaN"):
        talk(Server(answering({"choices": [choice]})), ChatRequest(MESSAGES, logprobs=0))


TOO_LONG = status(400, "This model's maximum context length is 64 tokens.")
WINDOW = answering({"data": [{"id": "tiny", "max_model_len": 64}]})


@pytest.mark.parametrize(
    ("overflow", "side"), [(Overflow.KEEP_END, "left"), (Overflow.KEEP_START, "right")]
)
def test_a_prompt_that_is_too_long_is_cut_where_that_is_asked_for(overflow, side):
    server = Server(TOO_LONG, answering(completion()), models=WINDOW)
    answer = talk(server, ChatRequest(MESSAGES, max_tokens=16, overflow=overflow))
    assert answer.truncated
    cut = {"truncate_prompt_tokens": 48, "truncation_side": side}
    assert cut.items() <= server.seen[1][2].items()
    assert "truncate_prompt_tokens" not in server.seen[0][2]


@pytest.mark.parametrize(
    ("request_", "models"),
    [
        (ChatRequest(MESSAGES, max_tokens=16), WINDOW),
        (ChatRequest(MESSAGES, max_tokens=64, overflow=Overflow.KEEP_END), WINDOW),
        (ChatRequest(MESSAGES, max_tokens=16, overflow=Overflow.KEEP_END), None),
    ],
)
def test_a_prompt_that_cannot_be_cut_is_too_long(request_, models):
    with pytest.raises(PromptTooLong):
        talk(Server(TOO_LONG, models=models), request_)


def test_the_field_for_the_longest_answer_can_be_the_newer_one():
    async def scenario(server):
        async with server.running():
            args = (*QUICK, ("limit_field", "max_completion_tokens"))
            model = OpenAIChat(ModelRequest("openai", "tiny", args=args, base_urls=(server.url,)))
            await model.start()
            await model.chat(ChatRequest(MESSAGES))
            await model.close()

    server = Server(answering(completion()))
    asyncio.run(scenario(server))
    assert server.seen[0][2]["max_completion_tokens"] == 256


def test_what_a_request_needs_is_known_before_it_is_sent():
    assert ChatRequest(MESSAGES).abilities() == set()
    everything = ChatRequest(
        (),
        prompt="x",
        form=Choices(("a",)),
        tools=(ADD,),
        logprobs=0,
        score_prompt=True,
        presence_penalty=0.5,
        overflow=Overflow.KEEP_END,
    )
    assert everything.abilities() == set(Ability) - {Ability.SCHEMA}
    assert everything.abilities() <= VLLM.abilities


def test_an_answer_is_read_back_as_it_was_written():
    answer = ChatResponse(
        "4",
        12,
        3,
        0.25,
        "length",
        reasoning="hm",
        tool_calls=(ToolCall("c", "add", "{}"),),
        logprobs=(TokenLogprob("4", -0.5, (("4", -0.5),)), TokenLogprob("x", None)),
        truncated=True,
        cached=True,
    )
    assert ChatResponse.read(json.loads(json.dumps(answer.as_json()))) == answer
    plain = ChatResponse("", 0, 0, 0.0)
    assert ChatResponse.read(plain.as_json()) == plain
    assert set(plain.as_json()) == {
        *("text", "input_tokens", "output_tokens", "latency_s", "finish_reason")
    }
