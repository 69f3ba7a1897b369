"""The operations that programs are made of: a grid in, a grid out, or None where it means nothing.

0 is the background. Objects are 8-connected cells of any colour but the background.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

Cells = NDArray[np.uint8]
Operation = Callable[[Cells], Cells | None]

_MOST = 30


def operations() -> dict[str, Operation]:
    """Every operation that needs no colour, by name."""
    found: dict[str, Operation] = {
        "rotate": np.rot90,
        "rotate twice": partial(np.rot90, k=2),
        "rotate back": partial(np.rot90, k=3),
        "mirror": np.fliplr,
        "flip": np.flipud,
        "transpose": np.transpose,
        "crop": crop,
        "largest object": partial(one_object, largest=True),
        "smallest object": partial(one_object, largest=False),
        "fall down": fall,
        "fall up": lambda cells: np.flipud(fall(np.flipud(cells))),
        "fall right": lambda cells: fall(cells.T).T,
        "fall left": lambda cells: np.fliplr(fall(np.fliplr(cells).T).T),
        "left half": lambda cells: _part(cells, slice(None), slice(0, cells.shape[1] // 2)),
        "right half": lambda cells: _part(cells, slice(None), slice(-(cells.shape[1] // 2), None)),
        "upper half": lambda cells: _part(cells, slice(0, cells.shape[0] // 2), slice(None)),
        "lower half": lambda cells: _part(cells, slice(-(cells.shape[0] // 2), None), slice(None)),
        "without border": lambda cells: _part(cells, slice(1, -1), slice(1, -1)),
        "double": partial(enlarge, factor=2),
        "triple": partial(enlarge, factor=3),
        "halve": partial(shrink, factor=2),
        "third": partial(shrink, factor=3),
        "tile 2x2": partial(np.tile, reps=(2, 2)),
        "tile 3x3": partial(np.tile, reps=(3, 3)),
        "beside itself": lambda cells: np.hstack([cells, cells]),
        "above itself": lambda cells: np.vstack([cells, cells]),
        "beside its mirror": lambda cells: np.hstack([cells, np.fliplr(cells)]),
        "above its mirror": lambda cells: np.vstack([cells, np.flipud(cells)]),
        "grid of itself": fractal,
        "rows once": lambda cells: _once(cells),
        "columns once": lambda cells: _once(cells.T).T,
        "only the rarest colour": partial(only, rarest=True),
        "only the commonest colour": partial(only, rarest=False),
        "background for colour": swap_background,
        "complete by mirror": partial(overlay, turn=np.fliplr),
        "complete by flip": partial(overlay, turn=np.flipud),
        "complete by turn": partial(overlay, turn=partial(np.rot90, k=2)),
    }
    for name, join in (("and", np.logical_and), ("or", np.logical_or), ("xor", np.logical_xor)):
        found[f"halves {name}"] = partial(halves, join=join)
        found[f"stacked halves {name}"] = lambda cells, join=join: _turned(cells, join)
    found["halves neither"] = partial(halves, join=_neither)
    found["stacked halves neither"] = lambda cells: _turned(cells, _neither)
    return found


def with_colours(colours: list[int]) -> Iterator[tuple[str, Operation]]:
    """Operations that put a colour where the outputs show it."""
    for colour in colours:
        yield f"fill holes with {colour}", partial(fill_holes, colour=colour)
        yield f"paint with {colour}", partial(paint, colour=colour)
        yield f"surround with {colour}", partial(np.pad, pad_width=1, constant_values=colour)


def apply(operation: Operation, cells: Cells) -> Cells | None:
    """The result, as long as it is a grid."""
    found = operation(cells)
    if found is None or found.size == 0 or max(found.shape) > _MOST:
        return None
    return np.ascontiguousarray(found)


def crop(cells: Cells) -> Cells | None:
    """The smallest rectangle that holds everything but background."""
    rows, columns = (np.flatnonzero(cells.max(axis)) for axis in (1, 0))
    if rows.size == 0:
        return None
    return cells[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def one_object(cells: Cells, *, largest: bool) -> Cells | None:
    """The object with the most or fewest cells, cropped; the first among equals."""
    from scipy.ndimage import label

    found: Any = label(cells > 0, structure=np.ones((3, 3)))
    labels, count = found
    if count == 0:
        return None
    sizes = np.bincount(labels.ravel())[1:]
    chosen = 1 + int(sizes.argmax() if largest else sizes.argmin())
    return crop(np.where(labels == chosen, cells, 0).astype(np.uint8))


def fall(cells: Cells) -> Cells:
    """Everything falls to the bottom of its column, in order."""
    order = np.argsort(cells > 0, axis=0, kind="stable")
    return np.take_along_axis(cells, order, axis=0)


def enlarge(cells: Cells, factor: int) -> Cells:
    """Each cell becomes a square."""
    return cells.repeat(factor, 0).repeat(factor, 1)


def shrink(cells: Cells, factor: int) -> Cells | None:
    """Each square becomes a cell, where squares have one colour."""
    rows, columns = cells.shape
    if rows % factor or columns % factor:
        return None
    small = cells[::factor, ::factor]
    return small if np.array_equal(enlarge(small, factor), cells) else None


def fractal(cells: Cells) -> Cells | None:
    """The grid in each of its own coloured cells."""
    if max(cells.shape) ** 2 > _MOST:
        return None
    return np.kron(cells > 0, cells).astype(np.uint8)


def only(cells: Cells, *, rarest: bool) -> Cells | None:
    """One colour; the rest is background."""
    counts = np.bincount(cells.ravel(), minlength=1)
    counts[0] = 0
    present = np.flatnonzero(counts)
    if present.size == 0:
        return None
    chosen = present[counts[present].argmin() if rarest else counts[present].argmax()]
    return np.where(cells == chosen, cells, 0).astype(np.uint8)


def swap_background(cells: Cells) -> Cells | None:
    """In a grid of one colour, background and colour change places."""
    colours = [one for one in np.unique(cells) if one]
    if len(colours) != 1:
        return None
    return np.where(cells == 0, colours[0], 0).astype(np.uint8)


def overlay(cells: Cells, turn: Callable[[Cells], Cells]) -> Cells | None:
    """Background is filled from the turned grid."""
    other = turn(cells)
    return np.where(cells == 0, other, cells) if other.shape == cells.shape else None


def halves(cells: Cells, join: Callable[[Any, Any], Any]) -> Cells | None:
    """Left and right half, with or without a line between, joined cell by cell; colour 1."""
    width = cells.shape[1] // 2
    if width == 0:
        return None
    left, right = cells[:, :width] > 0, cells[:, -width:] > 0
    return join(left, right).astype(np.uint8)


def fill_holes(cells: Cells, colour: int) -> Cells:
    """Background that does not touch the border gets a colour."""
    from scipy.ndimage import binary_fill_holes

    full: Any = binary_fill_holes(cells > 0)
    return np.where(full & (cells == 0), colour, cells).astype(np.uint8)


def paint(cells: Cells, colour: int) -> Cells:
    """Everything but background gets one colour."""
    return np.where(cells > 0, colour, 0).astype(np.uint8)


def _part(cells: Cells, rows: slice, columns: slice) -> Cells:
    return cells[rows, columns]


def _once(cells: Cells) -> Cells:
    """A row that equals the one above it is left out."""
    keep = [0] + [n for n in range(1, len(cells)) if not np.array_equal(cells[n], cells[n - 1])]
    return cells[keep]


def _turned(cells: Cells, join: Callable[[Any, Any], Any]) -> Cells | None:
    found = halves(cells.T, join)
    return None if found is None else found.T


def _neither(one: Any, other: Any) -> Any:
    return ~(one | other)
