"""Ranks of many methods with the uncertainty that the data leave: simultaneous over all pairs.

Methods trained under several seeds are ranked by `rank_trained`, all others by `rank_methods`.
A matrix of contributions comes in (one row for each independent unit, one column for each method);
pairwise differences with simultaneous intervals, p values adjusted for all pairs, and for each
method the range of ranks that is compatible with them go out.

The test of a pair flips the sign of whole units, as `harness.statistics.paired` does, and all pairs
are flipped together: a flip's statistic is the largest over all pairs (single-step max-T of
Westfall and Young 1993). With d_g the difference of a pair in unit g,

    U(flip) = |sum of flipped d_g| / sqrt(sum of d_g**2)

whose denominator no flip changes, and which grows with Student's t. The interval of a pair holds
the shifts that its own U does not exceed the critical value at, so it excludes 0 exactly if the
adjusted p is below alpha. Two methods whose interval excludes 0 are never given overlapping ranks
for that pair; the ranks of all methods are right at once with probability 1 - alpha (Mogstad,
Romano, Shaikh and Wilhelm 2024, "Inference for Ranks").
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.statistics.inputs import error_rate
from harness.statistics.means import orders_interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.statistics.inputs import Floats

_CELLS = 50_000_000
"""Pairs times flips that are looked at; bounds the time of many methods to about a second."""

_CHUNK = 4_000_000
"""Numbers held at once."""

_ROUNDING = 1e-12
"""By how much equal contributions differ when computed, relative to their size."""

_NOISE = 1e-9
"""By how much equal statistics differ when computed in another order, relative to their size."""


@dataclass(frozen=True)
class PairDifference:
    """Two methods.

    Attributes:
        row: position of one.
        column: position of the other, greater than `row`.
        difference: of their totals, `row` - `column`.
        low: lower end of the simultaneous interval; None where it is unbounded.
        high: upper end.
        p: adjusted for all pairs.
    """

    row: int
    column: int
    difference: float
    low: float | None
    high: float | None
    p: float


@dataclass(frozen=True)
class Ranking:
    """Ranks of all methods at once.

    Attributes:
        ranks: for each method the best and the worst rank, from 1.
        pairs: every pair once, by row and then column.
        units: number of independent units.
        smallest_p: smallest p that so many units (and flips) can give.
        level: probability with which all ranks hold.
        exact: whether all flips were enumerated.
    """

    ranks: tuple[tuple[int, int], ...]
    pairs: tuple[PairDifference, ...]
    units: int
    smallest_p: float
    level: float
    exact: bool


def rank_methods(
    contributions: NDArray[np.float64],
    weights: NDArray[np.float64],
    level: float = 0.95,
    flips: int = 20_000,
    seed: int = 0,
) -> Ranking:
    """Rank methods, higher totals first.

    Args:
        contributions: what each unit adds to a method's figure, shape ``(units, methods)``: the
            figure is the sum of its column.
        weights: share of each unit in the figure, shape ``(units,)``, sum 1.
        level: probability in (0, 1).
        flips: most flips to enumerate or draw; fewer are drawn for very many pairs, at least 1,000.
        seed: of the random flips.

    Raises:
        ValueError: shapes do not fit, there is no unit or method, or a number is not finite.
    """
    import numpy as np

    table, share = _checked(contributions, weights, ("units", "methods"))
    alpha = error_rate(level)
    units, methods = table.shape
    rows, columns = np.triu_indices(methods, k=1)
    # What all methods share in a unit changes no pair; without it rounding is smaller.
    table = table - np.median(table, axis=1, keepdims=True)
    differences, squares = _pairs(table, rows, columns)
    count = int(min(flips, max(1_000, _CELLS // max(1, len(rows)))))
    exact = 2.0 ** (units - 1) <= count
    inverse = np.divide(1.0, np.sqrt(squares), out=np.zeros_like(squares), where=squares > 0)
    largest = np.sort(_largest(table, rows, columns, inverse, count, seed, exact=exact))
    observed = np.abs(differences) * inverse
    reached = len(largest) - largest.searchsorted(observed * (1 - _NOISE), side="left")
    p = (reached / len(largest)) if exact else (1 + reached) / (1 + len(largest))
    p = np.where(squares > 0, p, 1.0)
    critical = _critical(largest, alpha, exact=exact)
    lows, highs = _intervals(table, share, rows, columns, differences, squares, critical)
    return Ranking(
        ranks=_ranks(methods, rows, columns, differences, p < alpha),
        pairs=_as_pairs(rows, columns, differences, lows, highs, p),
        units=units,
        smallest_p=max(2.0 ** (1 - units), 0.0 if exact else 1 / (1 + count)),
        level=level,
        exact=exact,
    )


def rank_trained(
    contributions: NDArray[np.float64], weights: NDArray[np.float64], level: float = 0.95
) -> Ranking:
    """Rank methods that were trained under several seeds, higher totals first.

    What a seed does, it does to all units, so units and seeds are crossed: each pair is a two-way
    t test (`harness.statistics.means.orders_interval`) of what its cells add to the difference. p
    values and intervals are Bonferroni's over all pairs; fewer than six units decide nothing.

    Args:
        contributions: what each unit adds to the figure of a method under a seed, shape ``(units,
            seeds, methods)``; a method that was not trained has the same under every seed.
        weights: share of each unit in the figure, shape ``(units,)``, sum 1.
        level: probability in (0, 1).

    Raises:
        ValueError: shapes do not fit, or a number is not finite.
    """
    import numpy as np

    table, share = _checked(contributions, weights, ("units", "seeds", "methods"))
    alpha = error_rate(level)
    units, _, methods = table.shape
    rows, columns = np.triu_indices(methods, k=1)
    found = [
        _crossed_pair(table[:, :, i] - table[:, :, j], share, 1 - alpha / len(rows))
        for i, j in zip(rows, columns, strict=True)
    ]
    decides = 2.0 ** (1 - units) < alpha
    p = np.array([min(1.0, one[3] * len(rows)) if decides else 1.0 for one in found])
    ends = [(one[1], one[2]) if decides else (-np.inf, np.inf) for one in found]
    lows, highs = (np.array([end[side] for end in ends]) for side in (0, 1))
    differences = np.array([one[0] for one in found])
    return Ranking(
        ranks=_ranks(methods, rows, columns, differences, p < alpha),
        pairs=_as_pairs(rows, columns, differences, lows, highs, p),
        units=units,
        smallest_p=2.0 ** (1 - units),
        level=level,
        exact=False,
    )


def _checked(
    contributions: NDArray[np.float64], weights: NDArray[np.float64], axes: tuple[str, ...]
) -> tuple[Floats, Floats]:
    """Contributions and weights as finite arrays that fit together."""
    import numpy as np

    table = np.asarray(contributions, dtype=np.float64)
    share = np.asarray(weights, dtype=np.float64)
    if table.ndim != len(axes) or 0 in table.shape or share.shape != table.shape[:1]:
        raise ValueError(
            f"contributions have shape {table.shape} and weights {share.shape}: they are "
            f"({', '.join(axes)}) and one weight for each unit."
        )
    if not np.isfinite(table).all() or not np.isfinite(share).all():
        raise ValueError("contributions and weights are finite numbers.")
    return table, share


def _crossed_pair(cells: Floats, share: Floats, level: float) -> tuple[float, float, float, float]:
    """Difference, ends of its interval and p of one pair, from its units by seeds."""
    from scipy.special import stdtr

    units = len(cells)
    difference = float(cells.sum(axis=0).mean())
    table = difference + units * (cells - difference * share[:, None])
    found = orders_interval(table, level)
    if found.low is None or found.high is None or found.degrees is None:
        return difference, -math.inf, math.inf, 1.0
    if not found.variance:  # every unit differs alike, as in one way of swapping labels
        least = 2.0 ** (1 - units) if difference else 1.0
        known = not difference or least < 1 - level
        ends = (difference, difference) if known else (-math.inf, math.inf)
        return difference, *ends, least
    statistic = abs(difference) / math.sqrt(found.variance)
    return difference, found.low, found.high, float(2 * stdtr(found.degrees, -statistic))


def _pairs(
    table: Floats, rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> tuple[Floats, Floats]:
    """The difference of each pair, and the sum of its squared differences over units.

    What is zero but for rounding, judged by the two methods of the pair alone, is zero.
    """
    import numpy as np

    differences, squares = np.empty(len(rows)), np.empty(len(rows))
    step = max(1, _CHUNK // len(table))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        one, other = table[:, rows[part]], table[:, columns[part]]
        change = one - other
        differences[part] = change.sum(axis=0)
        squares[part] = (change**2).sum(axis=0)
        size = ((np.abs(one) + np.abs(other)) ** 2).sum(axis=0)
        same = squares[part] <= _ROUNDING**2 * size
        differences[part][same] = 0.0
        squares[part][same] = 0.0
    return differences, squares


def _ranks(
    methods: int,
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    differences: Floats,
    found: NDArray[np.bool_],
) -> tuple[tuple[int, int], ...]:
    """Best and worst rank of each method from the pairs that are told apart."""
    import numpy as np

    better = np.zeros((methods, methods), dtype=bool)
    better[rows[found], columns[found]] = differences[found] > 0
    better[columns[found], rows[found]] = differences[found] < 0
    best, worst = 1 + better.sum(axis=0), methods - better.sum(axis=1)
    return tuple(zip(best.tolist(), worst.tolist(), strict=True))


def _as_pairs(
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    differences: Floats,
    lows: Floats,
    highs: Floats,
    p: Floats,
) -> tuple[PairDifference, ...]:
    return tuple(
        PairDifference(int(i), int(j), float(d), _bounded(low), _bounded(high), float(chance))
        for i, j, d, low, high, chance in zip(
            rows, columns, differences, lows, highs, p, strict=True
        )
    )


def _largest(
    table: Floats,
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    inverse: Floats,
    count: int,
    seed: int,
    *,
    exact: bool,
) -> Floats:
    """The largest statistic over all pairs, for each flip; enumerated flips hold the identity."""
    import numpy as np

    units = len(table)
    total = 2 ** (units - 1) if exact else count
    if not len(rows):
        return np.zeros(total)
    random = np.random.default_rng(seed)
    found = np.empty(total)
    step = max(1, _CHUNK // max(units, len(rows)))
    for start in range(0, total, step):
        size = min(step, total - start)
        if exact:
            codes = np.arange(start, start + size)[:, None]
            bits = (codes >> np.arange(units)[None, :]) & 1  # the last unit is never flipped
        else:
            bits = random.integers(0, 2, (size, units))
        sums = (1.0 - 2.0 * bits) @ table
        statistics = sums[:, rows]
        statistics -= sums[:, columns]
        np.abs(statistics, out=statistics)
        statistics *= inverse
        found[start : start + size] = statistics.max(axis=1)
    return found


def _critical(largest: Floats, alpha: float, *, exact: bool) -> float:
    """The smallest statistic that is significant; infinite where none can be.

    A statistic is significant if fewer than alpha of all flips reach it.
    """
    total = len(largest) + (not exact)
    allowed = math.ceil(alpha * total) - 1 - (not exact)  # flips that may reach it, itself included
    if allowed < int(exact):
        return math.inf
    return float(largest[-allowed - 1]) if allowed < len(largest) else 0.0


def _intervals(
    table: Floats,
    share: Floats,
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    differences: Floats,
    squares: Floats,
    critical: float,
) -> tuple[Floats, Floats]:
    """Shifts at which a pair's own statistic stays within the critical value.

    ``(D - x)**2 <= u**2 * sum((d_g - w_g x)**2)`` is quadratic in the shift x.
    """
    import numpy as np

    unbounded = np.full(len(rows), np.inf)
    if not math.isfinite(critical):
        return -unbounded, unbounded
    u = critical**2 * (1 + 2 * _NOISE)
    weighted = share @ table
    crossed = weighted[rows] - weighted[columns]  # sum of w_g d_g
    a = 1 - u * float(share @ share)
    b = -2 * differences + 2 * u * crossed
    c = differences**2 - u * squares
    root = np.sqrt(np.maximum(b**2 - 4 * a * c, 0.0))
    if a > 0:
        lows, highs = (-b - root) / (2 * a), (-b + root) / (2 * a)
        return np.minimum(lows, differences), np.maximum(highs, differences)
    # Units of very unequal size: large shifts are never rejected, so an interval has one end or
    # none. Only where 0 is rejected is there a gap, between 0 and the difference.
    if a == 0:
        return -unbounded, unbounded
    left, right = (-b + root) / (2 * a), (-b - root) / (2 * a)
    rejected = c > 0
    lows = np.where(rejected & (differences > 0), np.minimum(right, differences), -np.inf)
    highs = np.where(rejected & (differences < 0), np.maximum(left, differences), np.inf)
    return lows, highs


def _bounded(value: float) -> float | None:
    return float(value) + 0.0 if math.isfinite(value) else None
