"""The client against a real server on a free port of this machine."""

from __future__ import annotations

import asyncio
import json
import traceback
from collections import Counter

import numpy as np
import pytest
from aiohttp import web
from endpoints import (
    Server,
    answering,
    completion,
    endless,
    half,
    raw,
    reset,
    silent,
    stalled,
    status,
)

from harness.errors import EndpointError, PromptTooLong, UnknownName, UsageError
from harness.models.base import ModelRequest
from harness.models.chat import ChatRequest, Message
from harness.models.openai import OpenAIChat, OpenAIEmbedder

KEY = "sk-canary-0123456789"
QUESTION = ChatRequest((Message("system", "Be brief."), Message("user", "2 + 2?")))
QUICK = {"retries": "2", "backoff_s": "0.001", "timeout_s": "10"}


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def model(server, kind=OpenAIChat, name="tiny", **args):
    given = tuple((QUICK | args).items())
    return kind(ModelRequest("openai", name, args=given, base_urls=(server.url,)))


def talk(server, *requests, **args):
    """Ask a started model; returns the answers, or raises what the first failure raised."""

    async def scenario():
        async with server.running():
            asked = model(server, **args)
            await asked.start()
            try:
                return [await asked.chat(request) for request in requests or [QUESTION]]
            finally:
                await asked.close()

    return asyncio.run(scenario())


def test_an_answer_with_its_tokens():
    server = Server(answering(completion("vier ✓")))
    (answer,) = talk(server)
    assert (answer.text, answer.input_tokens, answer.output_tokens) == ("vier ✓", 12, 3)
    assert answer.finish_reason == "length"
    assert answer.latency_s > 0


def test_the_request_is_sent_as_the_protocol_says():
    server = Server(answering(completion()))
    sampled = ChatRequest(QUESTION.messages, 0.7, 0.9, 64, stop=("\n",), seed=7)
    talk(server, QUESTION, sampled)
    (path, headers, plain), (_, _, full) = server.seen
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert plain == {
        "model": "tiny",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "2 + 2?"},
        ],
        "temperature": 0.0,
        "top_p": 1.0,
        "max_tokens": 256,
    }
    assert full["stop"] == ["\n"]
    assert (full["temperature"], full["top_p"], full["seed"]) == (0.7, 0.9, 7)


