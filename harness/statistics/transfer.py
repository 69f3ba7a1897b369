"""Transfer between the items of a stream: what earlier ones do for later ones, and the reverse.

All measures read one matrix: the score of an item with the memory as it was after so many items (a
state). Item `t`, counted from 1, is met with state ``t - 1``, its online score; other cells come
from probes with a frozen memory. Forward and backward transfer follow Lopez-Paz and Ranzato 2017
(arXiv 1706.08840, eq. 3 and 4) with the empty memory in the place of the untrained model,
forgetting follows Chaudhry et al. 2018 (arXiv 1801.10112, eq. 3), and the summed gain at a lag
SeqMem-Eval (arXiv 2605.15384). Where only some states were probed, the first one at or behind an
item stands for the one right after it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Scores:
    """The scores of one stream's items.

    Attributes:
        length: items of the stream.
        cells: (item from 1, state) to score in the metric's unit; what is not there was not
            measured or has no score.
    """

    length: int
    cells: Mapping[tuple[int, int], float]

    def online(self) -> float:
        """Mean score along the stream, over the items that have one; NaN of none."""
        return _mean([x for (item, state), x in self.cells.items() if state == item - 1])

    def forward(self) -> dict[int, float]:
        """By item from the second: online score minus the score with the empty memory."""
        return {
            item: self.cells[item, item - 1] - self.cells[item, 0]
            for item in range(2, self.length + 1)
            if (item, item - 1) in self.cells and (item, 0) in self.cells
        }

    def backward(self) -> dict[int, float]:
        """By item before the last: score at the end minus the score right behind the item."""
        return {
            item: states[max(states)] - states[min(states)] for item, states in self._revisited()
        }

    def forgetting(self) -> dict[int, float]:
        """By item before the last: the best score at an earlier state behind it minus the last."""
        return {
            item: max(x for state, x in states.items() if state < self.length) - states[self.length]
            for item, states in self._revisited()
        }

    def summed_gain(self, lag: int) -> float:
        """SeqMem-Eval's B(t): sum over items of the score `lag` states later minus the online one.

        Only items whose both cells are known count.
        """
        return math.fsum(
            self.cells[item, item - 1 + lag] - self.cells[item, item - 1]
            for item in range(1, self.length + 1)
            if (item, item - 1) in self.cells and (item, item - 1 + lag) in self.cells
        )

    def _revisited(self) -> list[tuple[int, dict[int, float]]]:
        """Items with their scores by state behind them, where the last is not the only one."""
        found = list[tuple[int, dict[int, float]]]()
        for item in range(1, self.length):
            states = {
                state: self.cells[item, state]
                for state in range(item, self.length + 1)
                if (item, state) in self.cells
            }
            if len(states) > 1 and self.length in states:
                found.append((item, states))
        return found


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
