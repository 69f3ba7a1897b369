"""From tests to verdicts: one test over each task first, then its subsets in a gate.

Holm's method corrects over the comparisons of a report, and then over the subsets of a task. A
subset's adjusted p is at least its task's, so that nothing is said of subsets of a task whose own
test did not reject.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.statistics import Verdict, attainable_level, detectable_effect, holm, verdict
from harness_leaderboards.comparing.model import Allow, Policy, Rules
from harness_leaderboards.comparing.testing import Tested

_ROUNDING = 1e-9
"""A loss smaller than this share of the scores is rounding."""


@dataclass(frozen=True)
class Decision:
    """What is concluded from a test.

    Attributes:
        verdict: the conclusion.
        adjusted_p: None where nothing was tested.
        smallest_p: smallest adjusted p that could have been attained, None likewise.
        detectable: size of the smallest loss found with 80 % power; None: none is.
        reason: why it is no better verdict, in words.
    """

    verdict: Verdict
    adjusted_p: float | None
    smallest_p: float | None
    detectable: float | None
    reason: str = ""


@dataclass(frozen=True)
class Case:
    """A test with what else decides about it."""

    tested: Tested | None
    missing: int
    same_runs: bool
    min_effect: float


def decide_tasks(cases: Sequence[Case], rules: Rules) -> list[Decision]:
    """Decide about the comparisons of a report together."""
    adjusted = holm([_p(case) for case in cases])
    family = sum(p is not None for p in adjusted)
    return [_decide(case, p, family, rules) for case, p in zip(cases, adjusted, strict=True)]


def decide_subsets(
    cases: Mapping[str, Case], gate: float | None, rules: Rules
) -> dict[str, Decision]:
    """Decide about the subsets of a task whose adjusted p is `gate`."""
    adjusted = holm([_p(case) for case in cases.values()])
    family = sum(p is not None for p in adjusted)
    found = dict[str, Decision]()
    for (name, case), p in zip(cases.items(), adjusted, strict=True):
        gated = None if p is None else max(p, 1.0 if gate is None else gate)
        found[name] = _decide(case, gated, family, rules)
    return found


def overall(tasks: Iterable[Verdict], subsets: Iterable[Verdict]) -> Verdict:
    """The verdict of a report: the worst that it holds; subsets alone are never inconclusive."""
    found = [*tasks]
    if Verdict.REGRESSED in found or Verdict.REGRESSED in [*subsets]:
        return Verdict.REGRESSED
    if Verdict.INCONCLUSIVE in found or not found:
        return Verdict.INCONCLUSIVE
    return Verdict.IMPROVED if Verdict.IMPROVED in found else Verdict.NOT_WORSE


def _p(case: Case) -> float | None:
    """The p that is corrected: at least the smallest that the clusters can attain."""
    if case.tested is None:
        return None
    return max(case.tested.comparison.p, min(1.0, case.tested.comparison.smallest_p))


def _decide(case: Case, p: float | None, family: int, rules: Rules) -> Decision:
    missing = 0 if Allow.MISSING in rules.allow else case.missing
    if case.tested is None or p is None:
        if missing and rules.policy is Policy.STRICT:
            return Decision(Verdict.REGRESSED, None, None, None, _missing(missing))
        why = _missing(missing) if missing else "no item could be paired"
        return Decision(Verdict.INCONCLUSIVE, None, None, None, why)
    found, reason = _verdict(case, case.tested, p, family, rules)
    if missing and found is not Verdict.REGRESSED:
        worst = Verdict.REGRESSED if rules.policy is Policy.STRICT else Verdict.INCONCLUSIVE
        found, reason = worst, _missing(missing)
    smallest = min(1.0, family * case.tested.comparison.smallest_p)
    return Decision(found, p, smallest, _detectable(case, case.tested, family, rules), reason)


def _missing(count: int) -> str:
    return f"{count} items of the baseline are missing; --allow missing accepts that"


def _verdict(
    case: Case, tested: Tested, p: float, family: int, rules: Rules
) -> tuple[Verdict, str]:
    comparison = tested.comparison
    if case.same_runs:
        return Verdict.NOT_WORSE, "the same runs on both sides"
    if rules.policy is Policy.STRICT:
        size = _ROUNDING * (abs(comparison.baseline) + abs(comparison.candidate))
        if comparison.difference < -size:
            return Verdict.REGRESSED, "a loss, and the policy is strict"
        gained = comparison.difference > size
        return (Verdict.IMPROVED if gained else Verdict.NOT_WORSE), ""
    if tested.undecided:
        return Verdict.INCONCLUSIVE, tested.undecided
    found = verdict(
        *(comparison, p, rules.alpha, case.min_effect, family),
        largest_change=tested.largest_change or 1.0,
    )
    return found, _reason(found, comparison.clusters, comparison.smallest_p * family, rules)


def _reason(found: Verdict, clusters: int, smallest: float, rules: Rules) -> str:
    """Why a verdict is inconclusive."""
    if found is not Verdict.INCONCLUSIVE:
        return ""
    if smallest >= rules.alpha:
        many = "unit" if clusters == 1 else "units"
        return (
            f"{clusters} independent {many} cannot decide: the smallest adjusted p is "
            f"{min(1.0, smallest):.3g}"
        )
    return "a loss that matters can be neither shown nor excluded"


def _detectable(case: Case, tested: Tested, family: int, rules: Rules) -> float | None:
    if tested.spread is None or tested.undecided or rules.policy is Policy.STRICT:
        return None
    level = attainable_level(rules.alpha, family, tested.clusters)
    if level is None:
        return None
    spread, largest = tested.spread, tested.largest_change
    if not spread.standard_error and not largest:
        largest = 1.0
    most = tested.can_lose or largest or math.inf
    return detectable_effect(spread, level, case.min_effect, all_or_nothing=largest, can_lose=most)
