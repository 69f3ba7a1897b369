"""Reading an agent's output: ``Think: ...``, ``Think-Prune: <ids>``, ``Action: ...``.

The three forms are Evo-Memory's (arXiv 2511.20857, appendix); a question's action is its answer,
so ``Answer:`` and ``Final Answer:`` are read as actions too, and so is the task's own word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from harness.protocols.stream import Brief

_THINK = r"think[ -]?prune|thought|think"
_ACT = r"action|(?:final )?answer"
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


@cache
def _forms(label: str) -> re.Pattern[str]:
    """Forms with their bodies, each up to the next; `label` is the task's word for an action."""
    head = rf"^[ \t>*#-]*(?%s{_THINK}|{_ACT}|{re.escape(label)})\**[ \t]*:"
    body = r"\**[ \t]*(?P<body>.*?)"
    return re.compile(
        f"{head % 'P<form>'}{body}(?={head % ':'}|\\Z)", re.IGNORECASE | re.DOTALL | re.MULTILINE
    )


def first_move(text: str, label: str = "Action") -> Output:
    """Read the first form in an output; text without one is an unformed action.

    Args:
        text: the model's output.
        label: the task's word for an action.
    """
    found = _forms(label).search(text)
    if found is None:
        return Output(Move.ACT, text.strip(), formed=False)
    form = found["form"].lower()
    body = found["body"].strip()
    if "prune" in form:
        return Output(Move.PRUNE, body)
    if form in ("think", "thought"):
        return Output(Move.THINK, body)
    return Output(Move.ACT, body)


def action_of(text: str, brief: Brief) -> Output:
    """Read the action in an output that may think first.

    Args:
        text: the model's output.
        brief: says the task's word for an action; that of an episode ends with its line.
    """
    body, formed = text.strip(), False
    for found in _forms(brief.action_label).finditer(text):
        if not re.fullmatch(_THINK, found["form"], re.IGNORECASE):
            body, formed = found["body"].strip(), True
            break
    if not brief.single_turn:
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
