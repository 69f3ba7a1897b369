"""Grids as a language model reads and writes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from enum import StrEnum

from harness.protocols.solve import BadGrid, Domain, Grid, read_grid

_DEPTH = 2
"""Lists in one another that a grid is."""


class Form(StrEnum):
    """How a grid is written."""

    AUTO = "auto"
    """json where the symbols are digits, else symbols."""
    JSON = "json"
    """A list of rows, each a list of integers."""
    SYMBOLS = "symbols"
    """A line for each row: its symbols with a space between."""

    def of(self, domain: Domain) -> Form:
        """The form for a puzzle's grids."""
        if self is not Form.AUTO:
            return self
        digits = all(one == str(index) for index, one in enumerate(domain.symbols))
        return Form.JSON if digits else Form.SYMBOLS


def write(grid: Grid, form: Form, domain: Domain) -> str:
    """A grid as text."""
    if form is Form.JSON:
        return "[" + ",\n ".join(json.dumps(row) for row in grid) + "]"
    return "\n".join(" ".join(domain.symbols[cell] for cell in row) for row in grid)


def read_last(text: str, form: Form, domain: Domain) -> Grid | None:
    """The last grid of a text; None where it holds none.

    A model may think aloud before it answers, so the last one counts, as in ARC Prize's harness.
    """
    found = _arrays(text) if form is Form.JSON else _blocks(text, domain)
    for value in found:
        try:
            return read_grid(value, domain)
        except BadGrid:
            continue
    return None


def _arrays(text: str) -> Iterator[object]:
    """Lists of lists in a text, the last one first; in one pass, whatever a model writes."""
    open_at, heights = list[int](), list[int]()
    found = list[tuple[int, int]]()
    for place, letter in enumerate(text):
        if letter == "[":
            open_at.append(place)
            heights.append(1)
        elif letter == "]" and open_at:
            begin, height = open_at.pop(), heights.pop()
            if height == _DEPTH:
                found.append((begin, place + 1))
            if heights:
                heights[-1] = max(heights[-1], height + 1)
    for begin, end in reversed(found):
        with suppress(ValueError):
            yield json.loads(text[begin:end])


def _blocks(text: str, domain: Domain) -> Iterator[list[list[int]]]:
    """Runs of lines that hold symbols only, the last one first."""
    index = {symbol: number for number, symbol in enumerate(domain.symbols)}
    block = list[list[int]]()
    for line in [*reversed(text.splitlines()), ""]:
        cells = [index.get(word.strip(".,:;!`*")) for word in line.split()]
        known = [cell for cell in cells if cell is not None]
        if known and len(known) == len(cells):
            block.insert(0, known)
        elif block:
            yield block
            block = []
