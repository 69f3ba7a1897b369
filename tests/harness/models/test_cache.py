"""The response cache as models meet it: what is one question, and what becomes of failures."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

import pytest

from harness.errors import CeilingReached, EndpointError, StorageError, UnknownName, UsageError
from harness.models import cache
from harness.models.base import ModelIdentity
from harness.models.cache import ResponseCache, cache_path
from harness.models.chat import ChatRequest, ChatResponse, Message, TokenLogprob, ToolCall

IDENTITY = ModelIdentity("small", "r1", "engine", "1", {"servers": ["http://one"]})
ANSWER = ChatResponse("four", 7, 1, 0.25)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def question(text="2 + 2?", **more):
    return ChatRequest((Message("user", text),), **more)


class Seller:
    """Answers when it is let to, and counts what it was asked."""

    def __init__(self, *failures):
        self.asked = []
        self.failures = list(failures)
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self, request):
        self.asked.append(request)
        await self.open.wait()
        if self.failures:
            raise self.failures.pop(0)
        return ANSWER


def use(work, identity=IDENTITY):
    """Run `work(cache)` with an open cache."""

    async def go():
        opened = ResponseCache(identity)
        try:
            return await work(opened)
        finally:
            opened.close()

    return asyncio.run(go())


def ask(request, identity=IDENTITY):
    """Ask once; returns the answer and whether it was bought."""

    async def work(opened):
        seller = Seller()
        return await opened.answer(request, seller), bool(seller.asked)

    return use(work, identity)


def test_an_answer_is_known_to_whoever_opens_the_cache_later():
    assert ask(question()) == (ANSWER, True)
    answer, bought = ask(question())
    assert not bought
    assert answer.cached
    assert (answer.text, answer.input_tokens, answer.latency_s) == ("four", 7, 0.25)


def test_an_answer_comes_back_with_all_that_it_had():
    full = ChatResponse(
        "",
        3,
        2,
        0.5,
        finish_reason="tool_calls",
        reasoning="hm",
        tool_calls=(ToolCall("c1", "look", '{"at": "é"}'),),
        logprobs=(TokenLogprob("a", None), TokenLogprob("b", -0.5, (("b", -0.5), ("c", -1.25)))),
        truncated=True,
    )

    async def work(opened):
        async def sell(_request):
            return full

        await opened.answer(question(), sell)
        return await opened.answer(question(), sell)

    answer = use(work)
    assert answer.cached
    assert {**vars(answer), "cached": False} == vars(full)


@pytest.mark.parametrize(
    "identity",
    [
        ModelIdentity("large", "r1", "engine", "1", {"servers": ["http://one"]}),
        ModelIdentity("small", "r2", "engine", "1", {"servers": ["http://one"]}),
        ModelIdentity("small", "r1", "motor", "1", {"servers": ["http://one"]}),
        ModelIdentity("small", "r1", "engine", "2", {"servers": ["http://one"]}),
        ModelIdentity("small", "r1", "engine", "1", {"servers": ["http://two"]}),
        ModelIdentity("small", "r1", "engine", "1", {"servers": ["http://one"], "dtype": "half"}),
    ],
)
def test_another_model_revision_engine_or_setting_is_another_question(identity):
    ask(question())
    assert ask(question(), identity)[1]


def test_the_folder_of_an_engines_log_is_no_part_of_a_question():
    ask(question(), ModelIdentity("small", "r1", "engine", "1", {"log": "a.log"}))
    assert not ask(question(), ModelIdentity("small", "r1", "engine", "1", {"log": "b.log"}))[1]


@pytest.mark.parametrize(
    "other",
    [
        question("2 + 3?"),
        question(temperature=0.5, seed=1),
        question(max_tokens=3),
        question(stop=(".",)),
        question(logprobs=2),
        ChatRequest((Message("system", "2 + 2?"),)),
        ChatRequest((), prompt="2 + 2?"),
    ],
)
def test_another_request_is_another_question(other):
    ask(question())
    assert ask(other)[1]


def test_equal_requests_under_way_are_bought_once():
    async def work(opened):
        seller = Seller()
        seller.open.clear()
        asking = [asyncio.ensure_future(opened.answer(question(), seller)) for _ in range(5)]
        await asyncio.sleep(0)
        seller.open.set()
        return await asyncio.gather(*asking), seller.asked

    answers, asked = use(work)
    assert len(asked) == 1
    assert sorted(one.cached for one in answers) == [False, True, True, True, True]
    assert {one.text for one in answers} == {"four"}


@pytest.mark.parametrize("failure", [EndpointError("gone"), CeilingReached("enough")])
def test_who_waits_for_a_purchase_that_fails_asks_for_itself_and_a_failure_is_not_kept(failure):
    async def work(opened):
        seller = Seller(failure)
        seller.open.clear()
        asking = [asyncio.ensure_future(opened.answer(question(), seller)) for _ in range(3)]
        await asyncio.sleep(0)
        seller.open.set()
        found = await asyncio.gather(*asking, return_exceptions=True)
        return found, len(seller.asked), await opened.answer(question(), seller)

    (first, *others), asked, again = use(work)
    assert first is failure
    assert others == [ANSWER, ANSWER]
    assert asked == 3
    assert again.cached
    assert cache.info().answers == 1


def test_who_waits_for_a_purchase_that_is_cancelled_asks_for_itself():
    async def work(opened):
        seller = Seller()
        seller.open.clear()
        first = asyncio.ensure_future(opened.answer(question(), seller))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(opened.answer(question(), seller))
        await asyncio.sleep(0)
        first.cancel()
        seller.open.set()
        answer = await second
        return first.cancelled(), answer, len(seller.asked)

    assert use(work) == (True, ANSWER, 2)


def test_who_stops_waiting_does_not_stop_the_purchase():
    async def work(opened):
        seller = Seller()
        seller.open.clear()
        first = asyncio.ensure_future(opened.answer(question(), seller))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(opened.answer(question(), seller))
        await asyncio.sleep(0)
        second.cancel()
        seller.open.set()
        return await first, second.cancelled()

    assert use(work)[0] == ANSWER
    assert cache.info().answers == 1


def test_info_and_clear_count_answers_by_model(folder):
    assert cache.info() == cache.CacheInfo(str(folder / "responses.sqlite"), 0, 0, {})
    assert cache.clear() == 0
    large = ModelIdentity("large", "", "engine", "1")
    for text in ("a", "b", "c"):
        ask(question(text))
    ask(question(), large)
    found = cache.info()
    assert (found.answers, found.models) == (4, {"large": 1, "small": 3})
    assert found.bytes == (folder / "responses.sqlite").stat().st_size
    assert cache.clear("large") == 1
    assert cache.info().models == {"small": 3}
    with pytest.raises(UnknownName, match="unknown model of the response cache 'smal'; did you me"):
        cache.clear("smal")
    assert cache.clear() == 3
    assert cache.info().answers == 0
    assert ask(question("a"))[1]


def test_what_is_being_written_counts_in_the_size():
    async def work(opened):
        await opened.answer(question("long " * 50_000), Seller())
        for n in range(50):
            await opened.answer(question(f"{n}"), Seller())
        return cache.info()

    found = use(work)
    assert found.answers == 51
    assert found.bytes > cache_path().stat().st_size or found.bytes > 8192


def damage(path):
    path.write_bytes(b"no database, " * 1000)


def test_a_damaged_file_is_one_sentence_and_clear_starts_a_new_one(folder):
    ask(question())
    damage(folder / "responses.sqlite")
    for use_it in (lambda: ask(question()), cache.info, lambda: cache.clear("small")):
        with pytest.raises(
            UsageError, match=r"cannot be used \(file is not a database\); harness "
        ):
            use_it()
    assert cache.clear() is None
    assert cache.info().answers == 0
    assert ask(question())[1]
    assert not ask(question())[1]


def test_pages_that_are_damaged_while_it_is_open_stop_with_the_mend(folder):
    for n in range(300):
        ask(question(f"{n}"))
    path = folder / "responses.sqlite"
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xaa" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StorageError, match=r"harness cache clear, then the same command again"):
        ask(question("7"))
    assert cache.clear() is None
    assert ask(question("7"))[1]


@pytest.mark.parametrize("text", ["{", "[]", '{"words": 1}', "null", "3"])
def test_an_answer_that_is_none_stops_with_the_mend(folder, text):
    ask(question())
    with closing(sqlite3.connect(folder / "responses.sqlite", isolation_level=None)) as file:
        file.execute("update answers set answer = ?", (text,))
    with pytest.raises(StorageError, match=r"harness cache clear, then the same command again"):
        ask(question())


def test_a_folder_that_cannot_be_used_is_told_before_anything_is_asked(folder):
    folder.write_text("in the way")
    with pytest.raises(UsageError, match="or set HARNESS_CACHE to another folder"):
        ask(question())