def test_without_a_key_no_authorization_is_sent(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    server = Server(answering(completion()))
    talk(server)
    assert "Authorization" not in server.seen[0][1]


def test_a_key_read_from_a_file_may_end_with_a_line_feed(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n")
    server = Server(answering(completion()))
    talk(server)
    assert server.seen[0][1]["Authorization"] == f"Bearer {KEY}"


def test_the_address_may_come_from_the_environment_and_may_end_in_v1(monkeypatch):
    async def scenario():
        async with Server(answering(completion())).running() as server:
            monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1/")
            asked = OpenAIChat(ModelRequest("openai", "tiny"))
            identity = await asked.start()
            await asked.close()
            return identity

    assert asyncio.run(scenario()).id == "tiny"


@pytest.mark.parametrize(
    "failure",
    [
        *(status(code) for code in (408, 409, 425, 429, 500, 502, 503, 504)),
        *(reset, half),
        *(raw(b"no json"), raw(b""), raw(b'{"choices":'), raw(b"\xff\xfe"), raw(b"[" * 100_000)),
        raw(b"<html>busy</html>", "text/html"),
    ],
)
def test_what_may_pass_is_tried_again(failure):
    server = Server(failure, failure, answering(completion()))
    assert talk(server)[0].text == "4"
    assert len(server.seen) == 3


@pytest.mark.parametrize(
    ("failure", "named"),
    [
        (status(500, "out of memory"), "status 500: 'out of memory'"),
        (status(429, "slow down"), "status 429: 'slow down'"),
        (reset, "ServerDisconnected|ClientOSError|ConnectionReset"),
        (half, "ClientPayloadError|ServerDisconnected"),
        (raw(b"no json"), "answer is no JSON: 'no json'"),
        (raw(b"<html>busy</html>", "text/html"), "answer is no JSON: '<html>busy"),
    ],
)
def test_what_does_not_pass_names_the_failure_and_the_tries(failure, named):
    server = Server(failure)
    with pytest.raises(EndpointError, match=rf"/v1/chat/completions failed 3 times: ({named})"):
        talk(server)
    assert len(server.seen) == 3


@pytest.mark.parametrize("failure", [silent, stalled])
def test_an_answer_that_does_not_end_is_given_up(failure):
    server = Server(failure)
    with pytest.raises(EndpointError, match="failed 2 times: no answer within 0.2 s"):
        talk(server, timeout_s="0.2", retries="1")
    assert len(server.seen) == 2


def test_an_answer_without_end_is_not_kept_in_memory(monkeypatch):
    monkeypatch.setattr("harness.models.endpoint._MOST_BYTES", 2**20)
    with pytest.raises(EndpointError, match="more than 1048576 bytes"):
        talk(Server(endless), retries="0")


@pytest.fixture
def pauses(monkeypatch):
    """The pauses that the client asks for, without making them."""
    found, real = [], asyncio.sleep

    async def sleep(seconds, *_args):
        if seconds:  # the server of the test yields with 0
            found.append(seconds)
        await real(0)

    monkeypatch.setattr("harness.models.replicas.asyncio.sleep", sleep)
    return found


@pytest.mark.parametrize(
    ("retry_after", "least", "most"),
    [("0", 0, 0.01), ("7", 7, 7), ("1.5", 1.5, 1.5), ("1e9", 60, 60), ("-5", 0, 0.01)]
    + [(junk, 0, 0.01) for junk in ("", "soon", "nan", "inf", "Wed, 21 Oct 2015 07:28:00 GMT")],
)
def test_the_server_may_say_how_long_to_wait(pauses, retry_after, least, most):
    busy = status(429, **{"Retry-After": retry_after})
    assert talk(Server(busy, answering(completion())))[0].text == "4"
    assert len(pauses) == 1
    assert least <= pauses[0] <= most


def test_pauses_double_up_to_thirty_seconds(pauses):
    with pytest.raises(EndpointError, match="failed 9 times"):
        talk(Server(status(500)), retries="8", backoff_s="1")
    assert len(pauses) == 8
    for pause, middle in zip(pauses, [1, 2, 4, 8, 16, 30, 30, 30], strict=True):
        assert 0.75 * middle <= pause <= 1.25 * middle


@pytest.mark.parametrize(
    "text",
    [
        "This model's maximum context length is 2048 tokens. However, you requested 3000 tokens",
        '{"error": {"code": "context_length_exceeded", "message": "reduce the length"}}',
        "the request exceeds the available context size, try increasing it",
        "prompt is too long: 210000 tokens",
    ],
)
def test_a_prompt_beyond_the_window_is_the_fault_of_the_sample(text):
    server = Server(status(400, text))
    with pytest.raises(PromptTooLong, match=r"/v1/chat/completions"):
        talk(server)
    assert len(server.seen) == 1


@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 422])
def test_a_refused_request_is_an_error_at_once(code):
    server = Server(status(code, "unknown field"))
    with pytest.raises(EndpointError, match=f"status {code}: 'unknown field'"):
        talk(server)
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    "body",
    [
        *({}, [], None, 7, "text", {"error": {"message": "overloaded"}}),
        *({"choices": []}, {"choices": None}, {"choices": [None]}, {"choices": [{}]}),
        {"choices": [{"message": None}]},
        {"choices": [{"message": {"content": ["parts"]}}]},
        completion(usage=[1]),
        completion(usage={"prompt_tokens": "many"}),
        completion(usage={"prompt_tokens": float("inf")}),
    ],
)
def test_an_answer_of_another_shape_is_an_error_that_shows_it(body):
    with pytest.raises(EndpointError, match="unreadable answer .*: "):
        talk(Server(answering(body)))


