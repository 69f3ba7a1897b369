"""The loop through the real executor, with methods that keep their contract and others."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import replace

import numpy as np
import pytest

from harness.errors import EndpointError, InvalidSample, PromptTooLong, StorageError
from harness.executors import LocalExecutor
from harness.methods import Method, MethodPart, resolve
from harness.models.base import ModelIdentity, ModelKind, ModelRequest
from harness.models.chat import ChatModel, ChatResponse, Message, Sampling
from harness.models.embedders import Bm25
from harness.options import NoOptions
from harness.plan import Plan, StreamRun
from harness.protocols.stream import (
    Agent,
    AgentReport,
    Brief,
    Context,
    Entry,
    EntryMemory,
    Episode,
    Hit,
    Item,
    Memory,
    Observation,
    Query,
    Retrieval,
    Score,
    StreamSettings,
    StreamTask,
)
from harness.registry import About
from harness.results.schema import RunStatus
from harness.results.store import ResultsStore
from harness.spec import RunSpec
from harness.streaming.orders import streams_of
from harness.sweep import Sweep

ABOUT = About("for a test", "tests")


class Riddle(Episode):
    """A question whose outcome is fixed beforehand, of one turn or more."""

    def __init__(self, right, turns, endless):
        self.right, self.turns, self.left, self.endless = right, turns, turns, endless

    @property
    def brief(self):
        return Brief("What is it?", "Guess.", "a word", self.turns == 1, self.turns)

    def reset(self):
        return Observation("")

    def step(self, action):
        self.left -= 1
        return Observation("seen", done=self.left <= 0 and not self.endless)

    def score(self):
        return Score(0.5 + self.right / 2, self.right, gold="the gold answer")


class Riddles(StreamTask):
    """Streams of riddles; ``outcomes`` says which are solved."""

    about = ABOUT
    version = "1"
    subset = "all"

    def __init__(self, settings, outcomes, streams, turns, endless):
        super().__init__(settings)
        self.outcomes, self.streams, self.turns, self.endless = outcomes, streams, turns, endless

    def items(self, data_seed):
        return [
            Item(f"s{stream}/{step}", f"s{stream}", f"{stream}-{step}")
            for stream in range(self.streams)
            for step in range(len(self.outcomes))
        ]

    def episode(self, item):
        step = int(item.sample_id.partition("/")[2])
        return Riddle(bool(self.outcomes[step]), self.turns, self.endless)


class Model(ChatModel):
    """Says "blue", or what a function of the prompt says."""

    def __init__(self, answer=lambda _prompt: "blue"):
        self.answer, self.prompts = answer, []

    async def start(self, host=None):
        return ModelIdentity("test", "1", "test", "1")

    async def chat(self, request):
        prompt = "\n".join(message.content for message in request.messages)
        self.prompts.append(prompt)
        return ChatResponse(self.answer(prompt), 1, 1, 0.0)


class Quiet:
    """A progress that keeps the records."""

    def __init__(self):
        self.records = []

    def advance(self, run_id, record):
        self.records.append(record)

    def status(self, *_text):
        return

    begin = end = status


class Played:
    def __init__(self, outcome, records, root, model):
        self.outcome, self.root, self.model = outcome, root, model
        self.records = sorted(records, key=lambda one: (one.stream_id, one.step))

    @property
    def statuses(self):
        return [str(one.status) for one in self.records]

    def metric(self, name):
        return [one.metrics[name] for one in self.records]

    @property
    def added(self):
        return [entry["text"] for one in self.records for entry in one.memory["added"]]


@pytest.fixture
def play(tmp_path):
    """Run a method on riddles; the same results folder within a test."""

    def played(
        agent="direct",
        memory="exprag",
        *,
        outcomes=(1, 0, 1),
        streams=1,
        turns=1,
        endless=False,
        model=None,
        **settings,
    ):
        method = Method("m", "stream", part("agent", agent), part("memory", memory))
        task = Riddles(StreamSettings(**settings), outcomes, streams, turns, endless)
        spec = RunSpec(
            task="riddles",
            task_version="1",
            subset="all",
            task_options={},
            method=f"{method.left.name}+{method.right.name}",
            label="m",
            model="test",
            embedder="bm25",
            sampling=Sampling().given(),
        )
        run = StreamRun(spec, task, method, streams_of(task.items(0), "native"))
        store, quiet, model = ResultsStore(tmp_path), Quiet(), model or Model()
        store.prepare()

        def opener(_name, _sweep, kind):
            return model if kind is ModelKind.CHAT else Bm25(ModelRequest("bm25"))

        plan = Plan(Sweep(task="riddles"), (run,), streams, 1)
        (outcome,) = asyncio.run(LocalExecutor(store, quiet, opener).execute(plan))
        return Played(outcome, quiet.records, tmp_path, model)

    return played


def part(role, given):
    if isinstance(given, str):
        method = resolve(given, "stream")
        return method.left if role == "agent" else method.right
    return MethodPart(role, given.__name__, given, NoOptions())


class Notes(EntryMemory):
    """One entry for each experience: what feedback granted. Shows all of them."""

    about = ABOUT
    needs_similarity = False

    async def search(self, query: Query):
        return Retrieval(tuple(Hit(one.id, one.text) for one in self._entries.values()))

    async def evolve(self, experience):
        feedback = experience.feedback
        text = json.dumps([feedback.correct, feedback.score, feedback.gold])
        self.put(Entry(f"e{experience.step}", text, "", experience.sample_id, experience.step))


class Asks(Agent):
    """Asks once a turn."""

    about = ABOUT

    async def act(self, play, context, ask, memory):
        while not play.done:
            prompt = " ".join([play.brief.goal, *(hit.text for hit in context.items)])
            await play.act(await ask([Message("user", prompt)]))
        return AgentReport()


class TestStorePolicy:
    # Reference case 4.
    @pytest.mark.parametrize(
        ("store", "sizes"),
        [("success_only", [1, 1, 2]), ("all", [1, 2, 3]), ("failures_only", [0, 1, 1])],
    )
    def test_sizes_of_the_memory_after_each_item(self, play, store, sizes):
        assert play(store=store).metric("memory_entries") == sizes


class TestFeedback:
    @pytest.mark.parametrize(
        ("level", "granted"),
        [
            ("none", [[None, None, None], [None, None, None]]),
            ("correctness", [[True, None, None], [False, None, None]]),
            ("score", [[True, 1.0, None], [False, 0.5, None]]),
            ("gold", [[True, 1.0, "the gold answer"], [False, 0.5, "the gold answer"]]),
        ],
    )
    def test_a_level_grants_exactly_its_fields(self, play, level, granted):
        run = play(memory=Notes, outcomes=(1, 0), feedback=level, store="all")
        assert [json.loads(text) for text in run.added] == granted

    @pytest.mark.parametrize("store", ["success_only", "failures_only"])
    def test_a_store_policy_that_tells_the_outcome_needs_feedback(self, store):
        with pytest.raises(ValueError, match="use store=all"):
            StreamSettings(feedback="none", store=store)


class BrokenAt:
    """Breaks a hook at the second item, after having changed the memory."""

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        cls.about = ABOUT


def breaking(hook, effect):
    """A memory whose `hook` has an effect at step 1: an exception, or a value to return."""

    class Broken(BrokenAt, Notes):
        async def _broken(self, step, honest):
            if step != 1:
                return await honest
            honest.close()
            self.put(Entry("dirt", "dirt", "", "", step))
            if isinstance(effect, Exception):
                raise effect
            return effect

        async def search(self, query):
            honest = super().search(query)
            return await (self._broken(query.step, honest) if hook == "search" else honest)

        async def synthesize(self, query, retrieval):
            honest = super().synthesize(query, retrieval)
            return await (self._broken(query.step, honest) if hook == "synthesize" else honest)

        async def evolve(self, experience):
            honest = super().evolve(experience)
            await (self._broken(experience.step, honest) if hook == "evolve" else honest)

    return Broken


def breaking_act(effect):
    class BrokenAgent(Asks):
        count = 0

        async def act(self, play, context, ask, memory):
            report = await super().act(play, context, ask, memory)
            self.count += 1
            if self.count != 2:
                return report
            await memory.remove(list(memory.entries()))
            if isinstance(effect, Exception):
                raise effect
            return effect

    return BrokenAgent


class TestMethodThatBreaks:
    def fails_alone(self, run, *words):
        """Only the second item failed, with the worst score, and left nothing behind."""
        bad = run.records[1]
        assert run.statuses == ["ok", "failed", "ok"]
        assert bad.score == 0
        assert bad.metrics["success"] == 0
        assert bad.memory["added"] == []
        assert bad.memory["removed"] == []
        assert bad.memory["fingerprint"] == run.records[0].memory["fingerprint"]
        assert run.metric("memory_entries") == [1, 1, 2]
        assert run.records[2].memory["read"] == [["e0", None]]
        for word in words:
            assert word in bad.error
        assert run.outcome.status is RunStatus.COMPLETE
        assert run.outcome.n_failed == 1
        assert not run.outcome.good

    @pytest.mark.parametrize("hook", ["search", "synthesize", "evolve"])
    def test_an_exception_in_a_hook(self, play, hook):
        run = play(Asks, breaking(hook, ValueError("the reason")), store="all")
        self.fails_alone(run, "Broken", "ValueError", "the reason")

    def test_an_exception_in_the_agent(self, play):
        run = play(breaking_act(KeyError("the reason")), Notes, store="all")
        self.fails_alone(run, "BrokenAgent", "KeyError", "the reason")

    @pytest.mark.parametrize(
        ("value", "found"),
        [
            (7, "search returned int"),
            (None, "search returned NoneType"),
            (Context(), "search returned Context"),
            (Retrieval(("text",)), "search returned str, not Hit"),
            (Retrieval(None), "search returned NoneType"),
            (Retrieval("text"), "search returned a text"),
            (Retrieval((Hit(1, "text"),)), "search returned int, not str as a hit's id"),
            (Retrieval((Hit("e", "text", "high"),)), "search returned str, not Real"),
        ],
    )
    def test_rubbish_from_search(self, play, value, found):
        run = play(Asks, breaking("search", value), store="all")
        self.fails_alone(run, "Broken", found)

    @pytest.mark.parametrize(
        ("value", "found"),
        [
            ([], "synthesize returned list"),
            (None, "synthesize returned NoneType"),
            (Context(("text",)), "synthesize returned str, not Hit"),
            (Context(None), "synthesize returned NoneType"),
            (Context((), 5), "synthesize returned int"),
        ],
    )
    def test_rubbish_from_synthesize(self, play, value, found):
        run = play(Asks, breaking("synthesize", value), store="all")
        self.fails_alone(run, "Broken", found)

    @pytest.mark.parametrize(
        ("value", "found"),
        [
            (None, "act returned NoneType"),
            ("done", "act returned str"),
            (AgentReport(pruned=None), "act returned NoneType"),
            (AgentReport(pruned="e0"), "act returned a text"),
            (AgentReport(pruned=(1,)), "act returned int, not str as a pruned id"),
            (AgentReport(invalid_outputs="many"), "act returned str, not Real"),
            (AgentReport(notes={"n": "many"}), "act returned str, not Real as a note"),
            (AgentReport(notes=None), "act returned NoneType"),
        ],
    )
    def test_rubbish_from_act(self, play, value, found):
        run = play(breaking_act(value), Notes, store="all")
        self.fails_alone(run, "BrokenAgent", found)

    @pytest.mark.parametrize(
        ("entry", "found"),
        [
            ("text", "entries returned str, not Entry"),
            (Entry("x", None, "", "", 0), "not str as an entry's text"),
            (Entry("x", "", "", "", "first"), "not int as an entry's step"),
            (Entry("x", "", "", "", 0, {"when": 3}), "not str in an entry's meta"),
            (Entry("y", "", "", "", 0), "the entry 'y' under the key 'x'"),
        ],
    )
    def test_rubbish_in_the_memory(self, play, entry, found):
        class Rubbish(Notes):
            async def evolve(self, experience):
                await super().evolve(experience)
                if experience.step == 1:
                    self._entries["x"] = entry

        self.fails_alone(play(Asks, Rubbish, store="all"), "Rubbish", found)

    def test_numbers_of_numpy_and_lists_are_taken(self, play):
        class Scored(Notes):
            async def search(self, query):
                return Retrieval([Hit("", "text", np.float32(0.5))])

        class Counting(Asks):
            async def act(self, play, context, ask, memory):
                await super().act(play, context, ask, memory)
                return AgentReport(["e"], np.int64(2), {"n": np.float32(1)})

        run = play(Counting, Scored)
        assert run.statuses == ["ok"] * 3
        assert run.metric("similarity") == [0.5] * 3
        assert run.metric("agent_n") == [1.0] * 3
        assert run.metric("invalid_outputs") == [2.0] * 3

    def test_an_action_that_is_no_text(self, play):
        class Numbers(Agent):
            async def act(self, play, context, ask, memory):
                await play.act(7)

        run = play(Numbers, "none")
        assert set(run.statuses) == {"failed"}
        assert "Numbers with NoMemory: the agent's action is int, not text" in run.records[0].error

    def test_a_prompt_that_is_no_message_list(self, play):
        class Texts(Agent):
            async def act(self, play, context, ask, memory):
                await play.act(await ask("what is it?"))

        run = play(Texts, "none")
        assert set(run.statuses) == {"failed"}
        assert "no message list" in run.records[0].error

    def test_an_agent_that_never_acts(self, play):
        class Idle(Agent):
            async def act(self, play, context, ask, memory):
                return AgentReport()

        run = play(Idle, "none")
        assert set(run.statuses) == {"failed"}
        assert "ended without an action" in run.records[0].error

    def test_an_agent_that_takes_too_many_turns(self, play):
        run = play(Asks, "none", turns=3, endless=True)
        assert set(run.statuses) == {"failed"}
        assert "more than 3 turns" in run.records[0].error
        assert run.metric("steps") == [3.0] * 3

    def test_an_agent_that_acts_after_the_end(self, play):
        class Eager(Agent):
            async def act(self, play, context, ask, memory):
                await play.act("a")
                await play.act("b")
                return AgentReport()

        run = play(Eager, "none")
        assert "after the episode was over" in run.records[0].error

    @staticmethod
    def stuck_in(hook):
        """A memory whose hook raises from the second item on, which fails in evolve."""

        class Stuck(Notes):
            async def evolve(self, experience):
                await super().evolve(experience)
                if experience.step == 1:
                    setattr(self, hook, self.stuck)
                    raise ValueError("first")

            def stuck(self, *_arguments):
                raise RuntimeError("it is stuck")

        return Stuck

    @pytest.mark.parametrize("hook", ["entries", "fingerprint"])
    def test_a_memory_that_cannot_say_what_it_holds_fails_its_items(self, play, hook):
        run = play(Asks, self.stuck_in(hook), store="all")
        assert run.statuses == ["ok", "failed", "failed"]
        assert "raised RuntimeError: it is stuck" in run.records[2].error
        assert run.outcome.status is RunStatus.COMPLETE

    def test_a_memory_that_cannot_return_to_its_commit_stops_its_run(self, play):
        run = play(Asks, self.stuck_in("restore"), store="all")
        assert run.outcome.status is RunStatus.INCOMPLETE
        assert "Stuck raised RuntimeError: it is stuck" in run.outcome.note


class TestEndpoint:
    def broken(self, prompt):
        if self.calls == 1:
            self.calls += 1
            raise EndpointError("the server is gone")
        self.calls += 1
        return "blue"

    def test_a_method_that_swallows_the_failure_hides_nothing(self, play):
        class Swallows(Agent):
            async def act(self, play, context, ask, memory):
                try:
                    answer = await ask([Message("user", "?")])
                except Exception:  # noqa: BLE001
                    answer = "no idea"
                await play.act(answer)
                return AgentReport()

        self.calls = 0
        run = play(Swallows, Notes, model=Model(self.broken))
        assert run.statuses == ["ok", "error"]
        assert run.records[1].score is None
        assert run.records[1].error == "the server is gone"
        assert run.outcome.status is RunStatus.INCOMPLETE

    def test_a_memory_that_swallows_the_failure_hides_nothing(self, play):
        class Swallows(Notes):
            async def evolve(self, experience):
                try:
                    await self.context.ask([Message("user", "summarise")])
                except Exception:  # noqa: BLE001
                    return
                await super().evolve(experience)

        self.calls = 0
        run = play(Asks, Swallows, model=Model(self.broken))
        assert run.statuses == ["error"]
        assert run.metric("memory_entries") == [0]

    def test_an_unforeseen_exception_of_the_model_is_the_infrastructures(self, play):
        def broken(_prompt):
            raise ZeroDivisionError("engine")

        run = play(Asks, "none", model=Model(broken))
        assert set(run.statuses) == {"error"}
        assert "ZeroDivisionError" in run.records[0].error

    def test_the_next_execution_tries_again_and_continues(self, play):
        self.calls = 0
        model = Model(self.broken)
        play(Asks, Notes, store="all", model=model)
        run = play(Asks, Notes, store="all", model=model)
        assert run.statuses == ["ok", "ok"]
        assert run.records[0].attempt == 2
        assert run.metric("memory_entries") == [2, 3]
        assert run.outcome.status is RunStatus.COMPLETE


class TestPromptTooLong:
    @staticmethod
    def never(_prompt):
        raise PromptTooLong("the prompt has 9 tokens, the window 8")

    def test_without_anything_of_the_methods_the_item_is_invalid(self, play):
        run = play(Asks, Notes, model=Model(self.never))
        assert run.statuses == ["invalid"] * 3
        assert {one.score for one in run.records} == {None}
        assert run.outcome.status is RunStatus.COMPLETE
        assert run.outcome.n_invalid == 3

    def test_with_experience_shown_it_is_the_methods_failure(self, play):
        def when_shown(prompt):
            return "blue" if prompt == "What is it?" else self.never(prompt)

        run = play(Asks, Notes, store="all", model=Model(when_shown))
        assert run.statuses == ["ok", "failed", "failed"]
        assert run.records[1].score == 0

    def test_with_own_thoughts_shown_it_is_the_methods_failure(self, play):
        def when_thought(prompt):
            return self.never(prompt) if "Think: hm" in prompt else "Think: hm"

        run = play("refine", "none", model=Model(when_thought))
        assert run.statuses == ["failed"] * 3

    def test_in_a_memorys_own_prompt_it_is_the_methods_failure(self, play):
        class Ponders(Notes):
            async def search(self, query):
                await self.context.ask([Message("user", "all that I know: ...")])

        assert play(Asks, Ponders, model=Model(self.never)).statuses == ["failed"] * 3

    def test_after_turns_it_is_the_methods_failure(self, play):
        def second(prompt):
            return self.never(prompt) if "Recent history" in prompt else "blue"

        assert play("direct", "none", turns=2, model=Model(second)).statuses == ["failed"] * 3


class SyncMemory(EntryMemory):
    about = ABOUT
    needs_similarity = False

    def search(self, query):
        found = self.context.ask.blocking([Message("user", f"look for {query.goal}")])
        return Retrieval((Hit("", found),))

    def synthesize(self, query, retrieval):
        return Context(retrieval.hits)

    def evolve(self, experience):
        self.put(Entry(f"e{experience.step}", experience.output, "", "", experience.step))

    def restore(self, entries):
        self._entries = dict(entries)


class SyncAgent(Agent):
    about = ABOUT

    def act(self, play, context, ask, memory):
        while not play.done:
            play.act_blocking(ask.blocking([Message("user", f"{context.items[0].text}?")]))
        return AgentReport(notes={"turns": len(play.turns)})


class TestSynchronousMethods:
    def test_plain_functions_work_as_coroutines_do(self, play):
        run = play(SyncAgent, SyncMemory, turns=2, store="all")
        assert run.statuses == ["ok"] * 3
        assert run.metric("agent_turns") == [2.0] * 3
        assert run.metric("memory_entries") == [1, 2, 3]
        assert run.model.prompts[:2] == ["look for What is it?", "blue?"]

    def test_more_streams_than_pooled_threads_do_not_wait_for_each_other(self, play):
        run = play(SyncAgent, SyncMemory, turns=2, streams=40, outcomes=(1,))
        assert run.statuses == ["ok"] * 40

    def test_a_failing_synchronous_memory_is_rolled_back(self, play):
        class Fails(SyncMemory):
            def evolve(self, experience):
                super().evolve(experience)
                if experience.step == 1:
                    raise ValueError("the reason")

        run = play(SyncAgent, Fails, store="all")
        assert run.statuses == ["ok", "failed", "ok"]
        assert run.metric("memory_entries") == [1, 1, 2]


class Opaque(Memory):
    """A memory with a state that its entries do not tell: a counter in a file."""

    about = ABOUT
    needs_similarity = False

    def __init__(self, options, context):
        super().__init__(options, context)
        self.words = []

    async def search(self, query):
        return Retrieval(tuple(Hit("", word) for word in self.words))

    async def evolve(self, experience):
        self.words.append(f"{experience.output}{len(self.words)}")
        if experience.step == 1:
            self.fail()

    def fail(self):
        return

    def entries(self):
        size = Entry("size", str(len(self.words)), "", "", 0)
        return {"size": size} if self.words else {}

    async def restore(self, entries):
        raise AssertionError("it cannot be rebuilt from its entries")

    def dump(self, folder):
        (folder / "words.json").write_text(json.dumps(self.words))

    async def load(self, folder):
        self.words = json.loads((folder / "words.json").read_text())


class FailingOpaque(Opaque):
    def fail(self):
        raise ValueError("the reason")


class BrokenServer:
    """Breaks at the n-th call, once."""

    def __init__(self, at):
        self.left = at

    def __call__(self, _prompt):
        self.left -= 1
        if self.left == 0:
            raise EndpointError("the server is gone")
        return "blue"


class TestOpaqueMemory:
    def test_it_is_dumped_at_each_commit_and_resumes_from_the_dump(self, play):
        model = Model(BrokenServer(3))
        first = play(Asks, Opaque, store="all", model=model)
        assert first.statuses == ["ok", "ok", "error"]
        (dump,) = first.root.glob("artifacts/*/dumps/s0/step-??????")
        assert json.loads((dump / "words.json").read_text()) == ["blue0", "blue1"]
        second = play(Asks, Opaque, store="all", model=model)
        assert second.statuses == ["ok"]
        assert model.prompts[-1] == "What is it? blue0 blue1"
        assert second.outcome.status is RunStatus.COMPLETE
        assert not list(first.root.glob("artifacts/*/dumps"))

    def test_a_failed_item_returns_it_to_the_dump(self, play):
        run = play(Asks, FailingOpaque, store="all")
        assert run.statuses == ["ok", "failed", "ok"]
        assert run.model.prompts[-1] == "What is it? blue0"

    def test_the_only_dump_survives_a_full_disk_after_it_was_read(self, play, monkeypatch):
        model = Model(BrokenServer(3))
        root = play(Asks, Opaque, store="all", model=model).root

        def full(self, folder):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(Opaque, "dump", full)
            with pytest.raises(StorageError, match="No space left"):
                play(Asks, Opaque, store="all", model=model)
        assert len(list(root.glob("artifacts/*/dumps/s0/step-000002"))) == 1
        run = play(Asks, Opaque, store="all", model=model)
        assert run.outcome.status is RunStatus.COMPLETE

    def test_a_lost_dump_is_named_and_nothing_is_played(self, play):
        model = Model(BrokenServer(3))
        root = play(Asks, Opaque, store="all", model=model).root
        for file in root.glob("artifacts/*/dumps/s0/step-??????/*"):
            file.unlink()
            file.parent.rmdir()
        run = play(Asks, Opaque, store="all", model=model)
        assert run.records == []
        assert "--fresh" in run.outcome.note
        assert run.outcome.status is RunStatus.INCOMPLETE


class Forgetful(Notes):
    """Comes back from a restore as another memory."""

    async def restore(self, entries):
        await super().restore({name: replace(e, text="other") for name, e in entries.items()})


def test_a_memory_that_comes_back_as_another_is_refused(play):
    model = Model(BrokenServer(2))
    assert play(Asks, Forgetful, store="all", model=model).statuses[0] == "ok"
    run = play(Asks, Forgetful, store="all", model=model)
    assert run.records == []
    assert run.outcome.status is RunStatus.INCOMPLETE
    assert "Forgetful is not the same after being restored" in run.outcome.note
    assert "--fresh" in run.outcome.note


def test_a_stateless_memory_lets_every_item_run_alone(play):
    model = Model(BrokenServer(2))
    run = play("direct", "none", outcomes=(1,) * 6, model=model)
    assert sorted(run.statuses) == ["error", *["ok"] * 5]


class Prunes(Asks):
    """Prunes what is shown, except its last item."""

    async def act(self, play, context, ask, memory):
        await super().act(play, context, ask, memory)
        return AgentReport(pruned=context.ids[:-1])


def test_the_pruning_rate_of_the_reference_case(play):
    # Reference case 5: 0, 1, 2, 3 retrieved with 0, 0, 1, 2 pruned is a rate of 3/6.
    run = play(Prunes, Notes, outcomes=(1, 1, 1, 1))
    assert run.metric("retrieved") == [0, 1, 2, 3]
    assert run.metric("pruned") == [0, 0, 1, 2]
    assert sum(run.metric("pruned")) / sum(run.metric("retrieved")) == 0.5


class TestTaskThatBreaks:
    """What a task does wrong is an error row that names it, never a method's bad score."""

    @pytest.mark.parametrize("where", ["episode", "reset", "brief", "step", "score", "close"])
    def test_the_row_is_an_error_that_names_the_task(self, play, monkeypatch, where):
        def broken(*_arguments):
            raise ZeroDivisionError("in the task")

        owner = Riddles if where == "episode" else Riddle
        monkeypatch.setattr(owner, where, property(broken) if where == "brief" else broken)
        run = play(Asks, "none", streams=2)
        assert set(run.statuses) == {"error"}
        assert all("the task's Riddle" in one.error for one in run.records)
        assert all(one.score is None for one in run.records)
        assert run.outcome.status is RunStatus.INCOMPLETE
        monkeypatch.undo()
        again = play(Asks, "none", streams=2)
        assert set(again.statuses) == {"ok"}

    def test_an_agent_that_swallows_it_gets_no_score(self, play, monkeypatch):
        class Swallows(Agent):
            async def act(self, play, context, ask, memory):
                with contextlib.suppress(Exception):
                    await play.act("x")
                return AgentReport()

        monkeypatch.setattr(Riddle, "step", lambda *_arguments: 1 / 0)
        run = play(Swallows, "none")
        assert set(run.statuses) == {"error"}

    def test_an_item_that_cannot_be_answered_is_invalid_by_the_tasks_word_alone(
        self, play, monkeypatch
    ):
        def refused(*_arguments):
            raise InvalidSample("the picture is broken")

        class Refuses(Agent):
            act = refused

        assert set(play(Refuses, "none").statuses) == {"failed"}
        monkeypatch.setattr(Riddle, "reset", refused)
        run = play(Asks, "none", outcomes=(1, 1))
        assert set(run.statuses) == {"invalid"}
        assert run.outcome.status is RunStatus.COMPLETE
