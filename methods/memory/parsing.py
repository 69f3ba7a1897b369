"""Reading an agent's output: ``Think: ...``, ``Think-Prune: <ids>``, ``Action: ...``.

The three forms are Evo-Memory's (arXiv 2511.20857, appendix); a question's action is its answer,
so ``Answer:`` and ``Final Answer:`` are read as actions too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_HEAD = r"^[ \t>*#-]*(?{name}think[ -]?prune|thought|think|action|(?:final )?answer)\**[ \t]*:"
_FORMS = re.compile(
    _HEAD.format(name="P<form>") + r"\**[ \t]*(?P<body>.*?)(?=" + _HEAD.format(name=":") + r"|\Z)",
    re.IGNORECASE | re.DOTALL | re.MULTILINE,
)
_ID = r"\d+(?:\s*-\s*\d+)?"
_ID_LIST = re.compile(rf"^[\s\[(]*({_ID}(?:(?:\s*,\s*|\s+and\s+|\s+){_ID})*)")


class Move(StrEnum):
    """What an output asks for."""

    THINK = "think"
    PRUNE = "prune"
    ACT = "act"


@dataclass(frozen=True)
class Output:
    """One reading of an output.

    Attributes:
        move: what it asks for.
        body: the text after the form's name.
        formed: False if no form was found and the whole text was taken as the action.
    """

    move: Move
    body: str
    formed: bool = True


def first_move(text: str) -> Output:
    """Read the first form in an output; text without one is an unformed action."""
    found = _FORMS.search(text)
    if found is None:
        return Output(Move.ACT, text.strip(), formed=False)
    form = found["form"].lower()
    body = found["body"].strip()
    if "prune" in form:
        return Output(Move.PRUNE, body)
    if form in ("think", "thought"):
        return Output(Move.THINK, body)
    return Output(Move.ACT, body)


def action_of(text: str, *, one_line: bool) -> Output:
    """Read the action in an output that may think first.

    Args:
        text: the model's output.
        one_line: True for a command, which ends with its line.
    """
    body, formed = text.strip(), False
    for found in _FORMS.finditer(text):
        if found["form"].lower().endswith(("action", "answer")):
            body, formed = found["body"].strip(), True
            break
    if one_line:
        body = next((line.strip() for line in body.splitlines() if line.strip()), "")
    return Output(Move.ACT, body, formed)


@dataclass(frozen=True)
class Pruned:
    """Which displayed items an output prunes, counted from 1, and whether it was readable."""

    numbers: frozenset[int]
    valid: bool


def pruned_numbers(body: str, shown: int) -> Pruned:
    """Read ``1,3`` or ``2-4`` against a display of `shown` items; others are ignored."""
    found = _ID_LIST.match(body)
    if found is None:
        return Pruned(frozenset(), valid=False)
    numbers = set[int]()
    for part in re.findall(_ID, found[1]):
        first, _, last = part.partition("-")
        low, high = _bounded(first, shown), _bounded(last or first, shown)
        numbers.update(range(max(low, 1), min(high, shown) + 1))
    return Pruned(frozenset(numbers), valid=True)


def _bounded(digits: str, shown: int) -> int:
    """A number, or one beyond the display for so many digits that Python refuses them."""
    digits = digits.strip()
    return int(digits) if len(digits) < 10 else shown + 1
