from __future__ import annotations

import random
import sys
from dataclasses import replace

import pytest

from harness.conformance import check_method, check_task
from harness.conformance.__main__ import main
from harness.conformance.toy import ToyEpisode, ToyTask
from harness.errors import UsageError
from harness.protocols.stream import Brief, Experience, Feedback, Observation, Score, Turn
from harness.registry import Kind, registered

BUILT_IN = sorted({one.name for one in registered(Kind.METHOD)})

METHOD = '''
import random, time
from harness.errors import MethodError
from harness.options import Options
from harness.protocols.stream import Agent, AgentReport, Context, Entry, EntryMemory, Hit, Memory
from harness.protocols.stream import Retrieval
from harness.registry import About

class Mine(EntryMemory):
    about = About("mine", "here")
    needs_similarity = False

    async def search(self, query):
        return Retrieval(tuple(Hit(e.id, e.text) for e in self._entries.values()))

    async def evolve(self, experience):
        self.put(Entry(f"e{experience.step}", experience.goal, "", "", experience.step))

class MutatesInSearch(Mine):
    async def search(self, query):
        self.put(Entry("searched", query.goal, "", "", query.step))
        return Retrieval()

class RandomIds(Mine):
    async def evolve(self, experience):
        self.put(Entry(str(random.random()), experience.goal, "", "", experience.step))

class Clock(Mine):
    async def evolve(self, experience):
        now = {"time": str(time.perf_counter_ns())}
        self.put(Entry(f"e{experience.step}", experience.goal, "", "", experience.step, now))

class SaysStateless(Mine):
    stateful = False

class Raises(Mine):
    async def evolve(self, experience):
        raise ValueError("the reason")

class RaisesLate(Mine):
    async def synthesize(self, query, retrieval):
        if len(retrieval.hits) > 3:
            raise ValueError("the reason")
        return await super().synthesize(query, retrieval)

class Rubbish(Mine):
    async def synthesize(self, query, retrieval):
        return "some text"

class ForgetsInRestore(Mine):
    async def restore(self, entries):
        self._entries = {}

class LosesIndexInRestore(Mine):
    def __init__(self, options, context):
        super().__init__(options, context)
        self.index = []

    async def search(self, query):
        return Retrieval(tuple(Hit(one, one) for one in self.index))

    async def evolve(self, experience):
        await super().evolve(experience)
        self.index.append(f"e{experience.step}")

class MovesEntries(Mine):
    async def evolve(self, experience):
        await super().evolve(experience)
        oldest = next(iter(self._entries))
        self._entries[oldest] = self._entries.pop(oldest)

class NoAbout(Mine):
    about = None

class NoHelp(Mine):
    class Options(Options):
        size: int = 3

class Required(Mine):
    class Options(Options):
        size: int
        """How large."""

class AsksUndeclared(Mine):
    async def search(self, query):
        await self.context.similarity.nearest(self._entries, query.goal, 2)
        return Retrieval()

class SyncMine(Mine):
    def search(self, query):
        return Retrieval()

    def evolve(self, experience):
        self.put(Entry(f"e{experience.step}", experience.goal, "", "", experience.step))

class Idle(Agent):
    about = About("mine", "here")

    async def act(self, play, context, ask, memory):
        return AgentReport()
'''


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("methods") / "mine.py"
    path.write_text(METHOD)
    return path


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_method_is_fine(name):
    assert check_method(name) == []


@pytest.mark.parametrize("subset", ["reasoning", "babyai"])
def test_both_subsets_are_fine(subset):
    assert check_task("evo-memory", {"subset": subset}) == []


@pytest.mark.parametrize("name", ["MovesEntries", "Mine", "SyncMine"])
def test_a_third_partys_method_can_be_fine(file, name):
    assert check_method(f"file:{file}#{name}") == []


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("MutatesInSearch", "changes when it is searched; search and synthesize must only read."),
        ("RandomIds", "differs between two equal executions"),
        ("Clock", "keep clocks and random ids out of entries()."),
        ("SaysStateless", "keeps entries but says stateful = False."),
        ("Raises", "raised ValueError: the reason"),
        ("RaisesLate", "raised ValueError: the reason"),
        ("Rubbish", "synthesize returned str, not Context"),
        ("ForgetsInRestore", "is not the same after being restored."),
        ("LosesIndexInRestore", "finds something else after being restored."),
        ("NoAbout", "has no 'about': give its class an About(summary, source)."),
        ("NoHelp", "option size has no docstring under its field."),
        ("Required", "option size"),
        ("AsksUndeclared", "declares needs_similarity = False"),
        ("Idle", "the agent ended without an action"),
        ("Unknown", "is no agent or memory class"),
    ],
)
def test_a_bad_method_is_told_what_is_missing(file, name, told):
    findings = check_method(f"file:{file}#{name}")
    assert any(told in finding for finding in findings), findings
    assert not any("\n" in finding for finding in findings)


def test_an_unknown_method_is_told_the_nearest_name():
    (finding,) = check_method("exprg")
    assert "did you mean exprag" in finding


