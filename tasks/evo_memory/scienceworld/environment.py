"""One ScienceWorld episode in text: observation out, action in, progress and success beside it.

With a label the episode is scored as AgentBoard scores it (arXiv 2401.13178,
environment/scienceworld_env.py): progress is the share of subgoals whose pattern was found in an
observation after an action, and all of them end the episode with success; the game's own end means
nothing. Without one, progress is the game's score and success its full score. Those are two
versions of the task; their numbers do not compare.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.errors import MissingData
from harness_tasks.evo_memory.agentboard import Label
from harness_tasks.evo_memory.scienceworld.simulator import Game

CHECK = "check valid actions"
NOT_KNOWN = "No known action matches that input."
_FULL = 100


class Subgoals:
    """Which of a label's patterns were found so far.

    Raises:
        MissingData: a pattern is no regular expression.
    """

    def __init__(self, label: Label) -> None:
        try:
            self._patterns = [re.compile(one) for one in label.subgoals]
        except re.error as error:
            raise MissingData(
                f"a subgoal of the label '{label.goal}' is no regular expression ({error}); "
                "fetch the label file again."
            ) from error
        self._found = [False] * len(self._patterns)

    def update(self, observation: str) -> None:
        """Look for every pattern in an observation."""
        for position, pattern in enumerate(self._patterns):
            self._found[position] |= pattern.search(observation) is not None

    @property
    def found(self) -> int:
        """How many were found."""
        return sum(self._found)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._found)


@dataclass(frozen=True)
class TextStep:
    """What an action brought."""

    text: str
    done: bool
    valid: bool
    """The action was one that the game knows."""


class ScienceWorldText:
    """An experiment, ready to play; ``reset`` starts it over.

    Args:
        game: the loaded game.
        label: AgentBoard's label of this variation.
        max_steps: actions per episode; every action costs one.
    """

    def __init__(self, game: Game, label: Label | None = None, max_steps: int = 30) -> None:
        self.game = game
        self.max_steps = max_steps
        self._label = label
        self.goal = label.goal if label else game.goal

    def reset(self) -> str:
        """Start over; what is seen at the start counts for no subgoal."""
        self._subgoals = Subgoals(self._label) if self._label else None
        self.steps = 0
        self.progress = 0.0
        self.success = False
        self._ended = False
        return self.game.reset()

    def step(self, action: str) -> TextStep:
        """Take one action.

        Raises:
            RuntimeError: the episode is over.
        """
        if self._ended:
            raise RuntimeError("the episode is over; call reset() to start another one")
        action = action.strip()
        self.steps += 1
        if action.lower().rstrip(".") == CHECK:
            text, valid = self._listed(), True
        else:
            text = self.game.step(action)
            valid = not text.startswith(NOT_KNOWN)
            self._score(text)
        self._ended = self._ended or self.steps >= self.max_steps
        return TextStep(text, self._ended, valid)

    def _listed(self) -> str:
        forms = [one for one in self.game.templates() if "reset" not in one]
        return "Choose an action from these valid actions: " + ", ".join([*forms, CHECK])

    def _score(self, text: str) -> None:
        if self._subgoals is None:
            score = self.game.score
            self.progress = max(self.progress, score / _FULL)
            self.success = score >= _FULL
            self._ended = self.game.completed
        else:
            self._subgoals.update(text)
            self.progress = self._subgoals.found / self._subgoals.count
            self._ended = self.success = self._subgoals.found == self._subgoals.count
