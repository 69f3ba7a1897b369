"""Agents on their own: what they show a model and what they do with its outputs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from harness.methods import resolve
from harness.models.chat import Phase
from harness.protocols.stream import (
    AgentReport,
    Brief,
    Context,
    Entry,
    EntryMemory,
    Hit,
    Observation,
    Play,
    Retrieval,
    Turn,
)

SHOWN = Context(tuple(Hit(f"e{n}", f"experience {n}") for n in range(1, 5)))


class Kept(EntryMemory):
    """Four entries."""

    def __init__(self):
        super().__init__(None, None)
        for n in range(1, 5):
            self.put(Entry(f"e{n}", f"experience {n}", "", "", 0))

    async def search(self, query):
        return Retrieval()

    async def evolve(self, experience):
        return


class SyncKept(Kept):
    def remove(self, ids):
        for one in ids:
            self._entries.pop(one, None)


@dataclass
class Played:
    report: AgentReport
    turns: tuple[Turn, ...]
    prompts: list[str]
    phases: list[Phase]
    memory: Kept

    @property
    def actions(self):
        return [turn.action for turn in self.turns]


def played(method, outputs, *, context=SHOWN, turns=1, question=False, memory=None):
    """Play an episode in which the model says `outputs` one after another."""
    brief = Brief(
        goal="Open the red door",
        instructions="You see doors.",
        answer_format="one action",
        single_turn=question,
        max_turns=turns,
        goal_label="Question" if question else "Mission",
        action_label="Answer" if question else "Action",
    )
    left = turns
    remaining, prompts, phases = list(outputs), [], []

    async def step(action):
        nonlocal left
        left -= 1
        return Observation(f"view {turns - left}", done=left == 0, valid=bool(action))

    async def ask(messages, *, phase=Phase.ACT, max_tokens=None, stop=()):
        prompts.append("\n".join(message.content for message in messages))
        phases.append(phase)
        return remaining.pop(0)

    async def act():
        play = Play(brief, Observation("" if question else "view 0"), step)
        agent = part.type(part.options)
        return await agent.act(play, context, ask, held), play.turns

    part = resolve(method, "stream").left
    held = memory or Kept()
    report, taken = asyncio.run(act())
    assert not remaining
    return Played(report, taken, prompts, phases, held)


class TestDirect:
    def test_the_episodes_own_history_is_shown(self):
        run = played("direct", ["Action: a", "Action: b", "c"], turns=3)
        assert run.actions == ["a", "b", "c"]
        assert "Recent history" not in run.prompts[0]
        assert "Observation: view 0\nAction: a\nObservation: view 1\nAction: b" in run.prompts[2]
        assert "Observation: view 2" in run.prompts[2]
        assert set(run.phases) == {Phase.ACT}

    def test_baseline_shows_the_current_observation_only(self):
        run = played("baseline", ["Action: first", "Action: b"], turns=2)
        assert "Observation: view 1" in run.prompts[1]
        for old in ("Recent history", "view 0", "first"):
            assert old not in run.prompts[1]

    def test_the_window_bounds_the_history(self):
        run = played("direct:window=1", ["Action: a1", "Action: a2", "x"], turns=3)
        assert "a2" in run.prompts[2]
        assert "a1" not in run.prompts[2]

    def test_experience_stands_numbered_before_the_task(self):
        prompt = played("direct", ["x"]).prompts[0]
        assert "[1] experience 1\n\n[2] experience 2" in prompt
        assert prompt.index("[4] experience 4") < prompt.index("Mission: Open the red door")
        assert "Experience" not in played("direct", ["x"], context=Context()).prompts[0]

    def test_an_empty_output_is_invalid_and_still_a_turn(self):
        run = played("direct", ["  ", "Action: go"], turns=2)
        assert run.actions == ["", "go"]
        assert run.report.invalid_outputs == 1

    def test_an_action_without_the_asked_form_is_taken_and_counted_as_invalid(self):
        run = played("direct", ["go", "Action: go"], turns=2)
        assert run.actions == ["go", "go"]
        assert run.report.invalid_outputs == 1

    def test_an_answer_may_have_several_lines(self):
        run = played("direct", ["Answer: 6\nor 7"], question=True)
        assert run.actions == ["6\nor 7"]


class TestReAct:
    def test_earlier_thoughts_are_shown_again(self):
        run = played("react", ["Thought: left first\nAction: turn left", "Action: go"], turns=2)
        assert run.actions == ["turn left", "go"]
        assert "Thought: left first" in run.prompts[1]
        assert run.report.notes == {"thoughts": 1.0}
        assert run.report.invalid_outputs == 0

    @pytest.mark.parametrize(("thoughts", "kept"), [(0, []), (1, ["t2"]), (5, ["t1", "t2"])])
    def test_thoughts_are_bounded(self, thoughts, kept):
        outputs = ["Thought: t1\nAction: a", "Thought: t2\nAction: b", "Action: c"]
        prompt = played(f"react:thoughts={thoughts}", outputs, turns=3).prompts[2]
        assert [t for t in ("t1", "t2") if f"Thought: {t}" in prompt] == kept

    def test_an_output_without_an_action_counts_as_invalid(self):
        run = played("react", ["turn left"])
        assert run.actions == ["turn left"]
        assert run.report.invalid_outputs == 1


class TestRefine:
    def test_a_round_may_think_and_the_thought_is_shown(self):
        run = played("remem", ["Think: the key is red", "Action: pickup"])
        assert "Think-Prune: " in run.prompts[0]
        assert "Think: the key is red" in run.prompts[1]
        assert run.actions == ["pickup"]
        assert run.phases == [Phase.THINK, Phase.ACT]
        assert run.report.notes == {"thoughts": 1.0}

    def test_a_pruned_item_is_gone_from_the_next_prompt(self):
        run = played("remem", ["Think-Prune: 1,3", "Action: go"])
        assert "[1] experience 2\n\n[2] experience 4" in run.prompts[1]
        assert "experience 1" not in run.prompts[1]
        assert run.report.pruned == ("e1", "e3")

    def test_numbers_are_of_the_display_at_that_moment(self):
        run = played("remem:rounds=2", ["Think-Prune: 1", "Think-Prune: 1", "Action: go"])
        assert run.report.pruned == ("e1", "e2")

    def test_pruned_items_stay_away_in_later_turns(self):
        outputs = ["Think-Prune: 1-4", "Action: a", "Think: hm", "Action: b"]
        run = played("remem", outputs, turns=2)
        assert "experience" not in run.prompts[2]
        assert "Think-Prune" not in run.prompts[2]

    def test_acting_in_a_round_ends_the_step_without_another_call(self):
        run = played("remem:rounds=10", ["Action: go"])
        assert run.actions == ["go"]
        assert len(run.prompts) == 1

    def test_after_the_last_round_the_action_alone_is_asked_for(self):
        run = played("remem:rounds=3", ["Think: a", "Think: b", "Think: c", "Action: go"])
        assert "Think:" in run.prompts[2].splitlines()[-2]
        assert run.prompts[3].splitlines()[-1] == (
            "Reply with one line, Action: followed by one action."
        )

    def test_an_output_in_no_form_uses_the_round_up_and_is_invalid(self):
        run = played("remem:rounds=2", ["hm", "Think: b", "Action: go"])
        assert run.report.invalid_outputs == 1
        assert "hm" not in run.prompts[1]
        assert run.actions == ["go"]

    def test_an_unreadable_prune_list_drops_nothing_and_is_invalid(self):
        run = played("remem", ["Think-Prune: the first", "Action: go"])
        assert run.report.invalid_outputs == 1
        assert run.report.pruned == ()
        assert "[4] experience 4" in run.prompts[1]

    @pytest.mark.parametrize("memory", [Kept, SyncKept])
    @pytest.mark.parametrize(("persists", "left"), [("true", 3), ("false", 4)])
    def test_pruning_reaches_the_memory_only_if_asked_to(self, memory, persists, left):
        run = played(
            f"remem:prune_persists={persists}", ["Think-Prune: 2", "Action: go"], memory=memory()
        )
        assert len(run.memory.entries()) == left
        assert ("e2" in run.memory.entries()) == (persists == "false")

    def test_without_think_only_pruning_is_offered(self):
        prompt = played("remem:think=false", ["Think-Prune: 1", "go"]).prompts[0]
        assert "Think-Prune: the numbers" in prompt
        assert "Think: one sentence" not in prompt

    def test_without_prune_only_thinking_is_offered(self):
        prompt = played("remem:prune=false", ["Think: hm", "go"]).prompts[0]
        assert "Think-Prune" not in prompt
        assert "Think: one sentence" in prompt

    @pytest.mark.parametrize(
        ("method", "context"),
        [
            ("remem:think=false,prune=false", SHOWN),
            ("remem:think=false", Context()),
            ("remem:rounds=0", SHOWN),
        ],
    )
    def test_with_nothing_to_offer_it_acts_at_once(self, method, context):
        run = played(method, ["Action: go"], context=context)
        assert run.phases == [Phase.ACT]

    def test_a_question_is_answered_with_answer(self):
        run = played("remem", ["Final Answer: 42"], question=True)
        assert "Answer: one action" in run.prompts[0]
        assert run.actions == ["42"]
