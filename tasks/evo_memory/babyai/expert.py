"""A scripted player for easy missions, whose solved episodes serve as demonstrations.

It sees what an agent sees, the goal, the observations and the offered actions, and knows three
clauses: go to, pick up, open. It turns until a target is offered, takes it, and otherwise leaves
through a door. It makes no map, so mazes and missions with blocked ways are mostly beyond it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .environment import BabyAIText
from .levels import Mission

DEMONSTRATION_STEPS = 10

_CLAUSE = re.compile(
    r"(?P<verb>go to|pick up|open) (?:the|a) (?:(?P<color>\w+) )?"
    r"(?P<kind>ball|box|key|door|object)\b(?: (?P<place>behind you|on your left|on your right))?"
)
_TURNS_TO = {
    "behind you": ["turn right", "turn right"],
    "on your left": ["turn left"],
    "on your right": ["turn right"],
}
_LOCKED = re.compile(r"There is a (\w+) locked door")
_CARRIED = re.compile(r"You are carrying a (\w+) (\w+)\.")
_FACED_DOOR = re.compile(r"There is a (\w+) (?:closed|locked) door \d+ right in front of you 1 st")
_LOOK_AROUND = 3
_LOOK_AROUND_TWICE = 7


def demonstration(mission: Mission) -> list[tuple[str, str]] | None:
    """Play a mission without a label.

    Returns:
        Each action with the observation that it brought, or None if the mission was not solved
        within ten steps.
    """
    environment = BabyAIText(mission, max_steps=DEMONSTRATION_STEPS)
    episode = play(environment)
    return episode if environment.success else None


def play(environment: BabyAIText) -> list[tuple[str, str]]:
    """Play an episode from its start until it is over, solved or not.

    Returns:
        Each action with the observation that it brought.
    """
    observation, done = environment.reset(), False
    expert = Expert(environment.goal)
    episode: list[tuple[str, str]] = []
    while not done:
        action = expert.act(observation, environment.actions())
        step = environment.step(action)
        observation, done = step.text, step.done
        episode.append((action, observation))
    return episode


@dataclass(frozen=True)
class Target:
    """One clause of a goal; a color or kind that it leaves open is a pattern for any."""

    verb: str
    color: str
    kind: str
    place: str | None


class Expert:
    """Chooses actions for one episode.

    Args:
        goal: the mission text.
    """

    def __init__(self, goal: str) -> None:
        self._targets = parse_goal(goal)
        place = self._targets[0].place if self._targets else None
        self._planned = list(_TURNS_TO[place]) if place else []
        self._locked: set[str] = set()
        self._turns = 0
        self._last = ""

    def act(self, observation: str, actions: list[str]) -> str:
        """The next action, one of those offered."""
        self._locked.update(_LOCKED.findall(observation))
        self._last = self._choose(observation, actions)
        return self._last

    def _choose(self, observation: str, actions: list[str]) -> str:
        if self._planned:
            return self._planned.pop(0)
        if self._targets:
            action = self._pursue(self._targets[0], observation, actions)
            if action:
                return action
        return self._explore(observation, actions)

    def _pursue(self, target: Target, observation: str, actions: list[str]) -> str | None:
        """A step towards the target if it is in sight."""
        if target.verb == "open":
            return self._open(target, observation, actions)
        if target.verb == "pick up":
            if "drop" in actions and _CARRIED.search(observation):
                return "drop"
            return self._finish(self._offered(actions, f"pickup {target.color} {target.kind}"))
        door = (
            "(?:open |closed |locked )" if target.kind == "door" else "(?:open |closed |locked )?"
        )
        return self._finish(self._offered(actions, f"go to {target.color} {door}{target.kind}"))

    def _open(self, target: Target, observation: str, actions: list[str]) -> str | None:
        faced = _FACED_DOOR.search(observation)
        if faced and "toggle" in actions and re.fullmatch(target.color, faced[1]):
            return self._finish("toggle")
        carried = _CARRIED.search(observation)
        locked = f"|{carried[1]} locked" if carried and carried[2] == "key" else ""
        openable = f"go to (?:{target.color} closed{locked}) door"
        return self._offered(actions, openable) or self._take_key(observation, actions)

    def _take_key(self, observation: str, actions: list[str]) -> str | None:
        if not self._locked or _CARRIED.search(observation):
            return None
        return self._offered(actions, f"pickup (?:{'|'.join(sorted(self._locked))}) key")

    def _explore(self, observation: str, actions: list[str]) -> str:
        key = self._take_key(observation, actions)
        if key:
            return key
        if "through" in self._last and "move forward" in actions:
            return "move forward"  # out of the doorway, whose posts hide the room
        way_out = self._offered(actions, r"(?:toggle and )?go through .*")
        if way_out and self._turns >= _LOOK_AROUND:
            self._turns = 0
            return way_out
        if self._turns < _LOOK_AROUND_TWICE:
            self._turns += 1
            return "turn right"
        self._turns = 0
        walks = [a for a in actions if a.startswith("go to") and a != self._last]
        if walks:
            return walks[-1]
        return "move forward" if "move forward" in actions else "turn left"

    def _finish(self, action: str | None) -> str | None:
        """Go over to the next target, if there is one, once the last step for this is found."""
        if action and len(self._targets) > 1:
            self._targets.pop(0)
        return action

    def _offered(self, actions: list[str], pattern: str) -> str | None:
        """The first offered action of a form; not the last one again, which did not help."""
        form = re.compile(rf"{pattern}(?: \d+)?")
        return next((a for a in actions if form.fullmatch(a) and a != self._last), None)


def parse_goal(goal: str) -> list[Target]:
    """The clauses of a mission text that the expert understands, in their order."""
    return [
        Target(
            verb=clause["verb"],
            color=clause["color"] or r"\w+",
            kind=r"\w+" if clause["kind"] == "object" else clause["kind"],
            place=clause["place"],
        )
        for clause in _CLAUSE.finditer(goal)
    ]
