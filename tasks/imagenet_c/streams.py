"""The order in which a method sees images: which stages, where it is reset, what mixes."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from harness.protocols.adapt.task import Picture, Stage

T = TypeVar("T")


class Setting(StrEnum):
    """Kinds of streams."""

    RESET = "reset"
    """One stage for each corruption and severity, the method reset before each."""
    CONTINUAL = "continual"
    """The same stages without a reset (CoTTA)."""
    MIXED = "mixed"
    """All corruptions shuffled together, no border."""
    GRADUAL = "gradual"
    """Each corruption at severities 1 2 3 4 5 4 3 2 1, reset between corruptions only."""
    CORRELATED = "correlated"
    """As continual, but images of one class come close together (Dirichlet; NOTE, RoTTA)."""
    CHANGING = "changing"
    """One corruption fades into the next: the two applied one after the other at severities that
    fall and rise, without a border. After CCC (Press et al. 2023), in whole severities."""


SLOPE = (1, 2, 3, 4, 5, 4, 3, 2, 1)
"""Severities of the gradual setting."""
_FADE = ((5, 0), (4, 1), (3, 2), (2, 3), (1, 4), (0, 5))
"""Severities of the corruption that fades and of the one that comes."""


@dataclass(frozen=True)
class Photograph:
    """One labelled photograph of the source."""

    image_id: str
    label: int
    content_hash: str


Cell = tuple[tuple[str, int], ...]
"""Corruptions with severities that are applied to a photograph; empty: clean."""
Make = Callable[[Photograph, Cell], Picture | None]
"""A photograph under corruptions; None where the data lack it."""


@dataclass(frozen=True)
class Order:
    """What decides a stream.

    Attributes:
        setting: kind of stream.
        corruptions: in order.
        severities: of each; the gradual and the changing setting have their own.
        delta: of the Dirichlet distribution: the smaller, the more the classes cluster.
        seed: of all shuffling.
    """

    setting: Setting
    corruptions: Sequence[str]
    severities: Sequence[int]
    delta: float
    seed: int


def stages(photographs: Sequence[Photograph], order: Order, make: Make) -> list[Stage]:
    """The stages of a stream of corrupted images, without clean ones."""
    if order.setting is Setting.MIXED:
        cells = [_cell(name, level) for name in order.corruptions for level in order.severities]
        every = [one for cell in cells for one in _made(photographs, cell, make)]
        return [Stage("mixed", tuple(shuffled(every, f"{order.seed}/mixed")), reset=False)]
    if order.setting is Setting.CHANGING:
        return [Stage("changing", tuple(_changing(photographs, order, make)), reset=False)]
    levels = SLOPE if order.setting is Setting.GRADUAL else tuple(order.severities)
    found, seen = list[Stage](), defaultdict[str, int](int)
    for name in order.corruptions:
        for place, level in enumerate(levels):
            pictures = _made(photographs, _cell(name, level), make)
            kind = f"{order.seed}/{name}/{level}/{place}"
            if order.setting is Setting.CORRELATED:
                pictures = correlated(pictures, order.delta, kind)
            else:
                pictures = shuffled(pictures, kind)
            stage = f"{name}/{level}"
            seen[stage] += 1
            again = seen[stage] - 1
            resets = order.setting is Setting.RESET or (
                order.setting is Setting.GRADUAL and place == 0
            )
            found.append(
                Stage(
                    f"{stage}/again" if again else stage,
                    tuple(replace(one, repeat=again) for one in pictures),
                    reset=resets,
                )
            )
    return found


def shuffled(members: Iterable[T], kind: str) -> list[T]:
    """The members in an order that the seed text decides, on any machine."""
    keyed = [(_hash(f"{kind}/{place}"), place, one) for place, one in enumerate(members)]
    return [one for _, _, one in sorted(keyed, key=lambda key: key[:2])]


def first(photographs: Iterable[Photograph], limit: int | None) -> list[Photograph]:
    """So many photographs, drawn by their names: a larger limit adds to a smaller one's.

    The first ones of a folder would be all of a few classes.
    """
    every = list(photographs)
    if limit is None or limit >= len(every):
        return every
    drawn = sorted(every, key=lambda one: _hash(one.image_id))[:limit]
    return sorted(drawn, key=lambda one: one.image_id)


def correlated(pictures: Sequence[Picture], delta: float, kind: str) -> list[Picture]:
    """An order in which a class's images come close together.

    As many slots as there are classes; each class spreads its images over the slots by shares from
    a Dirichlet distribution (Yuan et al. 2023, arXiv 2303.13899).
    """
    import numpy as np

    generator = np.random.default_rng(int(_hash(kind), 16) % 2**63)
    classes = defaultdict[int, list[Picture]](list)
    for one in shuffled(pictures, kind):
        classes[one.label].append(one)
    slots: list[list[Sequence[Picture]]] = [[] for _ in classes]
    for label in sorted(classes):
        members = classes[label]
        shares = generator.dirichlet([delta] * len(slots))
        borders = np.round(np.cumsum(shares) * len(members)).astype(int)
        start = 0
        for slot, end in zip(slots, borders, strict=True):
            slot.append(members[start : int(end)])
            start = int(end)
        slots[-1].append(members[start:])
    # Inside a slot the classes come one after another, in an order of its own.
    orders = [generator.permutation(len(slot)) for slot in slots]
    return [
        one
        for slot, order in zip(slots, orders, strict=True)
        for place in order
        for one in slot[int(place)]
    ]


def _changing(photographs: Sequence[Photograph], order: Order, make: Make) -> Iterator[Picture]:
    """Every photograph once for each pair of neighbouring corruptions, the mixture changing."""
    names = list(order.corruptions)
    for number, (one, other) in enumerate(zip(names, [*names[1:], names[0]], strict=True)):
        drawn = shuffled(photographs, f"{order.seed}/changing/{number}")
        for place, photograph in enumerate(drawn):
            fade, rise = _FADE[place * len(_FADE) // len(drawn)]
            cell = tuple(pair for pair in ((one, fade), (other, rise)) if pair[1])
            picture = make(photograph, cell)
            if picture is not None:
                yield replace(picture, repeat=number)


def _made(photographs: Iterable[Photograph], cell: Cell, make: Make) -> list[Picture]:
    found = (make(one, cell) for one in photographs)
    return [one for one in found if one is not None]


def _cell(name: str, level: int) -> Cell:
    return ((name, level),)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