class Leaks(ToyTask):
    """Shows the answer after the first action."""

    def episode(self, item):
        class Leaking(ToyEpisode):
            def step(self, action):
                return replace(super().step(action), text=f"it was {self._gold}")

        return Leaking(item)


class DuplicateIds(ToyTask):
    def items(self, data_seed):
        return [replace(item, sample_id="same") for item in super().items(data_seed)]


class Scattered(ToyTask):
    def items(self, data_seed):
        return sorted(super().items(data_seed), key=lambda item: item.sample_id[-1])


class NoHash(ToyTask):
    def items(self, data_seed):
        return [replace(item, content_hash="") for item in super().items(data_seed)]

    def episode(self, item):
        return ToyEpisode(replace(item, content_hash="1"))


class Unseeded(ToyTask):
    def items(self, data_seed):
        return [
            replace(item, content_hash=f"{random.getrandbits(40):x}")
            for item in super().items(data_seed)
        ]


class Empty(ToyTask):
    def items(self, data_seed):
        return []


class AlwaysRight(ToyTask):
    def episode(self, item):
        class Generous(ToyEpisode):
            def score(self):
                return Score(1.0, True)

        return Generous(item)


def scoring(found):
    class Odd(ToyTask):
        def episode(self, item):
            class OddEpisode(ToyEpisode):
                def score(self):
                    return found

            return OddEpisode(item)

    return Odd


class Endless(ToyTask):
    def episode(self, item):
        class EndlessEpisode(ToyEpisode):
            def step(self, action):
                return Observation("again")

        return EndlessEpisode(item)


class Cheats(ToyTask):
    def demonstrations(self, count, data_seed):
        goal = "What is the red lamp?"
        return [Experience("demo", 0, goal, (Turn("", "blue"),), Feedback(correct=True))]


class LateBrief(ToyTask):
    """An episode whose brief exists only after reset, as the contract allows."""

    def episode(self, item):
        class Late(ToyEpisode):
            def reset(self):
                self.ready = True
                return super().reset()

            @property
            def brief(self) -> Brief:
                assert self.ready
                return super().brief

            def score(self):
                return Score(0.0, False)

        return Late(item)


class NoAbout(ToyTask):
    about = None


class NoMetrics(ToyTask):
    metrics = ()


class RaisesTask(ToyTask):
    def items(self, data_seed):
        raise KeyError("the reason")


@pytest.mark.parametrize(
    ("task", "told"),
    [
        (Leaks, "the gold answer stands in what the method is shown."),
        (DuplicateIds, "items have sample_ids that are not unique."),
        (Scattered, "items of a stream do not stand together."),
        (NoHash, "an item has no content_hash."),
        (Unseeded, "items(0) differs between two equal tasks; seed every generator."),
        (Empty, "items(0) is empty."),
        (AlwaysRight, "a nonsense answer counts as success."),
        (scoring(7), "score returned int, not Score."),
        (scoring(Score(1.5, False)), "score.value 1.5 is outside [0, 1]."),
        (scoring(Score(0.0, False, {"speed": 1.0})), "metric speed is not listed in 'metrics'."),
        (scoring(Score(0.0, False, {"success": float("nan")})), "metric success is nan."),
        (Endless, "the episode is not done after max_turns=1 turns."),
        (Cheats, "demonstration 'What is the red lamp?' is one of the items."),
        (NoAbout, "the task has no 'about'"),
        (NoMetrics, "the task has no 'metrics'"),
        (RaisesTask, "the task raised KeyError: 'the reason'"),
        (int, "is no StreamTask, EditTask, AdaptTask or SolveTask class."),
        ("evo-memry", "did you mean evo-memory"),
    ],
)
def test_a_bad_task_is_told_what_is_missing(task, told):
    findings = check_task(task)
    assert any(told in finding for finding in findings), findings
    assert not any("\n" in finding for finding in findings)


def test_a_brief_that_needs_reset_is_fine():
    assert check_task(LateBrief) == []


def test_an_unknown_option_of_a_task_is_told_the_nearest_name():
    assert "did you mean subset" in check_task("evo-memory", {"subst": "babyai"})[0]


def test_a_heavy_import_is_told(tmp_path, monkeypatch):
    (tmp_path / "vllm.py").write_text("")
    (tmp_path / "heavy_task.py").write_text(
        "import vllm\nfrom harness.conformance.toy import ToyTask\nclass Heavy(ToyTask): pass\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    from heavy_task import Heavy

    for name in ("vllm", "heavy_task"):
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "heavy_task", type(sys)("heavy_task"))
    assert "importing heavy_task imports vllm" in check_task(Heavy)[0]


def test_the_command_prints_findings_and_says_so_in_its_exit_code(file, capsys):
    assert main(["method", f"file:{file}#Mine"]) == 0
    assert capsys.readouterr().out == f"method file:{file}#Mine: fine\n"
    assert main(["method", f"file:{file}#Raises"]) == 1
    assert "- memory" in capsys.readouterr().out
    assert main(["task", "evo-memory", "streams=2"]) == 0
    with pytest.raises(UsageError, match="usage: python -m harness.conformance"):
        main(["board", "x"])
