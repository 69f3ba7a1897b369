"""The BabyAI missions of AgentBoard: 28 levels, each played with four seeds, in their order.

A mission is a level and a seed; minigrid draws the same world for the same pair. Missions with
other seeds are made by hand, ``Mission(index=-1, level="BabyAI-GoToLocalS8N7-v0", seed=7)``, and
have no subgoal labels.
"""

from __future__ import annotations

from dataclasses import dataclass

SEEDS = (1234, 1235, 1236, 1237)

LEVELS = (
    "BabyAI-GoToRedBallGrey-v0",
    "BabyAI-GoToRedBall-v0",
    "BabyAI-GoToRedBallNoDists-v0",
    "BabyAI-GoToObjS6-v0",
    "BabyAI-GoToLocalS8N7-v0",
    "BabyAI-GoToObjMazeS7-v0",
    "BabyAI-GoToImpUnlock-v0",
    "BabyAI-GoToSeqS5R2-v0",
    "BabyAI-GoToRedBlueBall-v0",
    "BabyAI-GoToDoor-v0",
    "BabyAI-GoToObjDoor-v0",
    "BabyAI-Open-v0",
    "BabyAI-OpenRedDoor-v0",
    "BabyAI-OpenDoorLoc-v0",
    "BabyAI-OpenRedBlueDoorsDebug-v0",
    "BabyAI-OpenDoorsOrderN4Debug-v0",
    "BabyAI-Pickup-v0",
    "BabyAI-UnblockPickup-v0",
    "BabyAI-PickupLoc-v0",
    "BabyAI-PickupDistDebug-v0",
    "BabyAI-PickupAbove-v0",
    "BabyAI-Unlock-v0",
    "BabyAI-UnlockLocalDist-v0",
    "BabyAI-UnlockPickupDist-v0",
    "BabyAI-BlockedUnlockPickup-v0",
    "BabyAI-UnlockToUnlock-v0",
    "BabyAI-FindObjS7-v0",
    "BabyAI-KeyCorridorS6R3-v0",
)


@dataclass(frozen=True)
class Mission:
    """One world to solve.

    Attributes:
        index: position in AgentBoard's list, from 0; -1 for a mission outside of it.
        level: name of a minigrid level, such as ``BabyAI-GoToRedBall-v0``.
        seed: seed of the level's generator.
    """

    index: int
    level: str
    seed: int


def missions() -> list[Mission]:
    """AgentBoard's 112 missions, all seeds of a level before the next level."""
    pairs = [(level, seed) for level in LEVELS for seed in SEEDS]
    return [Mission(index, level, seed) for index, (level, seed) in enumerate(pairs)]
