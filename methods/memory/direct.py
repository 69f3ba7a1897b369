"""`direct`: one model call for each turn, no thinking aloud.

Evo-Memory (arXiv 2511.20857) defines neither its Baseline nor its History. Here `direct` shows
the episode's own history unless told otherwise; the paper's Baseline is `direct` without it, so
that what comes from the history and what comes from a memory can be told apart.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from harness.options import Options
from harness.protocols.stream import Agent, AgentReport, Ask, Context, Memory, Play
from harness.registry import About
from harness_methods.memory.parsing import Output, action_of
from harness_methods.memory.prompts import messages


class DirectOptions(Options):
    """Options of `direct`."""

    history: bool = True
    """Show the observations and actions of this episode."""
    window: int = Field(default=100, ge=1)
    """Most turns of history that are shown (AgentBoard: memory_size 100)."""


class Direct(Agent):
    """Ask for the next action until the episode is over."""

    about: ClassVar[About] = About(
        "One model call a turn; shows the episode's own history.",
        "Evo-Memory, arXiv 2511.20857 (Baseline and History, which it does not define)",
    )
    Options: ClassVar[type[Options]] = DirectOptions
    options: DirectOptions

    async def act(self, play: Play, context: Context, ask: Ask, memory: Memory) -> AgentReport:
        """Play one episode."""
        del memory
        invalid = 0
        while not play.done:
            turns = play.turns[-self.options.window :] if self.options.history else ()
            text = await ask(messages(play, context, turns, output_format(play)))
            output = action_of(text, play.brief)
            invalid += missed_format(output, play)
            await play.act(output.body)
        return AgentReport(invalid_outputs=invalid)


def missed_format(output: Output, play: Play) -> bool:
    """Whether an output is not what `output_format` asks for."""
    return not output.body if play.brief.single_turn else not (output.formed and output.body)


def output_format(play: Play) -> str:
    """Ask for the action alone."""
    brief = play.brief
    if brief.single_turn:
        return f"Give {brief.answer_format} and nothing else."
    return f"Reply with one line, {brief.action_label}: followed by {brief.answer_format}."
