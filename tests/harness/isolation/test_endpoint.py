"""The model as an OpenAI-compatible server of a stream: what packages that bring a client call."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
from types import SimpleNamespace

import aiohttp
import numpy as np
import pytest

from harness.conformance.toy import ToyModel
from harness.errors import CeilingReached, EndpointError, MethodError, PromptTooLong
from harness.isolation.endpoint import Endpoint, Route
from harness.models.base import Ability, ModelRequest
from harness.models.chat import ChatResponse, Phase, Sampling, Schema, Tool, ToolCall, ToolChoice
from harness.models.client import Gate, StreamClient

HELLO = [{"role": "user", "content": "hello"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "remember",
        "description": "Remember a thing.",
        "parameters": {"type": "object", "properties": {"thing": {"type": "string"}}},
    },
}
OTHER = {"type": "function", "function": {"name": "forget"}}
SHAPE = {"type": "object", "properties": {"facts": {"type": "array"}}}


class Scripted(ToyModel):
    """Answers with what it is given, or raises it."""

    def __init__(self, answer=None):
        super().__init__(ModelRequest("scripted"))
        self.answer, self.requests = answer, []

    async def chat(self, request):
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        if isinstance(self.answer, asyncio.Event):
            await self.answer.wait()
        if isinstance(self.answer, ChatResponse):
            return self.answer
        return ChatResponse(f"answer {len(self.requests)}", 7, 2, 0.0)


class Able(Scripted):
    abilities = frozenset({Ability.TOOLS, Ability.SCHEMA})


class Vectors:
    async def embed(self, texts):
        return np.array([[len(text), 1.0] for text in texts], dtype=np.float32)


class Served:
    """A route with its client, called over HTTP as a package would."""

    def __init__(self, model=None, *, embedder=None, answered=(), sampling=None):
        self.model = model or Scripted()
        self.journal = []
        client = StreamClient(Gate(self.model, 8), sampling or Sampling(), "0", self.journal.append)
        client.begin("item", answered)
        self.client, self.route = client, Route(client, embedder)
        self.endpoint = Endpoint()
        self.url = ""

    async def __aenter__(self):
        await self.endpoint.start()
        self.url = self.endpoint.open(self.route)
        self.http = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_error):
        await self.http.close()
        await self.endpoint.close()

    async def post(self, path, data=None, **body):
        sent = {"data": data} if data is not None else {"json": body}
        async with self.http.post(self.url + path, **sent) as response:
            return response.status, await response.json()

    async def chat(self, messages=HELLO, **body):
        return await self.post("/chat/completions", model="any", messages=messages, **body)


def talk(conversation, *arguments, **options):
    """Serve for one test; returns what the conversation does, and what was served."""

    async def run():
        async with Served(*arguments, **options) as served:
            return await conversation(served), served

    return asyncio.run(run())


def test_a_chat_is_answered_and_metered_for_the_phase_of_the_hook():
    async def conversation(served):
        served.route.begin(Phase.RETRIEVE)
        first = await served.chat(max_tokens=999, stop="\n", temperature=1.5, top_p=0.3)
        assert served.route.end() is None
        served.route.begin(Phase.EVOLVE)
        await served.chat(max_completion_tokens=5, stop=["a", "b"])
        return first

    (status, body), served = talk(conversation)
    assert status == 200
    assert body["choices"][0]["message"] == {"role": "assistant", "content": "answer 1"}
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["usage"] == {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
    assert [one.phase for one in served.client.calls] == [Phase.RETRIEVE, Phase.EVOLVE]
    first, second = served.model.requests
    # The package's limits hold, and the run's sampling.
    assert (first.max_tokens, first.stop, first.temperature, first.top_p) == (999, ("\n",), 0, 1)
    assert (second.max_tokens, second.stop) == (5, ("a", "b"))


def test_parts_and_roles_of_messages_are_read():
    messages = [
        {"role": "developer", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "one "}, {"text": "two"}]},
        {"role": "assistant", "content": None, "tool_calls": [_call("c1", "remember", "{}")]},
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
    ]
    _, served = talk(lambda served: served.chat(messages))
    sent = served.model.requests[0].messages
    assert [(one.role, one.content) for one in sent] == [
        ("system", "be brief"),
        ("user", "one two"),
        ("assistant", ""),
        ("tool", "done"),
    ]
    assert sent[2].tool_calls == (ToolCall("c1", "remember", "{}"),)
    assert sent[3].tool_call_id == "c1"


def _call(number, name, arguments):
    return {
        "id": number,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def test_tools_are_offered_and_their_calls_come_back():
    said = ChatResponse("", 1, 1, 0.0, tool_calls=(ToolCall("c1", "remember", '{"thing": 1}'),))
    (status, body), served = talk(lambda served: served.chat(tools=[TOOL]), Able(said))
    assert status == 200
    choice = body["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["tool_calls"] == [_call("c1", "remember", '{"thing": 1}')]
    (tool,) = served.model.requests[0].tools
    assert (tool.name, tool.description) == ("remember", "Remember a thing.")
    assert json.loads(tool.parameters) == TOOL["function"]["parameters"]


@pytest.mark.parametrize(
    ("asked", "choice", "offered"),
    [
        (None, ToolChoice.AUTO, 2),
        ("auto", ToolChoice.AUTO, 2),
        ("none", ToolChoice.NONE, 2),
        ("required", ToolChoice.REQUIRED, 2),
        ("any", ToolChoice.REQUIRED, 2),
        ({"type": "function", "function": {"name": "remember"}}, ToolChoice.REQUIRED, 1),
    ],
)
def test_a_choice_of_tools_is_kept(asked, choice, offered):
    _, served = talk(lambda served: served.chat(tools=[TOOL, OTHER], tool_choice=asked), Able())
    request = served.model.requests[0]
    assert request.tool_choice is choice
    assert len(request.tools) == offered
    assert isinstance(request.tools[0], Tool)


@pytest.mark.parametrize(
    ("asked", "form"),
    [
        ({"type": "json_schema", "json_schema": {"name": "x", "schema": SHAPE}}, SHAPE),
        ({"type": "json_object"}, {"type": "object"}),
        ({"type": "text"}, None),
    ],
)
def test_a_form_is_asked_of_models_that_can_be_held_to_it(asked, form):
    _, held = talk(lambda served: served.chat(response_format=asked), Able())
    found = held.model.requests[0].form
    assert found == (None if form is None else Schema(json.dumps(form)))
    (status, _), free = talk(lambda served: served.chat(response_format=asked), Scripted())
    assert status == 200
    assert free.model.requests[0].form is None


@pytest.mark.parametrize(
    ("error", "status", "remembered"),
    [
        (PromptTooLong("9000 tokens"), 413, PromptTooLong),
        (EndpointError("gone"), 503, EndpointError),
        (CeilingReached("no more"), 503, CeilingReached),
        (ConnectionError("odd"), 503, EndpointError),
        (MethodError("cannot"), 400, MethodError),
    ],
)
def test_what_the_model_raises_is_told_and_remembered(error, status, remembered):
    (found, body), served = talk(lambda served: served.chat(), Scripted(error))
    assert found == status
    assert str(error) in body["error"]["message"]
    failure = served.route.end()
    assert isinstance(failure, remembered)
    assert served.route.end() is None  # told once
    hidden = isinstance(served.client.failure, (EndpointError, CeilingReached))
    assert hidden == (status == 503)
    assert served.journal == []


@pytest.mark.parametrize(
    "body",
    [
        {"messages": HELLO, "stream": True},
        {"messages": HELLO, "n": 2},
        {"messages": HELLO, "tools": [TOOL]},  # which this model has not
        {"messages": HELLO, "max_tokens": -1},
        {"messages": []},
        {"messages": ["hello"]},
        {"messages": None},
        {"messages": [{"content": "no role"}]},
        {"messages": [{"role": "user", "content": [1]}]},
        {"messages": HELLO, "tools": [{"name": "flat"}]},
        {},
    ],
)
def test_a_bad_request_is_refused_with_a_reason_and_remembered(body):
    (status, answer), served = talk(lambda served: served.post("/chat/completions", **body))
    assert status == 400
    assert answer["error"]["message"]
    assert isinstance(served.route.end(), MethodError)
    assert served.model.requests == []


@pytest.mark.parametrize("data", ["no json", "[1, 2]", "null", ""])
def test_a_body_that_is_no_object_is_refused(data):
    (status, _), served = talk(lambda served: served.post("/chat/completions", data))
    assert status == 400
    assert isinstance(served.route.end(), MethodError)


def test_unknown_paths_and_streams_are_not_found():
    async def conversation(served):
        responses = await served.post("/responses", input="hello")
        async with served.http.get(served.url + "/files") as found:
            files = found.status
        async with served.http.get(served.url + "/models") as found:
            models = await found.json()
        served.url = served.url.replace(served.url.split("/")[3], "0" * 16)
        return responses[0], files, models, (await served.chat())[0]

    (responses, files, models, stranger), served = talk(conversation)
    assert (responses, files, stranger) == (404, 404, 404)
    assert [one["id"] for one in models["data"]] == ["harness"]
    assert "/responses is not served" in str(served.route.end())


def test_embeddings_come_from_the_runs_embedder():
    async def conversation(served):
        plain = await served.post("/embeddings", input=["one", "three"])
        single = await served.post("/embeddings", input="one", dimensions=2)
        packed = await served.post("/embeddings", input="one", encoding_format="base64")
        assert served.route.end() is None
        served.route.begin(Phase.EVOLVE)
        wide = await served.post("/embeddings", input="one", dimensions=1536)
        ids = await served.post("/embeddings", input=[[1, 2, 3]])
        return plain, single, packed, wide, ids

    (plain, single, packed, wide, ids), served = talk(conversation, embedder=Vectors())
    assert [one["embedding"] for one in plain[1]["data"]] == [[3.0, 1.0], [5.0, 1.0]]
    assert [one["index"] for one in plain[1]["data"]] == [0, 1]
    assert single[1]["data"][0]["embedding"] == [3.0, 1.0]
    assert struct.unpack("<2f", base64.b64decode(packed[1]["data"][0]["embedding"])) == (3.0, 1.0)
    assert (wide[0], ids[0]) == (400, 400)
    assert "2 dimensions, not 1536" in wide[1]["error"]["message"]
    assert "token ids" in ids[1]["error"]["message"]
    assert served.client.calls == []  # vectors are no model calls


def test_an_embedder_without_vectors_is_named_with_the_mend():
    (status, body), served = talk(lambda served: served.post("/embeddings", input="one"))
    assert status == 400
    assert "--embedder minilm" in body["error"]["message"]
    assert isinstance(served.route.end(), MethodError)


def test_answers_are_journalled_and_replayed_by_the_content_of_the_request():
    async def conversation(served):
        return [(await served.chat())[1]["choices"][0]["message"]["content"] for _ in range(2)]

    first, bought = talk(conversation)
    assert [one["key"] for one in bought.journal] == [
        request.key() for request in bought.model.requests
    ]
    again, replayed = talk(conversation, answered=bought.journal)
    assert again == first == ["answer 1", "answer 2"]
    assert replayed.model.requests == []
    assert len(replayed.client.calls) == 2  # metered as before


def test_seeds_of_drawn_answers_do_not_depend_on_the_address():
    def seeds():
        _, served = talk(lambda one: one.chat(), sampling=Sampling(temperature=1.0))
        return [request.seed for request in served.model.requests]

    assert seeds() == seeds() != [None]


def test_calls_after_the_hook_are_refused():
    async def conversation(served):
        served.route.begin(Phase.EVOLVE)
        served.route.end()
        return await served.chat()

    (status, body), served = talk(conversation)
    assert status == 400
    assert "after its hook had returned" in body["error"]["message"]
    assert served.model.requests == []


def test_only_time_with_a_request_under_way_is_lent(monkeypatch):
    clock = SimpleNamespace(monotonic=lambda: clock.now, now=100.0)
    monkeypatch.setattr("harness.isolation.endpoint.time", clock)

    async def run():
        async with Served(Scripted(asyncio.Event())) as served:
            clock.now += 5
            assert served.route.lent_s() == 0
            asked = [asyncio.create_task(served.chat()) for _ in range(2)]
            while len(served.model.requests) < 2:
                await asyncio.sleep(0)
            clock.now += 3
            assert served.route.lent_s() == 3
            served.model.answer.set()
            await asyncio.gather(*asked)
            clock.now += 4
            return served.route.lent_s()

    assert asyncio.run(run()) == 3  # two at once are lent once


def test_what_is_under_way_when_the_worker_is_gone_is_not_journalled():
    async def run():
        async with Served(Scripted(asyncio.Event())) as served:
            asking = asyncio.create_task(served.chat())
            while not served.model.requests:
                await asyncio.sleep(0)
            served.route.cut()
            with pytest.raises(aiohttp.ClientError):
                await asking
            served.client.begin("next", ())
            served.model.answer.set()
            await served.chat()
            return served.journal

    assert [one["item"] for one in asyncio.run(run())] == ["next"]


def test_streams_do_not_share_an_address_and_a_closed_one_is_forgotten():
    async def run():
        async with Served() as served:
            other = Route(served.client, None)
            address = served.endpoint.open(other)
            assert address != served.url
            del other
            served.url = address
            return (await served.chat())[0]

    assert asyncio.run(run()) == 404
