"""Where a series changed its level: binary segmentation with a permutation test of each cut.

A series of figures in the order of time comes in, the positions at which a new level begins go out.
A cut is the place where the two means differ most for their lengths (the CUSUM statistic). Its p is
the share of random orders of the segment whose largest statistic reaches it, so that having looked
at every place costs nothing. Segments are cut again until no cut is significant, each at level
alpha: a series without a change is cut with probability alpha, one with changes is sometimes cut
once too often. Fewer than eight figures show no step.

Source: Scott and Knott 1974 (binary segmentation); Matteson and James 2014 (permutation of cuts).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.statistics.inputs import finite_scores

if TYPE_CHECKING:
    from harness.statistics.inputs import Floats

_FEWEST = 8
_PERMUTATIONS = 1_999


@dataclass(frozen=True)
class Change:
    """A lasting change of level.

    Attributes:
        position: index of the first figure of the new level.
        p: of the permutation test of the segment that was cut here.
    """

    position: int
    p: float


def find_steps(series: Sequence[float], alpha: float = 0.05, seed: int = 0) -> tuple[Change, ...]:
    """Find the lasting changes of level of a series.

    Args:
        series: figures in the order of time.
        alpha: probability that a series without a change shows one.
        seed: of the random orders.

    Returns:
        The changes in the order of time; none of fewer than eight figures.

    Raises:
        ValueError: a figure is not finite.
    """
    if not len(series):
        return ()
    values = finite_scores(series, "the series")
    return tuple(sorted(_cut(values, 0, alpha, seed), key=lambda one: one.position))


def _cut(values: Floats, start: int, alpha: float, seed: int) -> list[Change]:
    import numpy as np

    n = values.size
    if n < _FEWEST or float(np.ptp(values)) == 0.0:
        return []
    found = _statistics(values)
    place = int(found.argmax())
    random = np.random.default_rng(seed)
    orders = random.permuted(np.tile(values, (_PERMUTATIONS, 1)), axis=1)
    largest = _statistics(orders).max(axis=-1)
    p = (1 + int((largest >= found[place] * (1 - 1e-9)).sum())) / (1 + _PERMUTATIONS)
    if p >= alpha:
        return []
    position = place + 1
    return [
        *_cut(values[:position], start, alpha, seed),
        Change(start + position, p),
        *_cut(values[position:], start + position, alpha, seed),
    ]


def _statistics(values: Floats) -> Floats:
    """|sum of the first k - k * mean| / sqrt(k (n - k) / n) for k = 1 .. n - 1, last axis."""
    import numpy as np

    n = values.shape[-1]
    k = np.arange(1, n)
    sums = np.cumsum(values - values.mean(axis=-1, keepdims=True), axis=-1)[..., :-1]
    return np.abs(sums) / np.sqrt(k * (n - k) / n)
