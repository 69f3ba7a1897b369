"""What holds for every registered memory, those that are yet to be written included."""

from __future__ import annotations

import asyncio

import pytest
from memories import WritingToy, execute, experience, opened, plain, toy_plan, writer
from support import Server, harness, run_arguments

from harness.conformance.methods import check_method
from harness.methods import resolve
from harness.protocols.stream import Entry, Experience, Feedback, Query, Turn
from harness.registry import Kind, registered

REGISTERED = sorted(
    one.name
    for one in registered(Kind.METHOD)
    if (one.protocol, one.role, one.distribution) == ("stream", "memory", "method-harness")
)
NATIVE = [
    name for name in REGISTERED if not resolve(f"direct+{name}", "stream").right.type.isolated
]
MEMORIES = (
    *NATIVE,
    *("amem:legacy_index_bug=true,evo_threshold=2", "mem0-additive:window=3,threshold=0"),
    *("awm:induce=each,every=2", "awm:judge=feedback", "reasoning-bank:judge=feedback,tasks=2"),
    *("selfrag:ask_need=false", "dc-rs:k=1,sheet_chars=40"),
)
WRITERS = tuple(
    text for text in MEMORIES if hasattr(resolve(f"direct+{text}", "stream").right.type, "counted")
)
TOPICS = ("red lamp", "old door", "green lamp", "red door", "tall tree", "red lamp", "lamp", "door")
JUNK = (
    "",
    "blue",
    "{",
    "null",
    "[[[[" * 3000,
    '{"a":' * 3000,
    '{"facts": 3, "memory": 3, "keywords": 3, "should_evolve": "maybe", "actions": 3}',
    "<cheatsheet></cheatsheet><workflow> </workflow>",
    "Title:\nContent:",
    '"\\ud800"',
    "words " * 10_000,
)
ODD = (
    '{"facts": ["a", 3, null, {"b": []}, "\\ud800", "c"], "memory": [1, null, {"id": {}, '
    '"event": [], "text": 3}, {"id": "0", "event": "update", "text": "t"}, {"text": null}], '
    '"keywords": [[], "k"], "context": 4, "tags": "t", "should_evolve": true, "actions": '
    '["strengthen", "update_neighbor", 3], "suggested_connections": [1, "2", {}, 10e300, -1], '
    '"tags_to_update": null, "new_context_neighborhood": [3], "new_tags_neighborhood": [["n"], 3]}',
    "<cheatsheet>\\ud800 open <cheatsheet> twice",
    "yes no <workflow><workflow>w</WORKFLOW>Content: x\nContent: y\n\x00",
)


def told(memory, step):
    """What the loop would tell of an item: a question, or an episode."""
    outcome = None if memory.unaided else step % 3 != 0
    return experience(step, TOPICS[step], f"a{step}", correct=outcome, episode=step % 2 == 1)


async def item(memory, step):
    """Play an item; returns all that can be seen of the memory."""
    query = Query(f"s/{step}", step, TOPICS[step])
    retrieval = await memory.search(query)
    context = await memory.synthesize(query, retrieval)
    await memory.evolve(told(memory, step))
    seen = [(hit.id, hit.text) for hit in retrieval.hits], context.ids, context.text
    return seen, dict(memory.notes()), plain(memory.entries()), memory.fingerprint()


@pytest.mark.parametrize("text", MEMORIES)
def test_a_memory_restored_at_any_step_goes_on_as_if_nothing_had_happened(text):
    async def session(memory, steps):
        return [await item(memory, step) for step in steps]

    whole = asyncio.run(session(opened(text, writer, store="all"), range(len(TOPICS))))
    for cut in range(len(TOPICS)):
        later = opened(text, writer, store="all")
        held = whole[cut][2]
        asyncio.run(later.restore({one: Entry(**entry) for one, entry in held.items()}))
        assert later.fingerprint() == whole[cut][3]
        rest = range(cut + 1, len(TOPICS))
        assert asyncio.run(session(later, rest)) == whole[cut + 1 :]


@pytest.mark.parametrize("text", MEMORIES)
def test_reading_changes_nothing_and_leaves_no_trace_in_what_follows(text):
    async def session(memory, *, probed):
        seen = []
        for step in range(len(TOPICS)):
            seen.append(await item(memory, step))
            for probe in range(2 if probed else 0):
                query = Query(f"held/{probe}", 100 + probe, TOPICS[-probe])
                first = await memory.search(query)
                shown = await memory.synthesize(query, first)
                assert await memory.synthesize(query, await memory.search(query)) == shown
            assert memory.fingerprint() == seen[-1][3]
        return seen

    probed = asyncio.run(session(opened(text, writer, store="all"), probed=True))
    assert probed == asyncio.run(session(opened(text, writer, store="all"), probed=False))


