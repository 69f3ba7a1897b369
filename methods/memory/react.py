"""`react`: a thought before every action, in the same output.

Yao et al. 2023, "ReAct: Synergizing Reasoning and Acting in Language Models", arXiv 2210.03629.
Thoughts stay in the episode's history, nothing is kept across tasks. Deviation: no few-shot
trajectories, because what a prompt may show of other tasks is the memory's choice here.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from harness.options import Options
from harness.protocols.stream import Agent, AgentReport, Ask, Context, Memory, Play
from harness.registry import About
from harness_methods.memory.parsing import Move, action_of, first_move
from harness_methods.memory.prompts import messages


class ReActOptions(Options):
    """Options of `react`."""

    window: int = Field(default=100, ge=1)
    """Most turns of history that are shown (AgentBoard: memory_size 100)."""
    thoughts: int = Field(default=5, ge=0)
    """Most earlier thoughts that are shown."""


class ReAct(Agent):
    """Think and act in one output, until the episode is over."""

    about: ClassVar[About] = About(
        "A thought before every action, in one output.", "ReAct, arXiv 2210.03629"
    )
    Options: ClassVar[type[Options]] = ReActOptions
    options: ReActOptions

    async def act(self, play: Play, context: Context, ask: Ask, memory: Memory) -> AgentReport:
        """Play one episode."""
        del memory
        invalid, thoughts = 0, list[str]()
        while not play.done:
            shown = thoughts[len(thoughts) - min(len(thoughts), self.options.thoughts) :]
            prompt = messages(
                play, context, play.turns[-self.options.window :], _format(play), shown
            )
            text = await ask(prompt)
            thought = first_move(text, play.brief.action_label)
            if thought.move is Move.THINK and thought.body:
                thoughts.append(f"Thought: {thought.body}")
            action = action_of(text, play.brief)
            invalid += not action.formed
            await play.act(action.body)
        return AgentReport(invalid_outputs=invalid, notes={"thoughts": float(len(thoughts))})


def _format(play: Play) -> str:
    brief = play.brief
    return (
        f"First write 'Thought:' and one sentence of reasoning, then on a new line "
        f"'{brief.action_label}:' and {brief.answer_format}."
    )
