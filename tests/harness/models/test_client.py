"""The client that methods ask: what is scored, what is refused, what is replayed."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from harness.errors import CeilingReached, EndpointError, MethodError
from harness.models.base import Ability, ModelIdentity
from harness.models.ceilings import Ceilings
from harness.models.chat import (
    ChatModel,
    ChatRequest,
    ChatResponse,
    Choices,
    Message,
    Sampling,
    Schema,
    TokenLogprob,
    ToolCall,
)
from harness.models.client import Gate, Loglikelihood, StreamClient

ASKED = (Message("user", "?"),)


class Model(ChatModel):
    """Answers what it is told to."""

    abilities = frozenset({Ability.COMPLETION, Ability.LOGPROBS, Ability.PROMPT_LOGPROBS})

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    async def start(self, host=None):
        return ModelIdentity("m", "", "test", "")

    async def chat(self, request):
        self.asked.append(request)
        return self.answers.pop(0)


def client(model, journal=lambda _record: None, **limits):
    return StreamClient(Gate(model, 4, **limits), Sampling(), "seed", journal)


def tokens(*rows):
    """An answer whose tokens are (text, log-probability, the likeliest one's)."""
    scored = tuple(TokenLogprob(text, value, (("x", best),)) for text, value, best in rows)
    return ChatResponse("", len(rows) - 1, 1, 0.0, logprobs=scored)


def score(context, continuation, *answers):
    async def scenario():
        return await client(Model(*answers)).loglikelihood(context, continuation)

    return asyncio.run(scenario())


def test_a_continuation_is_the_sum_of_its_tokens():
    answer = tokens(("The", None, 0), (" cat", -2.0, -1), (" sat", -0.5, -0.5), (".", -9.0, -1))
    assert score("The cat", " sat", answer) == Loglikelihood(-0.5, 1, greedy=True)
    assert score("The", " cat sat", answer) == Loglikelihood(-2.5, 2, greedy=False)


def test_a_token_across_the_border_belongs_to_the_continuation():
    answer = tokens(("a", None, 0), ("bc", -1.0, -1), ("d", -2.0, -2), ("!", -1, -1))
    assert score("ab", "cd", answer) == Loglikelihood(-3.0, 2, greedy=True)


def test_parts_of_a_character_count():
    answer = tokens(
        ("is", None, 0), ("", -1.0, -1), ("", -2.0, -2), ("北", -4.0, -4), (".", -1, -1)
    )
    assert score("is", "北", answer) == Loglikelihood(-7.0, 3, greedy=True)


def test_tokens_that_do_not_spell_the_text_are_counted():
    answer = tokens(("<s>", None, 0), ("a", -1.0, -1), ("b", -2.0, -2), ("!", -1, -1))
    head = ChatResponse("", 2, 1, 0.0)
    assert score("a", "b", answer, head) == Loglikelihood(-2.0, 1, greedy=True)


def test_an_engine_that_scores_nothing_is_an_error_and_not_a_zero():
    with pytest.raises(EndpointError, match="did not score every token"):
        score("a", "b", ChatResponse("", 2, 1, 0.0), ChatResponse("", 1, 1, 0.0))


def test_what_the_model_cannot_do_is_the_methods_failure():
    async def scenario():
        await client(Model()).reply(ASKED, form=Choices(("a", "b")))

    with pytest.raises(MethodError, match="out of given choices.* Model cannot give"):
        asyncio.run(scenario())


def test_a_journalled_answer_is_replayed_with_all_that_it_had():
    answer = ChatResponse(
        "", 3, 2, 0.5, tool_calls=(ToolCall("c", "add", "{}"),), reasoning="so", truncated=True
    )
    written = []

    async def first():
        asking = client(Model(answer), written.append)
        asking.begin("item", ())
        return await asking.reply(ASKED)

    async def second():
        model = Model()
        asking = client(model)
        asking.begin("item", written)
        replayed = await asking.reply(ASKED), asking.calls[0].as_json()
        assert not model.asked
        return replayed

    bought = asyncio.run(first())
    replayed, trace = asyncio.run(second())
    assert replayed == replace(bought, latency_s=0.5)
    assert trace["tool_calls"][0]["name"] == "add"
    assert (trace["reasoning"], trace["truncated"]) == ("so", True)


def test_a_ceiling_stops_the_next_request_and_is_remembered():
    answer = ChatResponse("a", 6, 5, 0.0)

    async def scenario():
        model = Model(answer, answer, answer)
        asking = client(model, ceilings=Ceilings(tokens=20))
        await asking(ASKED)
        await asking(ASKED)
        with pytest.raises(CeilingReached, match="--max-tokens-total 20 is reached \\(22 tokens"):
            await asking(ASKED)
        return len(model.asked), asking.failure

    asked, failure = asyncio.run(scenario())
    assert asked == 2
    assert isinstance(failure, CeilingReached)


def test_the_key_of_a_plain_request_is_that_of_older_journals():
    request = ChatRequest((Message("system", "Be brief."), Message("user", "2 + 2?")), stop=("x",))
    assert request.key() == "5807d95eff7d80e3d698e5a3"
    assert replace(request, stream="s1").key() == request.key()
    assert replace(request, top_k=3).key() != request.key()


def test_calls_at_once_are_drawn_with_different_seeds():
    answer = ChatResponse("a", 1, 1, 0.0)

    async def scenario():
        model = Model(*[answer] * 4)
        asking = StreamClient(
            Gate(model, 4), Sampling(temperature=1.0), "seed", lambda _record: None
        )
        await asyncio.gather(*(asking(ASKED) for _ in range(4)))
        return {one.seed for one in model.asked}

    assert len(asyncio.run(scenario())) == 4


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"form": "json"}, "the form of an answer is a str"),
        ({"form": Schema("{no")}, "a JSON schema is no JSON"),
        ({"tools": [{"name": "add"}]}, "tools that are no Tool"),
        ({"max_tokens": 0}, "an answer of 0 tokens"),
        ({"logprobs": -1}, "asked for -1 log-probabilities"),
    ],
)
def test_what_no_engine_could_answer_is_the_methods_failure(asked, message):
    async def scenario():
        await client(Model()).reply(ASKED, **asked)

    with pytest.raises(MethodError, match=message):
        asyncio.run(scenario())


def test_nothing_can_be_scored_without_a_context():
    with pytest.raises(MethodError, match="a context and a continuation"):
        score("", "x")
