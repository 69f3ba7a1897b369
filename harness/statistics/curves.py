"""Descriptions of one series of scores: learning curves, trend, spread over repetitions.

A series comes in, plain floats go out; there is no inference here. Source of the curves:
Evo-Memory (arXiv 2511.20857), which plots averages over a fixed sequence of tasks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True)
class Spread:
    """How a figure varies over repetitions (orders, seeds), in the unit of the figure.

    Attributes:
        mean: mean of the values.
        sd: sample standard deviation (divisor ``n - 1``); None for a single value.
        minimum: smallest value.
        maximum: largest value.
        n: number of values.
    """

    mean: float
    sd: float | None
    minimum: float
    maximum: float
    n: int


def cumulative(scores: Iterable[float]) -> list[float]:
    """Mean of the first 1, 2, ..., n scores.

    Args:
        scores: scores in the order of the stream.

    Returns:
        ``c[t] = (y[0] + ... + y[t]) / (t + 1)``, as long as the input.
    """
    return [total / count for count, total in enumerate(accumulate(map(float, scores)), start=1)]


def rolling(scores: Iterable[float], window: int) -> list[float]:
    """Mean over each full window of consecutive scores.

    Args:
        scores: scores in the order of the stream.
        window: number of scores in a window, at least 1.

    Returns:
        ``r[t] = (y[t] + ... + y[t + window - 1]) / window``, ``n - window + 1`` values; none if
        the series is shorter than the window.

    Raises:
        ValueError: the window is smaller than 1.
    """
    if window < 1:
        raise ValueError(f"a rolling window holds at least one score, not {window}.")
    values = [float(score) for score in scores]
    return [
        math.fsum(values[start : start + window]) / window
        for start in range(len(values) - window + 1)
    ]


def slope(values: Iterable[float]) -> float:
    """Least-squares slope of a series against its position.

    Args:
        values: at least two values in the order of the stream.

    Returns:
        ``sum((t - mean(t)) * (y - mean(y))) / sum((t - mean(t))**2)`` with ``t = 0, 1, ...``:
        change in the unit of the values per step.

    Raises:
        ValueError: there are fewer than two values.
    """
    series = [float(value) for value in values]
    n = len(series)
    if n < 2:
        raise ValueError(f"a slope needs at least two values, not {n}.")
    middle = (n - 1) / 2
    mean = math.fsum(series) / n
    covariation = math.fsum((step - middle) * (y - mean) for step, y in enumerate(series))
    return covariation / math.fsum((step - middle) ** 2 for step in range(n))


def spread(values: Iterable[float]) -> Spread:
    """Describe how a figure varies over repetitions.

    Args:
        values: the figure of each repetition, at least one.

    Returns:
        Mean, sample standard deviation and range.

    Raises:
        ValueError: there is no value.
    """
    series = [float(value) for value in values]
    n = len(series)
    if not n:
        raise ValueError("values are empty: a spread needs at least one repetition.")
    mean = math.fsum(series) / n
    sd = math.sqrt(math.fsum((y - mean) ** 2 for y in series) / (n - 1)) if n > 1 else None
    return Spread(mean=mean, sd=sd, minimum=min(series), maximum=max(series), n=n)
