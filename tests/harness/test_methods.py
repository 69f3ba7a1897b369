"""How method strings become an agent and a memory."""

from __future__ import annotations

import sys

import pytest

from harness.errors import UnknownName, UsageError
from harness.methods import resolve

FILE = '''
from harness.options import Options
from harness.protocols.stream import Agent, AgentReport, EntryMemory, MethodPair, Retrieval
from harness.registry import About

class MyOptions(Options):
    size: int = 3
    """How large."""

class MyMemory(EntryMemory):
    about = About("mine", "here")
    Options = MyOptions

    async def search(self, query):
        return Retrieval()

    async def evolve(self, experience):
        return

class Unfinished(EntryMemory):
    """No evolve."""

    async def search(self, query):
        return Retrieval()

class MyAgent(Agent):
    about = About("mine", "here")

    async def act(self, play, context, ask, memory):
        return AgentReport()

PAIR = MethodPair(About("both", "here"), agent="react:thoughts=1", memory="exprag")
NOTHING = 3
'''


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    return path


def parts(text):
    method = resolve(text, "stream")
    return [(part.role, part.name, part.options.differing()) for part in method.parts]


def refused(text, kind=UsageError):
    with pytest.raises(kind) as error:
        resolve(text, "stream")
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "agent", "memory"),
    [
        ("react+exprag", ("react", {}), ("exprag", {})),
        ("react:thoughts=2+exprag:k=8", ("react", {"thoughts": 2}), ("exprag", {"k": 8})),
        ("refine", ("refine", {}), ("none", {})),
        ("shuffled", ("direct", {}), ("shuffled", {})),
        ("baseline", ("direct", {"history": False}), ("none", {})),
        ("history", ("direct", {}), ("history", {})),
        ("react", ("react", {}), ("none", {})),
        ("exprecent", ("direct", {}), ("exprecent", {})),
        ("remem", ("refine", {}), ("exprag", {})),
        ("direct+history", ("direct", {}), ("history", {})),
    ],
)
def test_the_left_part_is_the_agent_and_the_right_part_the_memory(text, agent, memory):
    assert parts(text) == [("agent", *agent), ("memory", *memory)]


def test_options_beside_a_pairs_name_go_to_the_part_that_has_them():
    assert parts("remem:k=8,rounds=3,prune_persists=true") == [
        ("agent", "refine", {"rounds": 3, "prune_persists": True}),
        ("memory", "exprag", {"k": 8}),
    ]


def test_options_beside_a_pairs_name_win_over_its_own():
    assert parts("baseline:history=true")[0] == ("agent", "direct", {})


def test_an_option_that_neither_part_of_a_pair_has_gets_the_nearest_name():
    assert "did you mean rounds" in refused("remem:round=3", UnknownName)


@pytest.mark.parametrize("text", ["exprag+direct", "exprag+react", "none+none"])
def test_parts_in_the_wrong_place_are_refused_with_what_exists(text):
    reason = refused(text)
    assert "is no agent, its role is memory; write agent+memory" in reason
    assert "As agent: direct, react, refine; as memory: amem, awm, dc-cu, dc-rs, exprag" in reason


def test_a_pair_is_no_part_of_a_pair():
    assert "'remem' is no agent, its role is pair" in refused("remem+exprag")
    assert "'direct' is no memory, its role is agent" in refused("react+direct")


def test_three_parts_are_refused_with_an_example():
    reason = refused("react+exprag+none")
    assert (
        "has 3 parts; the form of a stream method is agent+memory, for example direct+none"
        in reason
    )


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("exprag", "direct+exprag"),
        ("remem:rounds=2,k=8", "refine:rounds=2+exprag:k=8"),
        ("react:window=100+exprag:k=none", "react+exprag"),
        ("baseline", "direct:history=false+none"),
    ],
)
def test_the_canonical_form_resolves_to_itself(text, canonical):
    method = resolve(text, "stream")
    assert method.canonical() == canonical
    assert resolve(canonical, "stream").canonical() == canonical
    assert method.label == text


class TestFiles:
    def test_a_memory_gets_the_default_agent(self, file):
        (_, agent, _), (role, memory, given) = parts(f"file:{file}#MyMemory:size=5")
        assert (agent, role, given) == ("direct", "memory", {"size": 5})
        assert memory == f"file:{file}#MyMemory"

    def test_an_agent_gets_no_memory(self, file):
        agent, memory = resolve(f"file:{file}#MyAgent", "stream").parts
        assert (agent.role, agent.type.__name__, memory.name) == ("agent", "MyAgent", "none")

    def test_a_pair_means_its_parts(self, file):
        assert parts(f"file:{file}#PAIR:k=2") == [
            ("agent", "react", {"thoughts": 1}),
            ("memory", "exprag", {"k": 2}),
        ]

    def test_both_parts_may_be_files(self, file):
        method = resolve(f"file:{file}#MyAgent+file:{file}#MyMemory", "stream")
        assert [part.type.__name__ for part in method.parts] == ["MyAgent", "MyMemory"]
        assert resolve(method.canonical(), "stream").canonical() == method.canonical()

    def test_a_file_in_the_wrong_place_is_refused(self, file):
        assert "MyMemory in" in refused(f"file:{file}#MyMemory+none")
        assert "is no agent class" in refused(f"file:{file}#MyMemory+none")

    @pytest.mark.parametrize("name", ["NOTHING", "Missing", "MyOptions"])
    def test_something_else_in_the_file_is_refused(self, file, name):
        assert f"{name} in {file} is no agent or memory class" in refused(f"file:{file}#{name}")

    def test_a_class_without_its_hooks_is_refused_by_their_names(self, file):
        assert "Unfinished has no evolve; add it." in refused(f"file:{file}#Unfinished")

    def test_a_missing_file_is_named(self, tmp_path):
        assert "there is no file" in refused(f"file:{tmp_path}/nowhere.py#MyMemory")

    def test_a_file_of_another_kind_is_named(self, tmp_path):
        (tmp_path / "mine.txt").write_text(FILE)
        assert "its name must end in .py" in refused(f"file:{tmp_path}/mine.txt#MyMemory")

    @pytest.mark.parametrize(
        ("text", "reason"),
        [("1/0", "ZeroDivisionError"), ("def", "SyntaxError"), ("import no_such_x", "no_such_x")],
    )
    def test_a_file_that_raises_is_one_sentence_with_the_reason(self, tmp_path, text, reason):
        (tmp_path / "mine.py").write_text(text)
        before = set(sys.modules)
        assert reason in refused(f"file:{tmp_path}/mine.py#MyMemory")
        assert {name for name in set(sys.modules) - before if name.startswith("harness_f")} == set()

    def test_a_file_without_a_class_is_refused_with_an_example(self, file):
        assert "a file needs the class after '#'" in refused(f"file:{file}")
