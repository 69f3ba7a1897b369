"""One BabyAI episode in text: observation out, action in, progress and success beside it.

With a label the episode is scored as AgentBoard scores it (arXiv 2401.13178,
environment/babyai_env.py). Without one, success is minigrid's own end of the mission with a
reward (it pays 0 for a failed one), and progress is 0 or 1. Those are two versions of the task;
their numbers do not compare.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from harness.errors import MissingData

from .actions import NO_CHANGE, Offer, offer
from .levels import Mission
from .observation import describe, look
from .progress import Label, SubgoalTracker
from .world import Move, open_world

COMPLETED = "\n The task is completed."


@dataclass(frozen=True)
class TextStep:
    """What an action brought.

    Attributes:
        text: the new observation, or a message if nothing was done.
        done: the episode is over, by success, failure or the step limit.
        valid: the action was understood and offered.
    """

    text: str
    done: bool
    valid: bool


class BabyAIText:
    """A mission, ready to play; ``reset`` starts it over.

    With a label, an action's primitive moves are all tried and only the last one's word on the
    mission counts, as in AgentBoard: a door that is toggled and walked through is not yet
    "opened". The word is minigrid's *end*, good or bad, so a mission that ends badly beyond half
    of its subgoals counts as success, again as in AgentBoard. Without a label an action stops at
    the move that ends the mission.

    minigrid's own limit on primitive moves is ignored, as in AgentBoard. Its reward falls with the
    moves made, to exactly 0 at 10/9 of that limit and below 0 after; its clock is therefore held,
    so that a late success is told from a failure.

    Args:
        mission: level and seed.
        label: AgentBoard's label of this mission.
        max_steps: actions per episode; every action costs one, refused ones too.

    Raises:
        MissingData: the label belongs to another mission.
        MissingExtra: minigrid is not installed.
    """

    def __init__(self, mission: Mission, label: Label | None = None, max_steps: int = 30) -> None:
        self.mission = mission
        self.max_steps = max_steps
        self._label = label
        self._world = open_world(mission.level)
        self.reset()
        if label is not None and normalised_goal(label.goal) != self.goal:
            raise MissingData(
                f"the label '{label.goal}' is not for {mission.level} with seed {mission.seed}, "
                f"whose goal is '{self.goal}'; take the label file in its original order."
            )

    @property
    def goal(self) -> str:
        """The mission text, as `normalised_goal` words it."""
        return normalised_goal(self._world.mission)

    def reset(self) -> str:
        """Start the episode over.

        Returns:
            The first observation; it counts for no subgoal.
        """
        seen, _ = self._world.reset(seed=self.mission.seed)
        self._image: bytes = seen["image"].tobytes()
        self._tracker = None if self._label is None else SubgoalTracker(*self._label.subgoals)
        self.steps = 0
        self.success = False
        self._ended = False
        return self._look()

    def actions(self) -> list[str]:
        """The actions offered now, in AgentBoard's order."""
        return list(self._offer.moves)

    @property
    def progress(self) -> float:
        """Share of subgoals reached in [0, 1]; without a label 1 on success, else 0."""
        return float(self.success) if self._tracker is None else self._tracker.progress

    def step(self, action: str) -> TextStep:
        """Take one action; case and surrounding blanks do not matter.

        Args:
            action: one of ``actions()``; any text with "check" in it asks for that list.

        Raises:
            RuntimeError: the episode is over.
        """
        if self._ended:
            raise RuntimeError("the episode is over; call reset() to start another one")
        action = action.strip().lower()
        self.steps += 1
        valid = True
        if "check" in action:
            text = "You can take the following actions: " + ", ".join(self.actions())
        elif action not in self._offer.moves:
            text, valid = self._offer.refusal(action), False
        else:
            moves = self._offer.moves[action]
            text = self._act(moves) if moves else NO_CHANGE
        self._ended = self._ended or self.steps >= self.max_steps
        return TextStep(text, self._ended, valid)

    def _look(self) -> str:
        view = look(self._world)
        self._offer: Offer = offer(view)
        return describe(view)

    def _act(self, moves: tuple[Move, ...]) -> str:
        reward, terminated = self._move(moves)
        text = self._look()
        if self._tracker is None:
            self._ended, self.success = terminated, terminated and reward > 0
            return text + COMPLETED if self.success else text
        if terminated:
            text += COMPLETED
        self._tracker.update(text)
        # Dismissed or not, the environment's word stays in the text.
        self._ended = self.success = self._tracker.is_done(terminated)
        return text + COMPLETED if self.success and not terminated else text

    def _move(self, moves: tuple[Move, ...]) -> tuple[float, bool]:
        """Do primitive moves until one changes nothing in the view.

        Returns:
            Reward and end of the mission, as the last move reported them.
        """
        reward, terminated = 0.0, False
        for move in moves:
            cast("Any", self._world).step_count = 0  # a success pays above 0, however late
            seen, reward, terminated, _, _ = self._world.step(move)
            image = seen["image"].tobytes()
            if image == self._image or (terminated and self._tracker is None):
                break
            self._image = image
        return reward, terminated


def normalised_goal(mission: str) -> str:
    """AgentBoard's wording of a mission: "then" and "after you" become "and".

    The 112 labels store minigrid's own wording, character for character, while agents are shown
    this one.
    """
    return mission.replace("then", "and").replace("after you", "and")
