"""Methods against the baseline of their section, on the same items.

Items are paired by id and only where their content hash is equal. The repeats of an item (several
sample seeds) are averaged first: they are not further items. The independent unit is the stream.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.statistics import PairedComparison, compare_paired, holm, slope, verdict
from harness_leaderboards.boards import Board
from harness_leaderboards.measures import LEVEL, mean
from harness_leaderboards.model import Gain, Sample

ALPHA = 0.05


@dataclass(frozen=True)
class Pair:
    """One item with the scores of both sides."""

    stream_id: str
    step: int
    sample_id: str
    before: float
    after: float


@dataclass(frozen=True)
class Pairs:
    """The items of two methods, and what could not be paired."""

    pairs: tuple[Pair, ...]
    left_out: int
    unmatched: int
    changed_content: int


def gains(
    board: Board, baseline: Sequence[Sample], methods: Mapping[str, Sequence[Sample]]
) -> dict[str, Gain | None]:
    """Compare every method with the baseline; Holm over those that can be compared.

    Returns:
        The gain of each method; None where no item could be paired.
    """
    found = gains_against(board, {board.baseline: baseline}, methods)
    return {method: gain for (method, _), gain in found.items()}


def gains_against(
    board: Board,
    references: Mapping[str, Sequence[Sample]],
    methods: Mapping[str, Sequence[Sample]],
) -> dict[tuple[str, str], Gain | None]:
    """Compare every method with every reference; Holm over all that can be compared.

    Returns:
        The gain of each method over each reference; None where no item could be paired.
    """
    paired = {
        (method, reference): pair(rows, samples)
        for method, samples in methods.items()
        for reference, rows in references.items()
    }
    compared = {key: _compare(board, found.pairs) for key, found in paired.items() if found.pairs}
    adjusted = dict(zip(compared, holm([one.p for one in compared.values()]), strict=True))
    result: dict[tuple[str, str], Gain | None] = dict.fromkeys(paired)
    for key, one in compared.items():
        adjusted_p = adjusted[key]
        if adjusted_p is not None:
            result[key] = _gain(board, one, adjusted_p, len(compared), paired[key])
    return result


def pair(baseline: Iterable[Sample], candidate: Iterable[Sample]) -> Pairs:
    """Pair two methods by item, in the order of the candidate's streams."""
    before, after = _by_item(baseline), _by_item(candidate)
    pairs = list[Pair]()
    left_out = changed = 0
    for sample_id in before.keys() & after.keys():
        mine, own = before[sample_id], after[sample_id]
        first = own[0]
        old, new = _score(mine), _score(own)
        if any(one.sample_hash != first.sample_hash for one in (*mine, *own)):
            changed += 1
        elif old is None or new is None:
            left_out += 1
        else:
            pairs.append(Pair(first.stream_id, first.step, sample_id, old, new))
    pairs.sort(key=lambda one: (one.stream_id, one.step, one.sample_id))
    return Pairs(tuple(pairs), left_out, len(before.keys() ^ after.keys()), changed)


def _by_item(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    items = dict[str, list[Sample]]()
    for one in samples:
        items.setdefault(one.sample_id, []).append(one)
    return items


def _score(repeats: Sequence[Sample]) -> float | None:
    """Mean over the repeats of an item; None if one of them has no score."""
    if len(repeats) == 1:
        return repeats[0].value
    values = list[float]()
    for one in repeats:
        if one.value is None:
            return None
        values.append(one.value)
    return mean(values)


def _compare(board: Board, pairs: Sequence[Pair]) -> PairedComparison:
    """The paired test, with the sign turned where lower is better."""
    sign = 1.0 if board.higher_is_better else -1.0
    return compare_paired(
        [sign * one.before for one in pairs],
        [sign * one.after for one in pairs],
        [one.stream_id for one in pairs],
        level=LEVEL,
    )


def _gain(
    board: Board, one: PairedComparison, adjusted_p: float, comparisons: int, found: Pairs
) -> Gain:
    difference, low, high = one.difference, one.low, one.high
    if not board.higher_is_better:
        difference, low, high = -difference + 0.0, _negated(one.high), _negated(one.low)
    first, last = thirds(found.pairs)
    return Gain(
        n=one.n,
        clusters=one.clusters,
        left_out=found.left_out,
        unmatched=found.unmatched,
        changed_content=found.changed_content,
        difference=difference,
        low=low,
        high=high,
        wins=one.wins,
        losses=one.losses,
        ties=one.ties,
        p=one.p,
        adjusted_p=adjusted_p,
        comparisons=comparisons,
        smallest_p=min(1.0, comparisons * one.smallest_p),
        test=one.test,
        verdict=verdict(
            one,
            adjusted_p,
            ALPHA,
            board.min_effect,
            comparisons,
            largest_change=_largest_change(board, found.pairs),
        ),
        slope=trend(found.pairs),
        first_third=first,
        last_third=last,
    )


def _largest_change(board: Board, pairs: Iterable[Pair]) -> float:
    """The range of scores, at least that of [0, 1]; wider where these or a failure's are."""
    values = [board.worst, *(value for one in pairs for value in (one.before, one.after))]
    return max(1.0, max(values) - min(values))


def trend(pairs: Iterable[Pair]) -> float | None:
    """Least-squares slope of the mean difference at each step that has pairs."""
    steps = dict[int, list[float]]()
    for one in pairs:
        steps.setdefault(one.step, []).append(one.after - one.before)
    if len(steps) < 2:
        return None
    return slope(math.fsum(steps[step]) / len(steps[step]) for step in sorted(steps))


def thirds(pairs: Iterable[Pair]) -> tuple[float | None, float | None]:
    """Mean difference in the first and in the last third of each stream's pairs."""
    streams = dict[str, list[Pair]]()
    for one in pairs:
        streams.setdefault(one.stream_id, []).append(one)
    first, last = list[float](), list[float]()
    for items in streams.values():
        third = len(items) // 3
        changes = [one.after - one.before for one in sorted(items, key=lambda one: one.step)]
        first += changes[:third]
        last += changes[len(changes) - third :]
    return mean(first), mean(last)


def _negated(value: float | None) -> float | None:
    return None if value is None else -value + 0.0
