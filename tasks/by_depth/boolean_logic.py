"""`boolean-logic`: the value of a nested expression."""

from __future__ import annotations

import random
from typing import ClassVar

from pydantic import Field

from harness.protocols.solve import Domain, Pair, SolveSettings
from harness.registry import About
from harness_tasks.by_depth.base import ByDepth, DepthSettings

SYMBOLS = ("false", "true", "not", "and", "or", "xor")
FALSE, TRUE, NOT, AND, OR, XOR = range(6)
_LONGEST = 1 + 3 * 20


class BooleanSettings(DepthSettings):
    """Options of the task."""

    depth: int = Field(default=7, ge=1, le=20)
    """Greatest depth of a test input."""


class BooleanLogic(ByDepth):
    """``boolean-logic``: an expression in prefix notation, as one row; its value as a single cell.

    Depth d: d operators, one in another. The other operand of each is a literal, or a negated one,
    that leaves the value open (``and true``, ``or false``, ``xor`` either), so that every level
    counts.
    """

    about: ClassVar[About] = About(
        "The value of a nested boolean expression, by its depth.", "generated here"
    )
    Options: ClassVar[type[SolveSettings]] = BooleanSettings
    domain: ClassVar[Domain] = Domain(
        1, _LONGEST, SYMBOLS, dihedral=False, recolour=False, translate=False
    )
    name: ClassVar[str] = "boolean-logic"

    @property
    def version(self) -> str:
        """Of the generator."""
        return "boolean-logic-1"

    def draw(self, depth: int, rng: random.Random) -> Pair:
        """An expression of exactly this depth."""
        value = rng.random() < 1 / 2
        words = [TRUE if value else FALSE]
        for _ in range(depth):
            operator = rng.choice((NOT, AND, OR, XOR))
            if operator == NOT:
                words, value = [NOT, *words], not value
                continue
            other = {AND: True, OR: False, XOR: rng.random() < 1 / 2}[operator]
            literal = [TRUE if other else FALSE]
            if rng.random() < 1 / 4:
                literal = [NOT, FALSE if other else TRUE]
            operands = [literal, words] if rng.random() < 1 / 2 else [words, literal]
            words = [operator, *operands[0], *operands[1]]
            value = value != other if operator == XOR else value
        return Pair((tuple(words),), ((TRUE if value else FALSE,),))
