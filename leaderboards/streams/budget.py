"""What the baseline could do with the tokens that a method spends.

A memory costs tokens: to look up, to write, and in the longer prompts. For the tokens of one item
of the method, the baseline could draw ``n = floor(tokens / baseline's tokens)`` answers. Its
expected score with them comes from its runs with other sample seeds, N answers to each item:

- majority vote: the expectation over all draws of n of the N answers (ties are split evenly; an
  answer that could not be read casts no vote); self-consistency, arXiv 2203.11171;
- best of n: an upper bound that needs an oracle, the unbiased estimate of the expected maximum,
  for 0/1 scores pass@n, ``1 - C(N - c, n) / C(N, n)`` with c right ones (arXiv 2107.03374, eq. 1).
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from harness.statistics import MeanEstimate
from harness_leaderboards.boards import Board
from harness_leaderboards.gains import Pair
from harness_leaderboards.measures import mean, ratio
from harness_leaderboards.model import Sample
from harness_leaderboards.streams.estimates import estimate

MEMORY_PHASES = ("retrieve", "evolve", "judge")
"""Phases whose tokens are the memory's own; those of act and think are the agent's."""

_EXACT = 20_000
_DRAWS = 2_000

Profile = tuple[tuple[int, float, bool], ...]
"""The different answers to an item: how often it was given, its score, whether it was read."""


@dataclass(frozen=True)
class Budget:
    """One method beside the baseline at its tokens.

    Attributes:
        items: paired items.
        tokens: of the method, read and written, for one of these items.
        baseline_tokens: the same of the baseline.
        memory_share: share of the method's tokens that its memory asked for by itself.
        draws: answers that the baseline could draw for them; 0 if the method costs less than one.
        seeds: answers that the baseline has for every item.
        vote: expected score of its majority vote; None for the reason in `no_vote`.
        best: expected score of its best; None for the reason in `no_best`.
        difference: method minus vote, paired by item.
    """

    method: str
    items: int
    tokens: float
    baseline_tokens: float
    memory_share: float | None
    draws: int
    seeds: int
    vote: MeanEstimate | None
    best: MeanEstimate | None
    difference: MeanEstimate | None
    no_vote: str
    no_best: str


def budgets(
    board: Board, samples: Mapping[str, Sequence[Sample]], pairs: Mapping[str, Sequence[Pair]]
) -> tuple[Budget, ...]:
    """Every method of a section that costs tokens, against the baseline's on the same items.

    Args:
        board: says which method is the baseline.
        samples: of each method, by label.
        pairs: of each other method with the baseline.
    """
    baseline = samples.get(board.baseline, ())
    found = (_budget(board, name, samples[name], baseline, own) for name, own in pairs.items())
    return tuple(one for one in found if one is not None)


def _budget(
    board: Board,
    method: str,
    rows: Sequence[Sample],
    baseline: Sequence[Sample],
    paired: Sequence[Pair],
) -> Budget | None:
    pairs = {one.sample_id: one for one in paired}
    own = [one for one in rows if one.sample_id in pairs]
    # A second meeting of an item in a repeated order is no answer with another seed.
    other = [one for one in baseline if one.sample_id in pairs and one.repeat == 0]
    tokens, cost = mean(map(_tokens, own)), mean(map(_tokens, other))
    if not tokens or not cost:
        return None
    answers = dict[str, list[Sample]]()
    for one in other:
        answers.setdefault(one.sample_id, []).append(one)
    draws = int(tokens / cost + 1e-9)
    seeds = min(map(len, answers.values()))
    no_best = _lacking(draws, seeds)
    no_vote = no_best or _no_vote(other)
    votes, bests = dict[str, float](), dict[str, float]()
    for item, given in answers.items():
        if not no_vote:
            votes[item] = majority(_profile(given), draws)
        if not no_best:
            values = [one.value for one in given if one.value is not None]
            bests[item] = best_of(values, draws, higher_is_better=board.higher_is_better)
    return Budget(
        method=method,
        items=len(pairs),
        tokens=tokens,
        baseline_tokens=cost,
        memory_share=ratio(sum(map(_memory_tokens, own)), sum(map(_tokens, own))),
        draws=draws,
        seeds=seeds,
        vote=_mean(pairs, votes),
        best=_mean(pairs, bests),
        difference=_mean(pairs, {item: pairs[item].after - votes[item] for item in votes}),
        no_vote=no_vote,
        no_best=no_best,
    )


def _lacking(draws: int, seeds: int) -> str:
    if draws < 1:
        return "costs less than one answer"
    return "" if seeds >= draws else f"needs {draws} seeds, has {seeds}"


def _no_vote(baseline: Sequence[Sample]) -> str:
    if any(one.metrics.get("steps", 1.0) > 1 for one in baseline):
        return "several turns"
    return "" if any(one.answer for one in baseline) else "no answers recorded"


def majority(answers: Profile, draws: int) -> float:
    """Expected score of the majority vote over draws without replacement.

    Args:
        answers: the different answers to an item.
        draws: at most as many as there are answers in all.
    """
    return _majority(tuple(sorted(answers)), draws)


@lru_cache(maxsize=4096)
def _majority(answers: Profile, draws: int) -> float:
    counts = [count for count, _, _ in answers]
    ways = math.comb(sum(counts), draws)
    if ways <= _EXACT:
        return math.fsum(
            math.prod(map(math.comb, counts, taken)) / ways * _outcome(answers, taken)
            for taken in _selections(counts, draws)
        )
    generator = random.Random(0)
    places = [place for place, count in enumerate(counts) for _ in range(count)]
    total = 0.0
    for _ in range(_DRAWS):
        taken = Counter(generator.sample(places, draws))
        total += _outcome(answers, [taken[place] for place in range(len(counts))])
    return total / _DRAWS


def _selections(counts: Sequence[int], draws: int) -> Iterator[tuple[int, ...]]:
    """All ways to take so many of so many kinds."""
    if not counts:
        if draws == 0:
            yield ()
        return
    for first in range(min(counts[0], draws) + 1):
        for rest in _selections(counts[1:], draws - first):
            yield (first, *rest)


def _outcome(answers: Profile, taken: Sequence[int]) -> float:
    """Mean score of the answers that were given most often; of all where none was read."""
    given = [(n, score) for n, (_, score, read) in zip(taken, answers, strict=True) if n and read]
    if not given:
        return math.fsum(n * one[1] for n, one in zip(taken, answers, strict=True)) / sum(taken)
    most = max(n for n, _ in given)
    winners = [score for n, score in given if n == most]
    return math.fsum(winners) / len(winners)


def best_of(values: Sequence[float], draws: int, *, higher_is_better: bool = True) -> float:
    """Expected best of draws without replacement.

    Args:
        values: scores of an item's N answers.
        draws: n, at most N.
        higher_is_better: direction of the score.
    """
    ranked = sorted(values, reverse=not higher_is_better)
    ways = math.comb(len(ranked), draws)
    return math.fsum(
        value * math.comb(place, draws - 1) / ways for place, value in enumerate(ranked)
    )


def _profile(samples: Sequence[Sample]) -> Profile:
    """Equal answers together; all that could not be read are one kind."""
    kinds = dict[str, list[float]]()
    for one in samples:
        kinds.setdefault(one.answer, []).append(one.value or 0.0)
    return tuple(
        (len(scores), math.fsum(scores) / len(scores), answer != "")
        for answer, scores in kinds.items()
    )


def _mean(pairs: Mapping[str, Pair], values: Mapping[str, float]) -> MeanEstimate | None:
    return estimate((pairs[item].stream_id, value) for item, value in values.items())


def _tokens(sample: Sample) -> float:
    return float(sample.input_tokens + sample.output_tokens)


def _memory_tokens(sample: Sample) -> float:
    return math.fsum(
        sample.metrics.get(f"{side}_tokens_{phase}", 0.0)
        for side in ("input", "output")
        for phase in MEMORY_PHASES
    )
