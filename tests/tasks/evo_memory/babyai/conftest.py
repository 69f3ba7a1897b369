"""Small hand-built worlds, whose views can be worded by hand."""

from __future__ import annotations

import pytest

from harness_tasks.evo_memory.babyai.world import open_world


def _tiny_world(things, agent=(3, 5), direction=3, carrying=None, size=7):
    """A walled square room of `size` cells; the agent looks up unless told otherwise."""
    open_world("BabyAI-GoToRedBall-v0")  # imports minigrid with its warnings kept in
    from minigrid.core.grid import Grid
    from minigrid.core.mission import MissionSpace
    from minigrid.minigrid_env import MiniGridEnv

    class TinyWorld(MiniGridEnv):
        def _gen_grid(self, width, height):
            self.grid = Grid(width, height)
            self.grid.wall_rect(0, 0, width, height)
            for cell, thing in things.items():
                self.grid.set(*cell, thing)
            self.agent_pos, self.agent_dir = agent, direction
            self.mission = "stand still"

    world = TinyWorld(
        mission_space=MissionSpace(mission_func=lambda: "stand still"), grid_size=size
    )
    world.reset(seed=0)
    world.carrying = carrying
    return world


@pytest.fixture
def tiny_world():
    return _tiny_world


@pytest.fixture
def objects():
    """minigrid's kinds of objects."""
    open_world("BabyAI-GoToRedBall-v0")
    from minigrid.core import world_object

    return world_object
