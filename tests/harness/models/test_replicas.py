"""Several servers for one model: even load, streams that stay, work that moves on."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, defaultdict

import pytest
from aiohttp import web
from endpoints import Server, answering, completion, reset, status

from harness.errors import EndpointError, UsageError
from harness.models.base import ModelRequest
from harness.models.chat import ChatRequest, Message
from harness.models.openai import OpenAIChat

QUICK = (("retries", "3"), ("backoff_s", "0.001"), ("timeout_s", "10"))


def asking(text, stream=""):
    return ChatRequest((Message("user", text),), stream=stream)


async def slowly(request):
    await asyncio.sleep(0.005)
    return web.json_response(completion())


def with_replicas(scenario, *handlers, models=None):
    """Run a scenario with a started model over one server for each handler."""

    async def run():
        async with contextlib.AsyncExitStack() as stack:
            servers = [
                await stack.enter_async_context(Server(one, models=models).running())
                for one in handlers
            ]
            urls = tuple(one.url for one in servers)
            model = OpenAIChat(ModelRequest("openai", "tiny", args=QUICK, base_urls=urls))
            await model.start()
            try:
                return await scenario(model, servers)
            finally:
                await model.close()

    return asyncio.run(run())


def who(server):
    return Counter(body["messages"][0]["content"] for _, _, body in server.seen)


def test_independent_requests_are_spread_evenly():
    async def scenario(model, servers):
        await asyncio.gather(*(model.chat(asking(str(n))) for n in range(60)))
        return [len(one.seen) for one in servers]

    assert with_replicas(scenario, slowly, slowly, slowly) == [20, 20, 20]


def test_a_stream_stays_on_one_replica_and_streams_are_spread_evenly():
    async def scenario(model, servers):
        async def stream(name):
            for _ in range(5):
                await model.chat(asking(name, stream=name))

        await asyncio.gather(*(stream(f"s{n}") for n in range(6)))
        return [who(one) for one in servers]

    first, second = with_replicas(scenario, slowly, slowly)
    assert not set(first) & set(second)
    assert sorted(map(len, (first, second))) == [3, 3]
    assert set((first + second).values()) == {5}


def test_the_work_of_a_dead_replica_moves_to_the_others():
    async def scenario(model, servers):
        homes = defaultdict(list)

        async def stream(name):
            for turn in range(6):
                await model.chat(asking(name, stream=name))
                homes[name].append(turn)
                if turn == 2 and name == "s0":
                    servers[0].handlers = [reset]
                    servers[0].seen.clear()

        await asyncio.gather(*(stream(f"s{n}") for n in range(8)))
        counts = {name: len(turns) for name, turns in homes.items()}
        return counts, who(servers[1]), len(servers[0].seen)

    finished, moved, tried = with_replicas(scenario, slowly, slowly)
    assert finished == {f"s{n}": 6 for n in range(8)}
    assert len(moved) == 8
    # A dead one rests: its four streams try it once or twice, not at every turn.
    assert tried <= 8


def test_a_request_that_fails_is_tried_elsewhere_and_its_stream_stays():
    async def scenario(model, servers):
        await model.chat(asking("a", stream="a"))
        home = next(one for one in servers if one.seen)
        other = next(one for one in servers if not one.seen)
        home.handlers = [status(500), answering(completion())]
        await model.chat(asking("a", stream="a"))
        await model.chat(asking("a", stream="a"))
        return len(home.seen), len(other.seen)

    assert with_replicas(scenario, answering(completion()), answering(completion())) == (3, 1)


def test_when_all_are_gone_the_failure_is_named():
    async def scenario(model, servers):
        for one in servers:
            one.handlers = [reset]
        await model.chat(asking("a"))

    with pytest.raises(EndpointError, match="failed 4 times"):
        with_replicas(scenario, slowly, slowly)


def test_servers_with_different_windows_are_refused():
    lengths = iter([4096, 8192])

    def models(_request):
        return web.json_response({"data": [{"id": "tiny", "max_model_len": next(lengths)}]})

    async def scenario(model, servers):
        raise AssertionError

    with pytest.raises(UsageError, match="do not serve the same 'tiny'"):
        with_replicas(scenario, slowly, slowly, models=models)


def test_a_replica_that_refuses_everything_loses_no_request():
    async def scenario(model, servers):
        answers = await asyncio.gather(*(model.chat(asking(str(n))) for n in range(20)))
        return len(answers), len(servers[1].seen)

    assert with_replicas(scenario, status(400, "wrong template"), slowly) == (20, 20)


def test_what_all_replicas_refuse_is_refused_at_once():
    async def scenario(model, servers):
        with pytest.raises(EndpointError, match="unknown field"):
            await model.chat(asking("a"))
        return [len(one.seen) for one in servers]

    refusal = status(400, "unknown field")
    assert with_replicas(scenario, refusal, refusal) == [1, 1]
