"""`refine`: think, prune, act - the agent of ReMem.

Evo-Memory (arXiv 2511.20857), section 3.3: at each step the agent chooses one of {Think, Act,
Refine}; any number of rounds of Think and Refine, and the step ends with Act. The only Refine
operation that the paper shows is pruning of the retrieved items by their number. Deviations and
choices where it is silent: rounds are bounded (the number is unstated; unofficial code uses 10);
a pruned item leaves the current context, and leaves the memory only with ``prune_persists``,
because the paper does not say which; in a round, an output that is none of the three forms does
nothing but use the round up, and counts as invalid. After the last round the agent is asked for
the action alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import Field

from harness.hooks import call_hook
from harness.models.chat import Phase
from harness.options import Options
from harness.protocols.stream import Agent, AgentReport, Ask, Context, Memory, Play
from harness.registry import About
from harness_methods.memory.direct import missed_format, output_format
from harness_methods.memory.parsing import Move, Output, action_of, first_move, pruned_numbers
from harness_methods.memory.prompts import messages


class RefineOptions(Options):
    """Options of `refine`."""

    rounds: int = Field(default=1, ge=0)
    """Most Think and Think-Prune rounds before each action."""
    think: bool = True
    """Offer Think."""
    prune: bool = True
    """Offer Think-Prune while items are shown."""
    prune_persists: bool = False
    """Remove pruned items from the memory too."""
    window: int = Field(default=100, ge=1)
    """Most turns of history that are shown (AgentBoard: memory_size 100)."""


@dataclass
class _Refining:
    """What has happened in one episode."""

    context: Context
    pruned: list[str] = field(default_factory=list[str])
    invalid: int = 0
    thoughts: int = 0


class Refine(Agent):
    """Refine what is shown, then act, until the episode is over."""

    about: ClassVar[About] = About(
        "Think, prune the shown experience, act: the agent of ReMem.",
        "Evo-Memory, arXiv 2511.20857, section 3.3",
    )
    Options: ClassVar[type[Options]] = RefineOptions
    options: RefineOptions

    async def act(self, play: Play, context: Context, ask: Ask, memory: Memory) -> AgentReport:
        """Play one episode."""
        state = _Refining(context)
        while not play.done:
            output = await self._step(play, ask, state)
            state.invalid += missed_format(output, play)
            await play.act(output.body)
        if self.options.prune_persists and state.pruned:
            await call_hook(memory.remove, state.pruned)
        return AgentReport(
            pruned=tuple(state.pruned),
            invalid_outputs=state.invalid,
            notes={"thoughts": float(state.thoughts)},
        )

    async def _step(self, play: Play, ask: Ask, state: _Refining) -> Output:
        """Rounds of Think and Think-Prune that end with an action."""
        notes = list[str]()
        turns = play.turns[-self.options.window :]
        for _ in range(self.options.rounds):
            offer = self._offer(play, state)
            if offer is None:
                break
            text = await ask(messages(play, state.context, turns, offer, notes), phase=Phase.THINK)
            output = first_move(text, play.brief.action_label)
            if not output.formed:
                state.invalid += 1
            elif output.move is Move.ACT:
                return action_of(text, play.brief)
            elif output.move is Move.THINK:
                state.thoughts += 1
                notes.append(f"Think: {output.body}")
            else:
                self._prune(output.body, state)
        text = await ask(messages(play, state.context, turns, output_format(play), notes))
        return action_of(text, play.brief)

    def _prune(self, body: str, state: _Refining) -> None:
        pruned = pruned_numbers(body, len(state.context.items))
        state.invalid += not pruned.valid
        ids = [hit.id for n, hit in enumerate(state.context.items, 1) if n in pruned.numbers]
        state.context = state.context.without(ids)
        state.pruned += [one for one in ids if one not in state.pruned]

    def _offer(self, play: Play, state: _Refining) -> str | None:
        """Say which forms may be used; None where only acting is left."""
        forms = list[str]()
        if self.options.prune and state.context.items:
            forms.append("Think-Prune: the numbers of experience items to drop, such as 1,3 or 2-4")
        if self.options.think:
            forms.append("Think: one sentence of reasoning")
        if not forms:
            return None
        label, form = play.brief.action_label, play.brief.answer_format
        return "\n".join(["Reply with exactly one of:", *forms, f"{label}: {form}"])
