"""The orders of a stream's items, and the items that are held out of it.

An order rearranges each stream by itself. Hold-out items are drawn before, from the native order,
so that they are the same whatever the order.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest

from harness.errors import UsageError
from harness.protocols.stream.types import Item

# A number is written in one way only, so that equal orders have equal names, and fits 64 bits.
_ORDER = re.compile(
    r"native|shuffle:(0|[1-9][0-9]{0,17})|easy-hard|hard-easy|grouped|interleaved"
    r"|repeated:([2-9]|[1-9][0-9])"
)
_FORMS = (
    "native, shuffle:SEED (such as shuffle:1), easy-hard, hard-easy, grouped, interleaved or "
    "repeated:TIMES (such as repeated:2)"
)


@dataclass(frozen=True)
class Stream:
    """One stream as a run plays it."""

    id: str
    items: tuple[Item, ...]
    """In the order of the run."""
    holdout: tuple[Item, ...] = ()
    """Items that are asked at checkpoints only."""


def checked_order(order: str) -> str:
    """The order, if there is such a one.

    Raises:
        UsageError: there is none.
    """
    if not _ORDER.fullmatch(order):
        raise UsageError(f"order '{order}' is unknown; use {_FORMS}.")
    return order


def streams_of(items: Sequence[Item], order: str, holdout: int = 0) -> tuple[Stream, ...]:
    """Group items by stream, hold some of each out, and put the others in order.

    Args:
        items: in native order.
        order: native; shuffle:SEED; easy-hard and hard-easy, which keep the native order among
            equals and put items without a difficulty last; grouped: group after group, by first
            appearance; interleaved: the groups in turn; repeated:N: the whole stream N times.
        holdout: items of each stream that are held out.

    Raises:
        UsageError: a stream has too few items to hold so many out.
    """
    members = dict[str, list[Item]]()
    for item in items:
        members.setdefault(item.stream_id, []).append(item)
    return tuple(_stream(name, own, order, holdout) for name, own in members.items())


def _stream(stream_id: str, items: list[Item], order: str, holdout: int) -> Stream:
    if holdout >= len(items):
        raise UsageError(
            f"stream '{stream_id}' has {len(items)} items, of which holdout={holdout} leaves none; "
            "hold fewer out, or make longer streams."
        )
    drawn = random.Random(f"holdout/{stream_id}").sample(range(len(items)), holdout)
    held = {items[one].sample_id for one in drawn}
    kept = [one for one in items if one.sample_id not in held]
    left = tuple(one for one in items if one.sample_id in held)
    return Stream(stream_id, tuple(_ordered(stream_id, kept, order)), left)


def _ordered(stream_id: str, items: list[Item], order: str) -> Sequence[Item]:
    kind, _, number = order.partition(":")
    if kind == "shuffle":
        random.Random(f"{number}/{stream_id}").shuffle(items)
    elif kind in ("easy-hard", "hard-easy"):
        sign = 1 if kind == "easy-hard" else -1
        items.sort(key=lambda one: (one.difficulty is None, sign * (one.difficulty or 0.0)))
    elif kind in ("grouped", "interleaved"):
        groups = dict[str, list[Item]]()
        for item in items:
            groups.setdefault(item.group, []).append(item)
        if kind == "grouped":
            return list(chain.from_iterable(groups.values()))
        return [one for row in zip_longest(*groups.values()) for one in row if one is not None]
    elif kind == "repeated":
        return [replace(one, repeat=again) for again in range(int(number)) for one in items]
    return items
