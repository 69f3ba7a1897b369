"""Whether a memory helps more where it shows what is more similar.

The similarity of an item is the mean similarity of the entries that it was shown; its gain is the
method's score minus the baseline's. Evo-Memory (arXiv 2511.20857, Fig. 4) relates data sets by
another figure: the mean cosine distance of their tasks to the data set's centroid, of which text
and axis disagree whether large means alike. What stands here is not that figure.
"""

from __future__ import annotations

import itertools
import math
import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.statistics import MeanEstimate, compare_paired
from harness_leaderboards.boards import Board
from harness_leaderboards.gains import Pair, pair
from harness_leaderboards.measures import LEVEL, mean
from harness_leaderboards.model import Sample, Setting
from harness_leaderboards.streams.estimates import change_of, samples_of
from harness_leaderboards.streams.settings import FLIPS, INHERITED, Groups, options_of

FEWEST_SUBSETS = 3
_EXACT = 8
_PERMUTATIONS = 20_000


@dataclass(frozen=True)
class Likeness:
    """One method.

    Attributes:
        items: paired items that were shown something with a similarity.
        without: paired items that were not.
        thirds: mean gain of the least, the middle and the most similar third; None of no item.
        correlation: Pearson's r of similarity and gain over items; None where one never varies.
        p: two-sided, from swapping signs of whole streams' contributions to the covariance.
    """

    method: str
    items: int
    without: int
    thirds: tuple[MeanEstimate | None, MeanEstimate | None, MeanEstimate | None]
    correlation: float | None
    p: float | None


@dataclass(frozen=True)
class SubsetLikeness:
    """One method over data sets: their mean similarity and mean gain.

    Attributes:
        setting: what the subsets have in common; what belongs to one is empty.
        p: two-sided, from permuting the gains over the subsets.
    """

    setting: Setting
    method: str
    points: tuple[tuple[str, float, float], ...]
    correlation: float
    p: float


def likenesses(
    samples: Mapping[str, Sequence[Sample]], pairs: Mapping[str, Sequence[Pair]]
) -> tuple[Likeness, ...]:
    """Every method of a section that reports similarities.

    Args:
        samples: of each method, by label.
        pairs: of each method with the baseline.
    """
    found = (_likeness(name, samples[name], own) for name, own in pairs.items())
    return tuple(one for one in found if one is not None)


def over_subsets(board: Board, groups: Groups) -> tuple[SubsetLikeness, ...]:
    """Every method with similarities and gains on at least three data sets."""
    points = dict[tuple[Setting, str], dict[str, list[tuple[float, float]]]]()
    subsets = dict[Setting, set[str]]()
    plain = [one for one in groups if not options_of(one).keys() & {*FLIPS, *INHERITED}]
    for setting in plain:
        subsets.setdefault(_common(setting), set()).add(setting.subset)
    for setting in plain:
        key, methods = _common(setting), groups[setting]
        if len(subsets[key]) < FEWEST_SUBSETS:
            continue
        baseline = samples_of(methods.get(board.baseline, ()))
        for name, runs in methods.items():
            rows = samples_of(runs)
            found = _measured(rows, pair(baseline, rows).pairs)[0]
            if found:
                place = points.setdefault((key, name), {}).setdefault(setting.subset, [])
                gains = [one.after - one.before for one, _ in found]
                place.append((statistics.fmean(x for _, x in found), statistics.fmean(gains)))
    told = list[SubsetLikeness]()
    for (key, name), found in points.items():
        means = tuple(
            (subset, statistics.fmean(x for x, _ in ends), statistics.fmean(y for _, y in ends))
            for subset, ends in sorted(found.items())
        )
        r = _pearson([x for _, x, _ in means], [y for _, _, y in means])
        if len(means) >= FEWEST_SUBSETS and r is not None:
            p = _permuted([x for _, x, _ in means], [y for _, _, y in means])
            told.append(SubsetLikeness(key, name, means, r, p))
    return tuple(told)


def _common(setting: Setting) -> Setting:
    texts = ("task_version", "subset", "content_hash", "task_options", "model")
    return replace(setting, **dict.fromkeys(texts, ""), sample_limit=None, data_seed=0)


def _likeness(method: str, rows: Sequence[Sample], pairs: Sequence[Pair]) -> Likeness | None:
    found, without = _measured(rows, pairs)
    if not found:
        return None
    ranked = sorted(found, key=lambda one: (one[1], one[0].sample_id))
    ends = [round(len(ranked) * part / 3) for part in range(4)]
    first, middle, last = (
        change_of(one for one, _ in ranked[low:high]) for low, high in itertools.pairwise(ends)
    )
    xs = [x for _, x in found]
    ys = [one.after - one.before for one, _ in found]
    r = _pearson(xs, ys)
    return Likeness(
        method=method,
        items=len(found),
        without=without,
        thirds=(first, middle, last),
        correlation=r,
        p=None if r is None else _by_stream(xs, ys, [one.stream_id for one, _ in found]),
    )


def _measured(
    rows: Sequence[Sample], pairs: Sequence[Pair]
) -> tuple[list[tuple[Pair, float]], int]:
    """The paired items with their similarity, and how many have none."""
    known = dict[str, list[float]]()
    for one in rows:
        if "similarity" in one.metrics:
            known.setdefault(one.sample_id, []).append(one.metrics["similarity"])
    found = [(one, mean(known[one.sample_id]) or 0.0) for one in pairs if one.sample_id in known]
    return found, len(pairs) - len(found)


def _pearson(xs: Sequence[float], ys: Sequence[float]) -> float | None:
    """Pearson's correlation; None where one of the two never varies."""
    if len(xs) < 3 or max(xs) - min(xs) < 1e-12 or max(ys) - min(ys) < 1e-12:
        return None
    return statistics.correlation(xs, ys)


def _by_stream(xs: Sequence[float], ys: Sequence[float], streams: Sequence[str]) -> float:
    """Two-sided p of no covariance, with the stream as the unit."""
    x, y = statistics.fmean(xs), statistics.fmean(ys)
    products = [(a - x) * (b - y) for a, b in zip(xs, ys, strict=True)]
    return compare_paired([0.0] * len(products), products, streams, level=LEVEL).p


def _permuted(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Share of permutations whose covariance is as large; of many a fixed sample of them."""
    x, y = statistics.fmean(xs), statistics.fmean(ys)

    def size(order: Sequence[float]) -> float:
        return abs(math.fsum((a - x) * (b - y) for a, b in zip(xs, order, strict=True)))

    observed = size(ys) * (1 - 1e-12)
    if len(ys) <= _EXACT:
        orders = list(itertools.permutations(ys))
        return sum(size(one) >= observed for one in orders) / len(orders)
    generator = random.Random(0)
    hits = sum(size(generator.sample(list(ys), len(ys))) >= observed for _ in range(_PERMUTATIONS))
    return (hits + 1) / (_PERMUTATIONS + 1)
