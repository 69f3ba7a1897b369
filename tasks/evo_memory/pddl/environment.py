"""One planning problem in text: observation out, action in, progress and success beside it.

Rules of AgentBoard (arXiv 2401.13178, environment/pddl_env/pddl_env.py): an action that is not
understood, not applicable or changes nothing has no effect and costs a step; progress is the
largest share of goal literals that held after an action, 0 at the start even where a literal holds
already; success means that all hold at once, and ends the episode.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness_tasks.evo_memory.pddl.problem import Action, Problem
from harness_tasks.evo_memory.pddl.wording import (
    CHECK,
    LOOK,
    NO_EFFECT,
    NOT_UNDERSTOOD,
    SATISFIED,
    action_text,
    listed,
    state_text,
    understood,
)

LONG_DOMAINS = frozenset({"barman", "tyreworld"})
"""Where an observation tells only what is new, and "look around" is offered."""


@dataclass(frozen=True)
class TextStep:
    """What an action brought."""

    text: str
    done: bool
    valid: bool
    """The action was understood and changed something, or asked for help."""


class PddlText:
    """A problem, ready to play; ``reset`` starts it over.

    Args:
        domain: ``gripper``, ``blockworld``, ``barman`` or ``tyreworld``.
        problem: the ground problem.
        max_steps: actions per episode; every action costs one.
    """

    def __init__(self, domain: str, problem: Problem, max_steps: int = 30) -> None:
        self.problem = problem
        self.max_steps = max_steps
        self._changes_only = domain in LONG_DOMAINS
        self.reset()

    def reset(self) -> str:
        """Start over; returns the whole initial state in words."""
        self._state = self.problem.initial
        self.steps = 0
        self.progress = 0.0
        self.success = False
        return state_text(self._state)

    def actions(self) -> list[str]:
        """The applicable actions, in words and alphabetical order."""
        return sorted(action_text(one) for one in self.problem.applicable(self._state))

    def step(self, action: str) -> TextStep:
        """Take one action.

        Args:
            action: any text that names an action and its objects; any text with "check" in it
                asks for the applicable actions, any other with "look around" for the whole state.

        Raises:
            RuntimeError: the episode is over.
        """
        if self.success or self.steps >= self.max_steps:
            raise RuntimeError("the episode is over; call reset() to start another one")
        self.steps += 1
        text, valid = self._answer(action.lower())
        return TextStep(text, self.success or self.steps >= self.max_steps, valid)

    def _answer(self, action: str) -> tuple[str, bool]:
        if CHECK.split()[0] in action:
            return listed(self.problem.applicable(self._state), self._changes_only), True
        if LOOK in action:
            return state_text(self._state), True
        found = understood(action, self.problem, self._state)
        if found is None:
            return NOT_UNDERSTOOD, False
        if not isinstance(found, Action) or not found.preconditions <= self._state:
            return NO_EFFECT, False
        before, after = self._state, found.apply(self._state)
        if before == after:
            return NO_EFFECT, False
        self._state = after
        self.progress = max(self.progress, self.problem.satisfied(after))
        self.success = all(literal in after for literal in self.problem.goal)
        text = state_text(after - before if self._changes_only else after)
        return text + (SATISFIED if self.success else ""), True
