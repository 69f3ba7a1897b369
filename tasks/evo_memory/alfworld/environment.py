"""One ALFWorld episode in text: observation out, action in, progress and success beside it.

Rules of AgentBoard (arXiv 2401.13178, environment/alfworld/alfworld_env.py and tasks/alfworld.py):
a full stop after an action is dropped, ``put A in B`` and ``put A on B`` mean ``put A in/on B``,
``look`` shows the place last gone to or opened once more, and an arrival is told without its ``You
arrive at loc N.``. With a label progress is the share of subgoals whose pattern was found in an
observation, the end counting as one more; without one it is 0 or 1. Success is that the game is
won: an episode that runs out of steps is not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from harness.errors import MissingData

CHECK = "check valid actions"
_ARRIVAL = "You arrive at loc "
_NOTHING = "Nothing happens"
_TASK = "Your task is to:"


class AlfWorldGame(Protocol):
    """What is used of a game that textworld opened."""

    def reset(self) -> Any:
        """The first state, with ``feedback``, ``admissible_commands`` and ``won``."""
        ...

    def step(self, command: str) -> tuple[Any, float, bool]:
        """State, score and end after a command."""
        ...

    def close(self) -> None:
        """Let go of the game."""
        ...


@dataclass(frozen=True)
class TextStep:
    """What an action brought."""

    text: str
    done: bool
    valid: bool
    """The action did something, or asked for help."""


class AlfWorldText:
    """A chore, ready to play; ``reset`` starts it over.

    Args:
        game: the opened game.
        subgoals: patterns of AgentBoard's label; None without a label.
        max_steps: actions per episode; every action costs one.

    Raises:
        MissingData: a pattern is no regular expression.
    """

    def __init__(
        self, game: AlfWorldGame, subgoals: Sequence[str] | None = None, max_steps: int = 30
    ) -> None:
        self.max_steps = max_steps
        self._game = game
        try:
            self._patterns = [re.compile(one) for one in subgoals or ()]
        except re.error as error:
            raise MissingData(f"a subgoal is no regular expression ({error}).") from error
        self._labelled = subgoals is not None
        self.reset()

    def reset(self) -> str:
        """Start over; returns what is seen, without the greeting and the task."""
        state = self._game.reset()
        self.seen, self.goal = _parts(state.feedback)
        self._place = self.seen
        self._offered: list[str] = list(state.admissible_commands)
        self._found = [False] * len(self._patterns)
        self.steps = 0
        self.success = False
        self._ended = False
        return self.seen

    @property
    def progress(self) -> float:
        """Share of subgoals found, the end counting as one; 1 on success."""
        if self.success or not self._labelled:
            return float(self.success)
        return sum(self._found) / (len(self._found) + 1)

    def step(self, action: str) -> TextStep:
        """Take one action.

        Raises:
            RuntimeError: the episode is over.
        """
        if self._ended:
            raise RuntimeError("the episode is over; call reset() to start another one")
        self.steps += 1
        text, valid = self._answer(parsed(action))
        text = without_arrival(text)
        for position, pattern in enumerate(self._patterns):
            self._found[position] |= pattern.search(text) is not None
        self._ended = self.success or self.steps >= self.max_steps
        return TextStep(text, self._ended, valid)

    def _answer(self, action: str) -> tuple[str, bool]:
        if action == CHECK:
            offered = dict.fromkeys([*self._offered, "look", CHECK])
            return f"Choose an action from these valid actions: {', '.join(offered)}", True
        state, _, _ = self._game.step(action)
        self._offered = list(state.admissible_commands)
        self.success = bool(state.won)
        text = self._place if action == "look" else str(state.feedback).strip()
        valid = _NOTHING not in text
        if valid and ("go to" in action or "open" in action):
            self._place = text
        return text, valid

    def close(self) -> None:
        """Let go of the game."""
        self._game.close()


def parsed(action: str) -> str:
    """An action as the game takes it."""
    action = action.strip()
    if "put" in action:
        between = " in " if " in " in action else " on "
        action = action.replace(between, " in/on ")
    return action.removesuffix(".").strip()


def without_arrival(observation: str) -> str:
    """An observation without where one arrived, when that is a bare number of a place."""
    if observation.startswith(_ARRIVAL):
        return observation[observation.find(". ") + 2 :]
    return observation


def _parts(feedback: str) -> tuple[str, str]:
    """What is seen, and the task, of a game's first text."""
    before, found, task = feedback.partition(_TASK)
    paragraphs = [one.strip() for one in before.strip().split("\n\n") if one.strip()]
    if not found or not paragraphs:
        raise MissingData("a game of ALFWorld begins without a task; fetch the games again.")
    return paragraphs[-1], task.strip().splitlines()[0].strip()
