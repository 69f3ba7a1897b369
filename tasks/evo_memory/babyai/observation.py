"""What the agent sees, first as data and then in AgentBoard's words.

`look` reads a minigrid world into a `View`: the things in the agent's 7x7 window, nearest first.
`describe` words a view; the observations of AgentBoard's subgoal labels hold exactly this text,
double spaces included. Source: AgentBoard (arXiv 2401.13178), environment/babyai_env.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .world import DIRECTIONS, Cell, World, WorldObject

SEEN_KINDS = frozenset({"door", "key", "ball", "box", "goal", "lava", "wall"})
BARRIER_KINDS = frozenset({"wall", "box"})


@dataclass(frozen=True)
class Thing:
    """Something seen in one cell.

    Attributes:
        kind: ``door``, ``key``, ``ball``, ``box``, ``goal``, ``lava`` or ``wall``.
        name: as the agent reads it: ``red ball``, ``green locked door``.
        cell: where it is in the world.
        distance: Manhattan distance from the agent, in cells.
        ahead: cells along the facing direction.
        right: cells to the agent's right, negative to its left.
    """

    kind: str
    name: str
    cell: Cell
    distance: int
    ahead: int
    right: int


@dataclass(frozen=True)
class Item:
    """What the agent carries."""

    kind: str
    color: str


@dataclass(frozen=True)
class View:
    """Everything that the text and the offered actions depend on.

    Attributes:
        cell: where the agent stands.
        direction: index into `DIRECTIONS`.
        size: side of the square window, in cells.
        things: seen things, walls included, nearest first; the agent's own cell is left out.
        carried: what it holds, if anything.
    """

    cell: Cell
    direction: int
    size: int
    things: tuple[Thing, ...]
    carried: Item | None

    @property
    def barrier(self) -> Thing | None:
        """The nearest wall or box straight ahead."""
        on_line = [t for t in self.things if t.kind in BARRIER_KINDS and t.right == 0]
        return min(on_line, key=lambda thing: thing.ahead, default=None)

    @property
    def objects(self) -> tuple[Thing, ...]:
        """The seen things that are named in the text: all but walls."""
        return tuple(thing for thing in self.things if thing.kind != "wall")


def look(world: World) -> View:
    """Read the agent's view from a minigrid world that has been reset."""
    carried = world.carrying
    return View(
        cell=(int(world.agent_pos[0]), int(world.agent_pos[1])),
        direction=int(world.agent_dir),
        size=world.agent_view_size,
        # The sort is stable: at equal distance the order stays far row first, left to right.
        things=tuple(sorted(_seen(world), key=lambda thing: thing.distance)),
        carried=None if carried is None else Item(carried.type, carried.color),
    )


def describe(view: View) -> str:
    """The observation text: objects, then the room, then what is carried."""
    return _objects(view) + _room(view) + _carried(view)


def _seen(world: World) -> Iterator[Thing]:
    """The visible things, row by row from the far end of the window, each from left to right."""
    grid, mask = world.gen_obs_grid()
    size = world.agent_view_size
    ahead_x, ahead_y = DIRECTIONS[world.agent_dir]
    right_x, right_y = DIRECTIONS[(world.agent_dir + 1) % 4]
    for row in range(size):
        for column in range(size):
            found = grid.get(column, row)
            if found is None or not mask[column, row] or found.type not in SEEN_KINDS:
                continue
            ahead, right = size - 1 - row, column - size // 2
            x = int(world.agent_pos[0]) + ahead * ahead_x + right * right_x
            y = int(world.agent_pos[1]) + ahead * ahead_y + right * right_y
            # minigrid shows the carried object in the agent's own cell, and walls outside the map.
            if (ahead, right) == (0, 0) or x < 0 or y < 0:
                continue
            yield Thing(found.type, _name(found), (x, y), ahead + abs(right), ahead, right)


def _name(found: WorldObject) -> str:
    if found.type != "door":
        return f"{found.color} {found.type}"
    door: Any = found
    state = "open" if door.is_open else "locked" if door.is_locked else "closed"
    return f"{found.color} {state} door"


def _objects(view: View) -> str:
    if not view.things:
        return "You cannot see any objects within sight."
    seen: Counter[str] = Counter()
    text = "In front of you in this room, you can see several objects: "
    for thing in view.objects:
        seen[thing.name] += 1
        text += f"There is a {thing.name} {seen[thing.name]} {_position(thing)}  "
    return text


def _position(thing: Thing) -> str:
    if thing.right == 0:
        return f"right in front of you {thing.ahead} steps away."
    side = "right" if thing.right > 0 else "left"
    return f"{thing.ahead} steps in front of you and {abs(thing.right)} steps to your {side}."


def _room(view: View) -> str:
    text = "The room has walls around you. "
    barrier = view.barrier
    if barrier is not None:
        text += f"You are facing a {barrier.kind} {barrier.ahead} steps away. "
    return text


def _carried(view: View) -> str:
    if view.carried is None:
        return "You are not carrying anything."
    return f"You are carrying a {view.carried.color} {view.carried.kind}."
