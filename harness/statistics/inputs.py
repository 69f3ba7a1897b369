"""What every statistic asks of its input: finite scores, a label for each item, a level.

Iterables of numbers and labels come in, numpy arrays go out; anything else is a ``ValueError``
that says what is wrong in one sentence.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Codes: TypeAlias = NDArray[np.int64]


def finite_scores(scores: Iterable[float], name: str = "scores") -> Floats:
    """Read scores into an array.

    Args:
        scores: at least one finite number.
        name: what the error message calls them.

    Returns:
        The scores, shape ``(n,)``.

    Raises:
        ValueError: there is no score, or one is NaN or infinite.
    """
    import numpy as np

    array = np.fromiter(scores, dtype=np.float64)
    if array.size == 0:
        raise ValueError(f"{name} are empty: at least one item is needed.")
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise ValueError(
            f"{name} are not all finite: item {bad[0]} is {array[bad[0]]}; "
            "leave missing items out (of both runs), or score them as failures, beforehand."
        )
    return array


def cluster_codes(clusters: Iterable[Hashable], n: int) -> Codes:
    """Number the clusters 0, 1, ... in the order in which they first appear.

    Args:
        clusters: the label of each item's cluster.
        n: number of items expected.

    Returns:
        The number of each item's cluster, shape ``(n,)``.

    Raises:
        ValueError: there are not ``n`` labels, or one is None or NaN (items without a label
            would silently count as independent, or as one cluster).
    """
    import numpy as np

    numbers: dict[Hashable, int] = {}
    codes: list[int] = []
    for label in clusters:
        if label is None or label != label:  # only NaN differs from itself
            raise ValueError(f"item {len(codes)} has no cluster label: {label}.")
        codes.append(numbers.setdefault(label, len(numbers)))
    if len(codes) != n:
        raise ValueError(f"{n} scores but {len(codes)} cluster labels: one label for each item.")
    return np.array(codes, dtype=np.int64)


def item_weights(weights: Iterable[float] | None, n: int) -> Floats:
    """Read what each item weighs.

    Args:
        weights: a positive number for each item; None: all weigh the same.
        n: number of items expected.

    Returns:
        The weights, shape ``(n,)``, 1 each if none are given.

    Raises:
        ValueError: there are not ``n`` weights, or one is not finite and positive.
    """
    import numpy as np

    if weights is None:
        return np.ones(n)
    array = finite_scores(weights, "weights")
    if array.size != n:
        raise ValueError(f"{n} items but {array.size} weights: one weight for each item.")
    if (array <= 0).any():
        raise ValueError("weights are positive: leave items that weigh nothing out.")
    return array


def error_rate(level: float) -> float:
    """Turn a confidence level into the error rate of the test that agrees with it.

    Args:
        level: probability in (0, 1), such as 0.95.

    Returns:
        ``1 - level`` without the rounding error of the subtraction (0.05, not 0.0500...04), so
        that a p of exactly 0.05 is not below it.

    Raises:
        ValueError: the level is not strictly between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"the confidence level must lie between 0 and 1, not be {level}.")
    return round(1 - level, 12) or 1 - level
