"""Opens a BabyAI level in minigrid, quietly, and says which parts of it this package uses.

In goes a level's name, out comes the unwrapped minigrid environment, typed by the protocols
below, because minigrid carries no types of its own. minigrid and gymnasium are imported when the
first world is opened, so the text modules work without them.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Protocol, cast

from harness.errors import MissingExtra, UnknownName

Cell = tuple[int, int]
"""Column and row in the world; rows count downwards."""

DIRECTIONS: tuple[Cell, ...] = ((1, 0), (0, 1), (-1, 0), (0, -1))
"""Unit step for each of minigrid's directions: right, down, left, up."""


class Move(IntEnum):
    """minigrid's primitive actions, by its numbers; its unused ``done`` (6) is left out."""

    LEFT = 0
    RIGHT = 1
    FORWARD = 2
    PICKUP = 3
    DROP = 4
    TOGGLE = 5


class WorldObject(Protocol):
    """Anything that fills a cell; doors have ``is_open`` and ``is_locked`` besides."""

    type: str
    color: str


class Grid(Protocol):
    """A rectangle of cells."""

    def get(self, i: int, j: int) -> WorldObject | None:
        """What fills column i, row j."""
        ...


class Image(Protocol):
    """minigrid's encoded view, an array (columns, rows, 3); only compared, never decoded."""

    def tobytes(self) -> bytes:
        """The array's content."""
        ...


class World(Protocol):
    """The part of an unwrapped minigrid environment that is used here."""

    agent_pos: Cell
    agent_dir: int
    agent_view_size: int
    carrying: WorldObject | None
    mission: str

    def reset(self, *, seed: int) -> tuple[Mapping[str, Any], dict[str, Any]]:
        """Draw the world; the observation carries the ``image``."""
        ...

    def step(self, action: int) -> tuple[Mapping[str, Any], float, bool, bool, dict[str, Any]]:
        """Observation, reward, terminated, truncated, info."""
        ...

    def gen_obs_grid(self) -> tuple[Grid, Any]:
        """The agent's view, itself at the bottom centre, and a mask (columns, rows) of sight."""
        ...


def open_world(level: str) -> World:
    """Make the level's environment; call its ``reset`` before anything else.

    Args:
        level: a name registered by minigrid, such as ``BabyAI-GoToRedBall-v0``.

    Raises:
        MissingExtra: minigrid is not installed.
        UnknownName: minigrid has no such level.
    """
    gymnasium = _load()
    if level not in gymnasium.registry:
        raise UnknownName("BabyAI level", level, (n for n in gymnasium.registry if "BabyAI" in n))
    # The checker samples spaces and warns about minigrid's own details.
    made = gymnasium.make(level, disable_env_checker=True)
    return cast("World", made.unwrapped)


def _load() -> Any:
    """Import minigrid and register its levels once; returns the gymnasium module."""
    # pygame, which minigrid imports for its window, greets on standard output otherwise.
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        with warnings.catch_warnings():
            # pygame looks for fonts through pkg_resources, which is deprecated.
            warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
            warnings.filterwarnings("ignore", category=DeprecationWarning, module="pygame")
            import gymnasium
            import minigrid
            from minigrid.envs.babyai.core import roomgrid_level
    except ImportError as error:
        raise MissingExtra("the babyai subset", "minigrid", "environments") from error
    if "BabyAI-GoToRedBall-v0" not in gymnasium.registry:
        # gymnasium 1.x no longer calls the hook by itself; calling it twice would warn.
        minigrid.register_minigrid_envs()
    # Level generation prints every draw it rejects. Its `print` is shadowed, because redirecting
    # standard output would do so for the whole process, other threads' output included.
    generator: Any = roomgrid_level
    generator.print = _silent
    return gymnasium


def _silent(*_words: object) -> None:
    """Stands in for ``print`` in minigrid's level generator."""
