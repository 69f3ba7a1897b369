"""The actions that AgentBoard offers in a view, and what it answers to any other.

`offer` turns a view into text actions with the primitive moves behind each, and into the reasons
why near misses are not offered. Paths are shortest over (cell, direction) inside the window; cells
out of sight and doors count as free, so a path may stop half way. Source: AgentBoard (arXiv
2401.13178), environment/babyai_env.py; its numbering, order and messages are kept as they are,
slips included, because agents read them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .observation import Thing, View
from .world import DIRECTIONS, Cell, Move

CHECK = "check available actions"
UNKNOWN_ACTION = "The action is not recognized. Please check valid actions."
NO_CHANGE = "No change in state."

_BLOCKING_KINDS = frozenset({"wall", "box", "lava", "ball", "key"})

_Pose = tuple[Cell, int]
"""A cell and the direction faced there."""


@dataclass(frozen=True)
class Offer:
    """What can be done now.

    Attributes:
        moves: offered action -> its primitive moves, in AgentBoard's order; empty moves mean that
            the agent is already there.
        refusals: action that is not offered -> the reason, where there is a special one.
    """

    moves: Mapping[str, tuple[Move, ...]]
    refusals: Mapping[str, str]

    def refusal(self, action: str) -> str:
        """The message for an action that is not offered."""
        if not action:
            return NO_CHANGE
        return self.refusals.get(action, UNKNOWN_ACTION)


def offer(view: View) -> Offer:
    """All actions offered in a view."""
    draft = _Draft(view)
    draft.add_steps()
    if view.carried is None:
        things = (t for t in view.objects if t.kind not in {"door", "goal"})
        draft.add_visits("pickup", things, then=(Move.PICKUP,))
    draft.add_drop()
    draft.add_doors()
    draft.add_goal()
    draft.add_visits("go to", (t for t in view.objects if t.kind != "goal"), then=())
    draft.moves[CHECK] = ()
    return Offer(draft.moves, draft.refusals)


class Paths:
    """Shortest ways from the agent's pose to every pose that it can reach inside its window.

    Among equally short ways the one that AgentBoard's search finds is taken. That search marks a
    pose as visited only when it leaves the queue, so a pose can wait there several times; its
    first place decides which pose of a target is reached, its last place which way leads there.
    """

    def __init__(self, view: View) -> None:
        columns, rows = _window(view)
        blocked = {thing.cell for thing in view.things if thing.kind in _BLOCKING_KINDS}
        self._free = {(x, y) for x in columns for y in rows} - blocked
        start = (view.cell, view.direction)
        self._ways: dict[_Pose, tuple[Move, ...]] = {start: ()}
        self._explore(start)

    def to_face(self, cell: Cell) -> tuple[Move, ...] | None:
        """Moves that end next to a cell, facing it; None if there is no way."""
        for ((x, y), direction), way in self._ways.items():
            step_x, step_y = DIRECTIONS[direction]
            if (x + step_x, y + step_y) == cell:
                return way
        return None

    def to_enter(self, cell: Cell) -> tuple[Move, ...] | None:
        """Moves that end in a cell, facing anywhere; None if there is no way."""
        return next((way for (at, _), way in self._ways.items() if at == cell), None)

    def _explore(self, start: _Pose) -> None:
        """Breadth first; fills ``_ways`` in the order in which poses first leave the queue."""
        by_first_place = [start]
        by_last_place = [start]
        while by_first_place:
            reached = dict.fromkeys(
                pose
                for source in by_first_place
                for _, pose in self._next(source)
                if pose not in self._ways
            )
            ways: dict[_Pose, tuple[Move, ...]] = {}
            for source in by_last_place:
                for move, pose in self._next(source):
                    if pose in reached:
                        ways.pop(pose, None)
                        ways[pose] = (*self._ways[source], move)
            by_first_place, by_last_place = list(reached), list(ways)
            self._ways.update((pose, ways[pose]) for pose in by_first_place)

    def _next(self, pose: _Pose) -> list[tuple[Move, _Pose]]:
        (x, y), direction = pose
        step_x, step_y = DIRECTIONS[direction]
        after = [
            (Move.FORWARD, ((x + step_x, y + step_y), direction)),
            (Move.LEFT, ((x, y), (direction - 1) % 4)),
            (Move.RIGHT, ((x, y), (direction + 1) % 4)),
        ]
        return [(move, pose) for move, pose in after if pose[0] in self._free]


def _window(view: View) -> tuple[range, range]:
    """Columns and rows that a path may use: the window, by AgentBoard's reckoning.

    It holds one column or row too many wherever the window extends towards smaller coordinates
    from the far left corner, which can put a path one cell behind or beside the window.
    """
    ahead, right = DIRECTIONS[view.direction], DIRECTIONS[(view.direction + 1) % 4]
    spans: list[range] = []
    for axis in (0, 1):
        corner = view.cell[axis] + ahead[axis] * (view.size - 1) - right[axis] * (view.size // 2)
        growth = right[axis] - ahead[axis]
        if growth > 0:
            spans.append(range(corner, corner + view.size))
        else:
            spans.append(range(corner - view.size, corner + 1))
    return spans[0], spans[1]


@dataclass
class _Draft:
    """An offer being put together; the order of the calls is the order of the actions."""

    view: View
    moves: dict[str, tuple[Move, ...]] = field(default_factory=dict[str, tuple[Move, ...]])
    refusals: dict[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        self.paths = Paths(self.view)

    def add_steps(self) -> None:
        self.moves["turn left"] = (Move.LEFT,)
        self.moves["turn right"] = (Move.RIGHT,)
        barrier = self.view.barrier
        # Balls, keys and closed doors stop the step but not the offer.
        if barrier is None or barrier.ahead > 1:
            self.moves["move forward"] = (Move.FORWARD,)
        else:
            self.refusals["move forward"] = (
                "There is a barrier in front of you, you can't move forward."
            )

    def add_visits(self, verb: str, things: Iterable[Thing], then: tuple[Move, ...]) -> None:
        """Actions that go and face a thing.

        The number counts the things of a name that can be reached, so it may be smaller than the
        number in the observation.
        """
        reachable: Counter[str] = Counter()
        for thing in things:
            target = f"{thing.name} {reachable[thing.name] + 1}"
            path = self.paths.to_face(thing.cell)
            if path is None:
                self._no_path(verb, target)
            else:
                reachable[thing.name] += 1
                self.moves[f"{verb} {target}"] = (*path, *then)

    def add_drop(self) -> None:
        ahead = [t for t in self.view.things if (t.ahead, t.right) == (1, 0)]
        if self.view.carried is None:
            reason = "as you are not carrying anything."
        elif any(thing.kind in _BLOCKING_KINDS for thing in ahead):
            reason = "as there is already an object in front of you."
        else:
            self.moves["drop"] = (Move.DROP,)
            return
        self.refusals["drop"] = f"You cannot drop the object, {reason}"

    def add_doors(self) -> None:
        seen: Counter[str] = Counter()
        for door in (thing for thing in self.view.things if thing.kind == "door"):
            seen[door.name] += 1
            target = f"{door.name} {seen[door.name]}"
            if "open" in door.name:
                self._add_open_door(door, target)
                continue
            lacking = self._lacking(door)
            if lacking:
                action = f"toggle and go through {target}"
                self.refusals[action] = f"You cannot {action}, as {lacking}"
                continue
            # AgentBoard's message shows its table of counts in place of the number.
            self._add_shut_door(door, target, f"{door.name} {dict(seen)}")
            if "closed" in door.name:
                self.refusals[f"go through {target}"] = (
                    f"You cannot go through {target}, as it is closed. You should toggle it first."
                )

    def add_goal(self) -> None:
        for goal in (thing for thing in self.view.things if thing.kind == "goal"):
            path = self.paths.to_enter(goal.cell)
            if path is None:
                self.refusals["go to goal"] = (
                    "You cannot go to the goal, as there is no path leading to it."
                )
            else:
                self.moves["go to goal"] = path

    def _add_open_door(self, door: Thing, target: str) -> None:
        path = self.paths.to_enter(door.cell)
        if path is None:
            self._no_path("go through", target)
        else:
            self.moves[f"go through {target}"] = path

    def _add_shut_door(self, door: Thing, target: str, told: str) -> None:
        verb = "toggle and go through"
        path = self.paths.to_face(door.cell)
        if path is None:
            self._no_path(verb, target, told)
            return
        self.moves[f"{verb} {target}"] = (*path, Move.TOGGLE, Move.FORWARD)
        if not path:
            self.moves["toggle"] = (Move.TOGGLE,)

    def _lacking(self, door: Thing) -> str:
        """Why a door cannot be unlocked; empty if it can, or if it is not locked."""
        if "locked" not in door.name:
            return ""
        carried = self.view.carried
        if carried is None or carried.kind != "key":
            return "you are not carrying a key."
        if carried.color != door.name.split(" ")[0]:
            return "the color of the key you are carrying does not match the color of door."
        return ""

    def _no_path(self, verb: str, target: str, told: str = "") -> None:
        self.refusals[f"{verb} {target}"] = (
            f"You cannot {verb} {told or target}, as there is no path leading to it."
        )
