"""One generated game in text: observation out, action in, the game's own score beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness_tasks.evo_memory.textworld.games import load_textworld, quietly

CHECK = "check valid actions"
_ROOM = "-= "


@dataclass(frozen=True)
class TextStep:
    """What an action brought."""

    text: str
    done: bool
    valid: bool
    """The action was one that the game offers now."""


class TextGame:
    """A compiled game, ready to play; ``reset`` starts it over.

    Args:
        path: the compiled game.
        max_steps: actions per episode; every action costs one.
    """

    def __init__(self, path: Path, max_steps: int = 30) -> None:
        textworld = load_textworld()
        asked = textworld.EnvInfos(
            admissible_commands=True, won=True, lost=True, score=True, max_score=True,
            objective=True,
        )  # fmt: skip
        self.max_steps = max_steps
        with quietly():
            self._environment: Any = textworld.start(str(path), asked)
        self._state: Any = None
        self.reset()

    def reset(self) -> str:
        """Start over; returns the first room, without the game's banner and its objective."""
        self._state = self._environment.reset()
        self.steps = 0
        self._ended = False
        text: str = self._state.feedback
        start = text.find(_ROOM)
        return _tidy(text[max(start, 0) :])

    @property
    def goal(self) -> str:
        """What the game asks for."""
        return _tidy(self._state.objective)

    @property
    def success(self) -> bool:
        """Whether the game is won."""
        return bool(self._state.won)

    @property
    def progress(self) -> float:
        """Share of the game's points, in [0, 1]."""
        return self._state.score / self._state.max_score

    def actions(self) -> list[str]:
        """What the game offers now."""
        return sorted(self._state.admissible_commands)

    def step(self, action: str) -> TextStep:
        """Take one action; case and surrounding blanks do not matter.

        Raises:
            RuntimeError: the episode is over.
        """
        if self._ended:
            raise RuntimeError("the episode is over; call reset() to start another one")
        self.steps += 1
        action = " ".join(action.lower().split())
        if action.rstrip(".") == CHECK:
            text, valid = "Valid actions are: " + ", ".join([*self.actions(), CHECK]), True
        else:
            valid = action in self._state.admissible_commands
            self._state, _, _ = self._environment.step(action)
            text = _tidy(self._state.feedback)
        self._ended = self.success or bool(self._state.lost) or self.steps >= self.max_steps
        return TextStep(text, self._ended, valid)

    def close(self) -> None:
        """Let go of the interpreter."""
        self._environment.close()


def _tidy(text: str) -> str:
    """A game's text without its empty lines and its status line, which begins with the prompt."""
    lines = [line.strip() for line in text.splitlines()]
    return "\n".join(line for line in lines if line and not line.startswith(">"))
