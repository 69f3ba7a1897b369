"""What solvers learn from: pairs of puzzles, each in all variants, drawn for a step by its number.

Which examples an update gets is a function of seed and update, so that a fit goes on from a saved
step without a generator's state. Nothing but the pairs is held: variants are made when drawn.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.protocols.solve.augmentation import Augmentation, Cells, variants
from harness.protocols.solve.grids import array
from harness.protocols.solve.puzzle import Pair, Puzzle
from harness_methods.solvers.sequences.canvas import Canvas
from harness_methods.solvers.sequences.options import Translation

BLANK = 0
"""Row of the puzzle embeddings that is never trained."""


@dataclass(frozen=True)
class Entry:
    """A fitted puzzle.

    Attributes:
        first: row of its first variant in the table of embeddings; the others follow.
        variants: of it, itself first.
    """

    first: int
    variants: tuple[Augmentation, ...]

    def plain(self) -> dict[str, Any]:
        """As values that a state may hold."""
        made = [[one.dihedral, list(one.colours)] for one in self.variants]
        return {"first": self.first, "variants": made}

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> Entry:
        """What `plain` made."""
        made = [Augmentation(turn, tuple(colours)) for turn, colours in plain["variants"]]
        return cls(plain["first"], tuple(made))


def entries(puzzles: Iterable[Puzzle], count: int, seed: int) -> dict[str, Entry]:
    """Variants and rows of puzzles, by content hash."""
    found = dict[str, Entry]()
    first = BLANK + 1
    for puzzle in puzzles:
        key = puzzle.content_hash
        if key not in found:
            made = variants(puzzle, count, random.Random(f"variants/{seed}/{key}"))
            found[key] = Entry(first, tuple(made))
            first += len(made)
    return found


class Drawn(NamedTuple):
    """Examples."""

    tokens: NDArray[np.uint8]
    """Inputs, (examples, tokens)."""
    labels: NDArray[np.uint8]
    """Outputs, (examples, tokens)."""
    rows: NDArray[np.int64]
    """Of the puzzle embeddings, (examples,)."""


class Examples:
    """Pairs to draw from.

    Every pair is equally likely, then every variant of it. (The reference code draws puzzles in
    turn and takes all pairs of one variant at once; the shares are the same.)

    Args:
        pairs: with their puzzles and entries.
        canvas: what they are drawn on.
        translation: where.
    """

    def __init__(
        self,
        pairs: Sequence[tuple[Puzzle, Entry, Pair]],
        canvas: Canvas,
        translation: Translation,
    ) -> None:
        self.canvas = canvas
        self._pairs = [
            (
                entry,
                array(pair.input),
                array(pair.output),
                translation is Translation.RANDOM and puzzle.domain.translate,
            )
            for puzzle, entry, pair in pairs
        ]

    def draw(self, count: int, generator: np.random.Generator) -> Drawn:
        """So many examples."""
        canvas = self.canvas
        tokens = np.empty((count, canvas.tokens), dtype=np.uint8)
        labels = np.empty_like(tokens)
        rows = np.empty(count, dtype=np.int64)
        for place, choice in enumerate(generator.integers(len(self._pairs), size=count)):
            entry, question, answer, moves = self._pairs[choice]
            variant = int(generator.integers(len(entry.variants)))
            one = entry.variants[variant]
            shown, wanted = one.apply(question), one.apply(answer)
            top, left = self._corner(shown, wanted, generator) if moves else (0, 0)
            tokens[place] = canvas.draw(shown, top, left)
            labels[place] = canvas.draw(wanted, top, left)
            rows[place] = entry.first + variant
        return Drawn(tokens, labels, rows)

    def _corner(
        self, shown: Cells, wanted: Cells, generator: np.random.Generator
    ) -> tuple[int, int]:
        """Where both grids fit."""
        down = self.canvas.rows - max(shown.shape[0], wanted.shape[0])
        right = self.canvas.columns - max(shown.shape[1], wanted.shape[1])
        return int(generator.integers(down + 1)), int(generator.integers(right + 1))
