"""`relational-text`: where one thing is from another, from sentences that link them."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import ClassVar

from pydantic import Field

from harness.protocols.solve import Domain, Pair, SolveSettings
from harness.registry import About
from harness_tasks.by_depth.base import ByDepth, DepthSettings

DIRECTIONS = {
    "north": (0, 1),
    "north-east": (1, 1),
    "east": (1, 0),
    "south-east": (1, -1),
    "south": (0, -1),
    "south-west": (-1, -1),
    "west": (-1, 0),
    "north-west": (-1, 1),
}
"""A step to the east and to the north."""
SAME_PLACE = "at"
NAMES = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
SYMBOLS = ("?", ".", SAME_PLACE, *DIRECTIONS, *NAMES)
_DEEPEST = 20


class RelationalSettings(DepthSettings):
    """Options of the task."""

    answers: ClassVar[int | None] = len(DIRECTIONS) + 1
    depth: int = Field(default=7, ge=1, le=_DEEPEST)
    """Greatest depth of a test input."""


class RelationalText(ByDepth):
    """``relational-text``: sentences as one row of words, the direction as a single cell.

    ``B north A .`` says that B is one step to the north of A. Depth d: d sentences link the two
    things that are asked about, in any order; the answer is the sign of the way, one of eight
    directions or ``at``, the same place.
    """

    about: ClassVar[About] = About(
        "Where one thing is from another, by the number of sentences that link them.",
        "generated here; after StepGame, Shi et al. 2022, arXiv 2204.08292",
    )
    Options: ClassVar[type[SolveSettings]] = RelationalSettings
    domain: ClassVar[Domain] = Domain(
        1, 3 + 4 * _DEEPEST, SYMBOLS, dihedral=False, recolour=False, translate=False
    )
    name: ClassVar[str] = "relational-text"

    @property
    def version(self) -> str:
        """Of the generator."""
        return "relational-text-2"

    def draw(self, depth: int, rng: random.Random) -> Pair:
        """A chain of things, told in any order and from either end of each link."""
        names = rng.sample(NAMES, depth + 1)
        east = north = 0
        sentences = list[list[str]]()
        for before, after in pairwise(names):
            word, step = rng.choice(list(DIRECTIONS.items()))
            east, north = east + step[0], north + step[1]
            if rng.random() < 1 / 2:
                sentences.append([after, word, before, "."])
            else:
                sentences.append([before, opposite(word), after, "."])
        rng.shuffle(sentences)
        words = [word for one in sentences for word in one] + ["?", names[-1], names[0]]
        index = {symbol: number for number, symbol in enumerate(SYMBOLS)}
        answer = index[direction(east, north)]
        return Pair((tuple(index[word] for word in words),), ((answer,),))


def direction(east: int, north: int) -> str:
    """The word for a way: the signs of its two parts."""
    signs = ((east > 0) - (east < 0), (north > 0) - (north < 0))
    return {step: word for word, step in DIRECTIONS.items()}.get(signs, SAME_PLACE)


def opposite(word: str) -> str:
    """The direction back."""
    east, north = DIRECTIONS[word]
    return direction(-east, -north)
