"""What a regression report holds: plain values, frozen; nothing here computes or prints.

Differences are candidate minus baseline in the metric's own unit and direction.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from harness.statistics import Verdict


class Policy(StrEnum):
    """What counts as a regression."""

    SIGNIFICANT = "significant"
    """A loss that is significant and beyond the smallest that matters."""
    STRICT = "strict"
    """Any loss beyond rounding, and any missing item: for pipelines that repeat exactly."""


class Allow(StrEnum):
    """What a user may declare to be no obstacle."""

    TASK_VERSION = "task_version"
    DATA = "data"
    MISSING = "missing"


@dataclass(frozen=True)
class Rules:
    """How a comparison is decided.

    Attributes:
        alpha: error rate of all decisions of the report together.
        min_effect: smallest difference that matters; None: the board's or the task's.
        policy: what counts as a regression.
        allow: what is no obstacle.
        permutations: most label swaps of a test; None: as many as take about a second.
        seed: of everything drawn.
        flips: changed samples that are listed for each comparison.
    """

    alpha: float = 0.05
    min_effect: float | None = None
    policy: Policy = Policy.SIGNIFICANT
    allow: frozenset[Allow] = frozenset()
    permutations: int | None = None
    seed: int = 0
    flips: int = 200


@dataclass(frozen=True)
class Figures:
    """The comparison over a task, or over one of its subsets.

    Attributes:
        name: of the subset; empty for the whole task.
        n: items that were paired.
        clusters: independent clusters they come from (seeds, where those are the units).
        baseline: the metric; failed samples count with the worst score.
        candidate: the same of the candidate.
        difference: candidate minus baseline.
        low: lower end of the interval; None where it cannot be had.
        high: upper end.
        p: two-sided; None where nothing could be tested.
        adjusted_p: after the corrections.
        smallest_p: smallest adjusted p that could have been attained.
        detectable: size of the smallest loss that is found with 80 % power; None: none is.
        better: items on which the candidate is better.
        same: items on which both are the same.
        worse: items on which it is worse.
        fixed: items wrong before and right now; None where scores are not between 0 and 1.
        broken: items right before and wrong now.
        missing: items that the baseline has and the candidate lacks.
        baseline_ok: the metric of the baseline with failed samples left out.
        candidate_ok: the same of the candidate.
        test: the test behind p, in words.
        verdict: what this shows.
        reason: why the verdict is not a better one, in words; may be empty.
    """

    name: str
    n: int
    clusters: int
    baseline: float | None
    candidate: float | None
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    adjusted_p: float | None
    smallest_p: float | None
    detectable: float | None
    better: int
    same: int
    worse: int
    fixed: int | None
    broken: int | None
    missing: int
    baseline_ok: float | None
    candidate_ok: float | None
    test: str
    verdict: Verdict
    reason: str


@dataclass(frozen=True)
class Difference:
    """Something in which compared runs differ.

    Attributes:
        name: of what.
        baseline: its values on the baseline.
        candidate: its values on the candidate.
        pairs: in how many pairs of runs.
    """

    name: str
    baseline: str
    candidate: str
    pairs: int


@dataclass(frozen=True)
class Change:
    """A sample whose score changed."""

    subset: str
    sample_id: str
    column: str
    """The order, and the seed of a training."""
    baseline: float
    candidate: float
    baseline_run: str
    candidate_run: str


@dataclass(frozen=True)
class Ratio:
    """A performance figure: medians per sample and their ratio.

    Attributes:
        name: of the figure.
        baseline: median of the baseline.
        candidate: median of the candidate.
        ratio: candidate over baseline; None where it says nothing.
        why_not: why there is no ratio.
    """

    name: str
    baseline: float | None
    candidate: float | None
    ratio: float | None
    why_not: str = ""


@dataclass(frozen=True)
class Comparison:
    """A method compared on a task, in one setting.

    Attributes:
        task: its name.
        baseline_method: label of the baseline's method.
        candidate_method: label of the candidate's.
        setting: model and what else tells it from other comparisons of the task.
        metric: what is compared.
        higher_is_better: its direction.
        min_effect: smallest difference that matters.
        total: over all subsets.
        subsets: each of them.
        differences: in what else the compared runs differ.
        performance: tokens and time.
        changes: samples whose score changed, worst first.
        more_changes: how many of them are not listed.
        extra: items that only the candidate has.
        changed_content: items of equal id whose content differs: not comparable.
        left_out: items without a score on the baseline: not comparable.
        failed: failed samples of both sides.
        notes: what was left out, and what else a reader should know.
        baseline_runs: ids of the compared runs.
        candidate_runs: ids of the compared runs.
        candidate_results: folder of the candidate's runs.
    """

    task: str
    baseline_method: str
    candidate_method: str
    setting: str
    metric: str
    higher_is_better: bool
    min_effect: float
    total: Figures
    subsets: tuple[Figures, ...]
    differences: tuple[Difference, ...]
    performance: tuple[Ratio, ...]
    changes: tuple[Change, ...]
    more_changes: int
    extra: int
    changed_content: int
    left_out: int
    failed: tuple[int, int]
    notes: tuple[str, ...]
    baseline_runs: tuple[str, ...]
    candidate_runs: tuple[str, ...]
    candidate_results: str

    @property
    def method(self) -> str:
        """Its method, or both where they differ."""
        names = dict.fromkeys(n for n in (self.baseline_method, self.candidate_method) if n)
        return " -> ".join(names)

    @property
    def not_comparable(self) -> int:
        """Items that are on both sides, or only on the candidate's, and cannot be compared."""
        return self.extra + self.changed_content + self.left_out


@dataclass(frozen=True)
class Report:
    """A regression report.

    Attributes:
        verdict: of all.
        baseline: what the user typed.
        candidate: what the user typed.
        rules: how it was decided.
        comparisons: each method on each task.
        unfinished: runs that do not count, in sentences.
        problems: files that could not be read.
    """

    verdict: Verdict
    baseline: str
    candidate: str
    rules: Rules
    comparisons: tuple[Comparison, ...]
    unfinished: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Items better, same, worse, not comparable and missing, over all comparisons."""
        totals = [one.total for one in self.comparisons]
        return {
            "better": sum(one.better for one in totals),
            "same": sum(one.same for one in totals),
            "worse": sum(one.worse for one in totals),
            "not_comparable": sum(one.not_comparable for one in self.comparisons),
            "missing": sum(one.missing for one in totals),
        }