def test_null_content_is_an_empty_text_and_missing_usage_is_zero_tokens():
    without = completion(None, usage=None)
    assert [(one.text, one.input_tokens) for one in talk(Server(answering(without)))] == [("", 0)]
    del without["usage"]
    del without["choices"][0]["finish_reason"]
    (answer,) = talk(Server(answering(without)))
    assert (answer.text, answer.output_tokens, answer.finish_reason) == ("", 0, "stop")


def test_json_counts_whatever_the_content_type_says():
    server = Server(raw(json.dumps(completion()).encode(), "text/plain"))
    assert talk(server)[0].text == "4"


def test_half_a_surrogate_pair_becomes_text_that_can_be_stored():
    (answer,) = talk(Server(answering(completion("a\ud83db \U0001f600"))))
    assert answer.text == "a\ufffdb \U0001f600"


def test_three_hundred_requests_are_in_flight_at_once():
    # Nobody is answered before all have arrived; a pool with a cap would never get there.
    everybody = asyncio.Barrier(300)

    async def together(_request):
        await everybody.wait()
        return web.json_response(completion())

    async def scenario():
        async with Server(together).running() as server:
            asked = model(server, retries="0", timeout_s="60")
            await asked.start()
            try:
                return await asyncio.gather(*(asked.chat(QUESTION) for _ in range(300)))
            finally:
                await asked.close()

    assert Counter(one.text for one in asyncio.run(scenario())) == {"4": 300}


@pytest.mark.parametrize("code", [401, 403])
def test_a_missing_key_at_the_start_names_its_variable(code):
    with pytest.raises(UsageError, match=rf"/v1/models answers {code}; set OPENAI_API_KEY"):
        talk(Server(status(500), models=status(code)))


@pytest.mark.parametrize("models", [status(404), status(500), raw(b"<html>", "text/html")])
def test_a_server_of_another_kind_is_named_with_the_mend(models):
    with pytest.raises(UsageError, match=r"/v1/models answers .*; check --base-url"):
        talk(Server(status(500), models=models))


@pytest.mark.parametrize("models", [reset, silent])
def test_a_server_that_does_not_answer_is_named_with_the_mend(models):
    with pytest.raises(UsageError, match=r"no server answers at http://.*--base-url"):
        talk(Server(status(500), models=models), timeout_s="0.2")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://127.0.0.1:99999", "http://"])
def test_an_address_without_a_server_is_named_with_the_mend(url):
    asked = OpenAIChat(ModelRequest("openai", "tiny", base_urls=(url,)))
    with pytest.raises(UsageError, match=r"no server answers at http:.*--base-url"):
        asyncio.run(asked.start())


def test_a_model_that_is_not_served_gets_the_nearest_names():
    with pytest.raises(UnknownName, match="'tiny-cat'; did you mean tiny-chat"):
        talk(Server(status(500)), name="tiny-cat")


@pytest.mark.parametrize("listed", [{"data": []}, {}, [], {"data": None}, {"data": [{}]}])
def test_a_server_that_lists_no_models_is_asked_all_the_same(listed):
    assert talk(Server(answering(completion()), models=answering(listed)))[0].text == "4"


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        (ModelRequest("openai"), "--model openai:NAME"),
        (ModelRequest("openai", "m", base_urls=("localhost:8000",)), "must start with http://"),
        (ModelRequest("openai", "m", args=(("retires", "1"),)), "did you mean retries"),
        (ModelRequest("openai", "m", args=(("timeout_s", "0"),)), "timeout_s='0' is refused"),
    ],
)
def test_bad_settings_are_refused_before_anything_is_sent(request_, named):
    with pytest.raises(UsageError, match=named):
        OpenAIChat(request_)


def test_a_closed_model_says_so():
    async def scenario():
        async with Server(answering(completion())).running() as server:
            asked = model(server)
            await asked.start()
            await asked.close()
            await asked.close()
            await asked.chat(QUESTION)

    with pytest.raises(EndpointError, match="is not open"):
        asyncio.run(scenario())


ECHO = f"Incorrect API key provided: {KEY}."