@pytest.mark.parametrize("text", MEMORIES)
def test_an_item_that_is_played_again_ends_the_same(text):
    async def session(memory, *, twice):
        for step in range(len(TOPICS)):
            if twice:
                before = memory.entries()
                await item(memory, step)
                await memory.restore(before)
            seen = await item(memory, step)
        return seen

    twice = asyncio.run(session(opened(text, writer, store="all"), twice=True))
    assert twice == asyncio.run(session(opened(text, writer, store="all"), twice=False))


@pytest.mark.parametrize("text", WRITERS)
@pytest.mark.parametrize("junk", JUNK, ids=range(len(JUNK)))
def test_junk_is_never_an_error_and_always_counted(text, junk):
    memory = opened(text, lambda _prompt: junk, store="all")
    for step in range(4):
        asyncio.run(item(memory, step))
        notes = memory.notes()
        assert notes["calls"] == notes["unreadable"]
    assert memory.context.ask.prompts


@pytest.mark.parametrize("text", WRITERS)
@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_answers_that_are_half_right_are_no_error(text, odd):
    memory = opened(text, lambda _prompt: odd, store="all")
    for step in range(4):
        asyncio.run(item(memory, step))
    for entry in memory.entries().values():
        (entry.text + entry.key + "".join(entry.meta.values())).encode()


@pytest.mark.parametrize("answer", [writer, lambda _prompt: ""], ids=["good", "junk"])
@pytest.mark.parametrize("chars", [2000, 4000])
@pytest.mark.parametrize("text", WRITERS)
def test_no_prompt_exceeds_the_memorys_budget(text, chars, answer):
    name, _, rest = text.partition(":")
    options = ",".join(filter(None, (rest, f"writer_chars={chars}", "writer_tokens=77")))
    memory = opened(f"{name}:{options}", answer, store="all", experience_chars=500)
    long = "lamp " * 2000
    for step in range(12):
        query = Query(f"s/{step}", step, f"{step} {long}")

        async def play(query=query, step=step):
            context = await memory.synthesize(query, await memory.search(query))
            assert len(context.text) + sum(len(one.text) for one in context.items) <= 500
            turns = tuple(Turn(long, f"{n} {long}") for n in range(3))
            feedback = Feedback() if memory.unaided else Feedback(correct=True)
            await memory.evolve(
                Experience(f"s/{step}", step, query.goal, turns, feedback, single_turn=False)
            )

        asyncio.run(play())
    asked = memory.context.ask
    assert asked.prompts
    assert max(map(len, asked.prompts)) <= chars
    assert max(asked.limits) <= 77


@pytest.mark.parametrize("text", WRITERS)
def test_no_call_of_a_memory_is_charged_to_the_agent(text):
    memory = opened(text, writer, store="all")
    for step in range(4):
        asyncio.run(item(memory, step))
    assert set(memory.context.ask.phases) <= {"retrieve", "evolve", "judge"}
    assert None not in memory.context.ask.limits


@pytest.mark.parametrize("agent", ["direct", "react", "refine:prune_persists=true"])
@pytest.mark.parametrize("name", NATIVE)
def test_every_agent_can_use_every_memory(agent, name):
    assert check_method(f"{agent}+{name}") == []


@pytest.mark.parametrize("name", NATIVE)
def test_a_bare_name_is_the_direct_agent_with_the_memory(name):
    method = resolve(name, "stream")
    assert method.left.name == "direct"
    assert method.right.name == name or name == "none"


def comparable(records):
    """What two executions have to share: all but the seconds."""
    return {
        (one.sample_id, one.step): (
            one.score,
            {name: value for name, value in one.metrics.items() if "seconds" not in name},
            one.memory["fingerprint"],
            one.memory["added"],
        )
        for one in records
    }


@pytest.mark.parametrize("text", WRITERS)
def test_a_run_that_lost_its_model_continues_to_the_same_end(text, tmp_path):
    plan = toy_plan([text], store="all")
    good = WritingToy()
    outcomes, whole = execute(plan, tmp_path / "whole", good)
    assert all(one.good for one in outcomes)
    calls = len(good.requests)
    for at in (2, calls // 2):
        root = tmp_path / str(at)
        failing, again = WritingToy(fails_at=at), WritingToy()
        _, first = execute(plan, root, failing)
        _, second = execute(plan, root, again)
        records = [one for one in (*first, *second) if one.status != "error"]
        assert comparable(records) == comparable(whole)
        assert len(failing.requests) - 1 + len(again.requests) == calls


def test_a_run_says_when_its_memory_could_not_be_written(tmp_path):
    with Server(lambda _prompt: "no sheet at all") as server:
        arguments = run_arguments(server, tmp_path, "-T", "streams=1", "-T", "items=3")
        done = harness(*arguments, "--method", "dc-cu", "--method", "exprecent")
    assert "dc-cu" in done.stdout
    assert done.stdout.count("100 % of what the memory had the model write could not be read") == 1
