"""`boolean-logic`: the value of a nested expression."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field

from harness.protocols.solve import Domain, Pair, SolveSettings
from harness.registry import About
from harness_tasks.by_depth.base import ByDepth, DepthSettings

SYMBOLS = ("false", "true", "not", "and", "or", "xor")
FALSE, TRUE, NOT, AND, OR, XOR = range(6)
_DEEPEST = 20
_SIBLING = 2
"""Greatest depth of a sibling."""
_LONGEST = 1 + 2 + 2 + 4 + 6 * (_DEEPEST - 3)
"""A literal; a level adds an operator and a sibling of at most 1, 1, 3, and then always 5 words."""


class BooleanSettings(DepthSettings):
    """Options of the task."""

    answers: ClassVar[int | None] = 2
    depth: int = Field(default=7, ge=1, le=_DEEPEST)
    """Greatest depth of a test input."""


@dataclass(frozen=True)
class Expression:
    """An expression as it was drawn.

    Attributes:
        words: in prefix notation.
        value: of it.
        literal: place of the deepest literal, which decides the value.
    """

    words: tuple[int, ...]
    value: bool
    literal: int


class BooleanLogic(ByDepth):
    """``boolean-logic``: an expression in prefix notation, as one row; its value as a single cell.

    Depth d: d operators, one in another, along the deepest path. Beside each of them but ``not``
    stands a sibling, a random expression shallower than the branch (beside a literal, a literal),
    of a value that leaves the branch's open: true for ``and``, false for ``or``, either for
    ``xor``. So every level counts: the value turns with the deepest literal.

    From depth 3 on the numbers of words say nothing of the value: one sibling holds a literal that
    counts nothing and is always the opposite of the deepest one, which is a fair coin. At depths 1
    and 2, whose siblings are literals, they do say it.
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
        return "boolean-logic-2"

    def draw(self, depth: int, rng: random.Random) -> Pair:
        """An expression of exactly this depth."""
        drawn = expression(depth, rng)
        return Pair((drawn.words,), ((_literal(drawn.value),),))


def expression(depth: int, rng: random.Random) -> Expression:
    """Draw an expression, from the deepest literal outwards.

    Args:
        depth: of the deepest path; every sibling is shallower than the branch beside it.
        rng: of the draw.
    """
    value = rng.random() < 1 / 2
    words, place = [_literal(value)], 0
    idle = _literal(not value)
    # The one level whose sibling holds a literal that counts nothing; it needs a sibling.
    bearing = rng.randint(3, depth) if depth > 2 else None
    for level in range(1, depth + 1):
        operator = rng.choice((AND, OR, XOR) if level == bearing else (NOT, AND, OR, XOR))
        if operator == NOT:
            words, place, value = [NOT, *words], place + 1, not value
            continue
        other = {AND: True, OR: False, XOR: rng.random() < 1 / 2}[operator]
        most = min(_SIBLING, max(0, level - 2))
        if level == bearing:
            sibling = _sibling(other, rng.randint(1, most), rng, idle)
        else:
            sibling = _sibling(other, rng.randint(0, most), rng)
        if rng.random() < 1 / 2:
            words, place = [operator, *sibling, *words], place + 1 + len(sibling)
        else:
            words, place = [operator, *words, *sibling], place + 1
        value = value != other if operator == XOR else value
    return Expression(tuple(words), value, place)


def _sibling(value: bool, depth: int, rng: random.Random, idle: int | None = None) -> list[int]:
    """A random expression of this value and depth, with a branch on one side only.

    Args:
        value: of it.
        depth: of it; at least 1 where there is an `idle` literal.
        rng: of the draw.
        idle: a literal that it holds where it cannot change the value.
    """
    if depth == 0:
        return [_literal(value)]
    if depth == 1 and idle is not None:
        operands = [[_literal(value)], [idle]]
        operator = OR if value else AND
    else:
        operator = rng.choice((NOT, AND, OR, XOR))
        if operator == NOT:
            return [NOT, *_sibling(not value, depth - 1, rng, idle)]
        one, other = rng.choice(_OPERANDS[operator, value])
        operands = [_sibling(one, depth - 1, rng, idle), [_literal(other)]]
    rng.shuffle(operands)
    return [operator, *operands[0], *operands[1]]


def _literal(value: bool) -> int:
    return TRUE if value else FALSE


_PAIRS = [(one, other) for one in (False, True) for other in (False, True)]
_OPERANDS = {
    (operator, value): [pair for pair in _PAIRS if computed(*pair) == value]
    for operator, computed in (
        (AND, lambda one, other: one and other),
        (OR, lambda one, other: one or other),
        (XOR, lambda one, other: one != other),
    )
    for value in (False, True)
}
"""The operands that give an operator's expression a value."""