@pytest.mark.parametrize(
    "server",
    [
        Server(status(401, ECHO)),
        Server(status(400, f"too long: {ECHO}")),
        Server(status(500, ECHO)),
        Server(raw(ECHO.encode())),
        Server(answering({"error": ECHO})),
        Server(answering({"choices": [{"message": {"content": [ECHO]}}]})),
        Server(reset),
        Server(status(500), models=status(401, ECHO)),
        Server(status(500), models=raw(ECHO.encode())),
        Server(status(500), models=reset),
    ],
)
def test_the_key_is_in_no_error_even_if_the_server_repeats_it(server):
    with pytest.raises((EndpointError, PromptTooLong, UsageError)) as caught:
        talk(server, retries="0")
    shown = "".join(traceback.format_exception(caught.value))
    assert KEY not in shown
    assert KEY not in repr(caught.value)


# Embeddings.


def embedding(request_body, order=1):
    """The count of a's and b's of each text, unnormalised, and in any order of rows."""
    rows = [
        {"index": n, "embedding": [text.count("a"), text.count("b"), 0.5]}
        for n, text in enumerate(request_body["input"])
    ]
    return {"data": rows[::order]}


async def counted(request):
    return web.json_response(embedding(await request.json(), order=-1))


def embed(server, *calls, **args):
    async def scenario():
        async with server.running():
            asked = model(server, OpenAIEmbedder, **args)
            await asked.start()
            try:
                return [await asked.embed(texts) for texts in calls]
            finally:
                await asked.close()

    return asyncio.run(scenario())


def test_embeddings_are_unit_rows_in_the_order_of_the_texts():
    server = Server(counted)
    (found,) = embed(server, ["aab", "b", "aab", ""])
    expected = np.array([[2, 1, 0.5], [0, 1, 0.5], [2, 1, 0.5], [0, 0, 0.5]])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert server.seen[0][0] == "/v1/embeddings"
    assert server.seen[0][2] == {"model": "tiny", "input": ["aab", "b", ""]}


def test_each_text_is_embedded_once():
    server = Server(counted)
    first, second = embed(server, ["a", "b"], ["b", "ab", "a"])
    assert [body["input"] for _, _, body in server.seen] == [["a", "b"], ["ab"]]
    np.testing.assert_array_equal(second[[2, 0]], first)


def test_many_texts_are_sent_in_parts_that_servers_take():
    server = Server(counted)
    texts = ["a" * n for n in range(1, 601)]
    (found,) = embed(server, texts)
    assert found.shape == (600, 3)
    assert max(len(body["input"]) for _, _, body in server.seen) <= 256
    assert [text for _, _, body in server.seen for text in body["input"]] == texts


@pytest.mark.parametrize(
    "body",
    [
        *({}, [], None, {"data": None}, {"data": []}, {"data": [{}]}),
        {"data": [{"index": 0, "embedding": [1, 0]}]},
        {"data": [{"index": 0, "embedding": [1, 0]}, {"index": 1, "embedding": [1]}]},
        {"data": [{"index": 0, "embedding": [1, 0]}, {"index": 1, "embedding": [0, 0]}]},
        {"data": [{"index": 0, "embedding": [1, 0]}, {"index": 1, "embedding": [0, None]}]},
        {"data": [{"index": 0, "embedding": [1, 0]}, {"index": 1, "embedding": "AAAA"}]},
        {"data": [{"index": 0, "embedding": 1}, {"index": 1, "embedding": 2}]},
    ],
)
def test_unusable_embeddings_are_an_error(body):
    with pytest.raises(EndpointError, match="embeddings"):
        embed(Server(answering(body)), ["a", "b"])


def test_embeddings_are_tried_again_like_answers():
    server = Server(status(503), counted)
    assert embed(server, ["a"])[0].shape == (1, 3)


def test_an_embedder_without_a_name_shows_the_form():
    with pytest.raises(UsageError, match="--embedder openai:NAME"):
        OpenAIEmbedder(ModelRequest("openai"))
