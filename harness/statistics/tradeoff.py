"""Comparing at matched forgetting: where a trajectory first crosses a level, and what it kept.

A method that forgets slowly keeps more at every step, so methods are compared where they have
forgotten equally much. A level that a trajectory never reaches is censored: it is shown as such and
enters no mean. A level that it starts at or below says nothing about the edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Point:
    """One evaluation of an edit.

    Attributes:
        step: optimiser steps made.
        seconds: time of these steps.
        forgetting: what falls as the model forgets, such as the probability of forgotten answers.
        kept: what should not fall.
    """

    step: float
    seconds: float
    forgetting: float
    kept: float


@dataclass(frozen=True)
class Crossing:
    """Where a trajectory first comes down to a level; linear between evaluations."""

    level: float
    kept: float
    step: float
    seconds: float


@dataclass(frozen=True)
class StartsBelow:
    """A trajectory whose first point is at a level or below: no step of it brought it there."""

    level: float


def first_crossing(points: Sequence[Point], level: float) -> Crossing | StartsBelow | None:
    """The first place at which forgetting is at a level or below.

    Args:
        points: evaluations in the order of their steps.
        level: in the unit of `Point.forgetting`.

    Returns:
        The place; `StartsBelow` if that is the first point; None if it is never reached.
    """
    if points and points[0].forgetting <= level:
        return StartsBelow(level)
    for before, point in pairwise(points):
        if point.forgetting > level:
            continue
        share = (before.forgetting - level) / (before.forgetting - point.forgetting)
        return Crossing(
            level,
            before.kept + share * (point.kept - before.kept),
            before.step + share * (point.step - before.step),
            before.seconds + share * (point.seconds - before.seconds),
        )
    return None


def area_between(points: Sequence[Point], low: float, high: float) -> float | None:
    """Mean of what is kept over the levels from `high` down to `low`: the area under the trade-off.

    What is kept at a level is taken at its first crossing. None where `low` is never reached, or
    where the trajectory starts below `high`.

    Raises:
        ValueError: the levels are not in order.
    """
    if not low < high:
        raise ValueError(f"the lower level {low} is not below the upper {high}")
    if not points or points[0].forgetting < high or first_crossing(points, low) is None:
        return None
    # The first crossing moves along one piece of the trajectory between two corners of the running
    # minimum, so what is kept is linear there, and its mean is the value in the middle.
    corners, least = {low, high}, float("inf")
    for point in points:
        least = min(least, point.forgetting)
        if low < least < high:
            corners.add(least)
    levels, total = sorted(corners), 0.0
    for below, above in pairwise(levels):
        middle = first_crossing(points, (below + above) / 2)
        if isinstance(middle, Crossing):
            total += (above - below) * middle.kept
    return total / (high - low)
