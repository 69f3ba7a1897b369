"""``harness score arc-agi FILE_OR_FOLDER``: recorded submissions under the three scoring rules.

A submission comes in (see `harness.protocols.solve.submissions` for its forms), scores over all
expected tasks of a subset go out: a task that was not answered counts as unsolved, only K attempts
count, and a test input is scored once. Scores that were published with the submission stand beside
them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from harness.errors import UsageError
from harness.options import Options
from harness.protocols.solve import Problem
from harness.protocols.solve.rules import Rate, Rules, three_rules
from harness.protocols.solve.submissions import (
    Kind,
    Published,
    Submission,
    check,
    open_recorded,
)
from harness.scoring import ScoreInterval, Scorer, Scores
from harness_tasks.arc_agi import data
from harness_tasks.arc_agi.data import Subset
from harness_tasks.arc_agi.leakage import givers

_SAME = 1e-9
"""Published and computed scores of a task that differ by more are told."""

Solved = Mapping[str, Sequence[bool]]
"""For each expected task, whether each of its test inputs is solved."""


class ArcScoring(Options):
    """Options of the scorer."""

    subset: Subset = "1-evaluation"
    """The tasks that were to be solved: those that the submission lacks count as unsolved."""
    k: int = Field(default=2, ge=1)
    """K: attempts of a test input that count; --k is short for it."""
    fitted_on: tuple[Subset, ...] = ()
    """Subsets that the submission's author was fitted on: tells what they give away."""


class ArcScorer(Scorer):
    """The three rules, under K attempts and under the first alone."""

    Options: ClassVar[type[Options]] = ArcScoring
    takes_folders: ClassVar[bool] = True

    def score(self, files: Sequence[Path], reference: Path | None, options: Any) -> Scores:
        """Read a submission and score it."""
        if reference is not None:
            raise UsageError("arc-agi takes no --reference; the task knows the outputs.")
        chosen: ArcScoring = options
        recorded = open_recorded(files)
        problems = data.problems(chosen.subset)
        found = check(recorded, [one.puzzle for one in problems], chosen.k)
        solved = _solved(problems, found, chosen.k)
        rules, first = three_rules(solved), three_rules(_solved(problems, found, 1))
        leak = _leak(problems, chosen.fitted_on, solved)
        published = None
        if recorded.published is not None:
            published = _compare(recorded.published, solved)
        total = sum(map(len, solved.values()))
        return Scores(
            metrics={
                **{name: rate.share for name, rate in vars(rules).items()},
                **{f"{name}_first": rate.share for name, rate in vars(first).items()},
                "solved": rules.task_mean.solved,
            },
            n={
                **{name: rate.expected for name, rate in vars(rules).items()},
                **{f"{name}_first": rate.expected for name, rate in vars(first).items()},
                "solved": len(solved),
            },
            intervals={
                name: ScoreInterval(rate.low, rate.high, len(solved))
                for name, rate in vars(rules).items()
                if rate.low is not None and rate.high is not None
            },
            recorded=_recorded(recorded.published),
            notes=[
                *_notes(found, chosen, len(solved), total),
                *(() if published is None else published.notes()),
                *(() if leak is None else leak.notes(len(solved))),
            ],
            details={
                "k": chosen.k,
                "subset": chosen.subset,
                "n_expected": len(solved),
                **{name: _plain(rate) for name, rate in vars(rules).items()},
                "first": {name: _plain(rate) for name, rate in vars(first).items()},
                "malformed": [one.as_json() for one in found.flaws],
                "n_malformed": sum(found.counts.values()),
                "n_null_attempts": found.nulls,
                "n_beyond_k": found.beyond_k,
                "n_unanswered": sum(not one for every in found.answers.values() for one in every),
                "published": None if published is None else published.as_json(),
                "leaked": None if leak is None else leak.as_json(),
                "tasks": {name: sum(one) / len(one) for name, one in solved.items()},
            },
        )


def _solved(problems: Iterable[Problem], found: Submission, attempts: int) -> Solved:
    return {
        one.puzzle.puzzle_id: [
            any(tried.number <= attempts and tried.grid == gold for tried in tries)
            for tries, gold in zip(found.answers[one.puzzle.puzzle_id], one.answers, strict=True)
        ]
        for one in problems
    }


def _plain(rate: Rate) -> dict[str, Any]:
    """A rate as JSON values; the interval is of the percentage."""
    return {
        "solved": rate.solved,
        "percent": rate.percent,
        "expected": rate.expected,
        "low": None if rate.low is None else 100 * rate.low,
        "high": None if rate.high is None else 100 * rate.high,
    }


def _recorded(published: Published | None) -> dict[str, float]:
    if published is None or published.score is None:
        return {}
    found = {"solved": published.score}
    if published.total_tasks:
        found["task_mean"] = published.score / published.total_tasks
    return found


@dataclass(frozen=True)
class _Comparison:
    """Published scores beside computed ones.

    Attributes:
        published: what was published.
        equal: tasks whose scores agree.
        differing: published and computed score of the others.
        foreign: tasks with a published score that were not expected.
    """

    published: Published
    equal: int
    differing: Mapping[str, tuple[float, float]]
    foreign: int

    @property
    def total(self) -> float:
        """Sum of the published scores of tasks."""
        return math.fsum(self.published.tasks.values())

    def as_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "score": self.published.score,
            "total_tasks": self.published.total_tasks,
            "sum_of_tasks": self.total,
            "n_tasks": len(self.published.tasks),
            "n_equal": self.equal,
            "n_not_expected": self.foreign,
            "differing": [
                {"task": name, "published": one, "computed": other}
                for name, (one, other) in self.differing.items()
            ],
        }

    def notes(self) -> list[str]:
        """What of it a reader has to know."""
        said = list[str]()
        published, total = self.published.score, self.total
        if published is not None and self.published.tasks and abs(published - total) > _SAME:
            said.append(
                f"The published total {published:.10g} is not the sum of its own task scores, "
                f"{total:.10g}."
            )
        if self.published.tasks:
            count = len(self.differing)
            differ = f"{count} differ{'s' if count == 1 else ''}"
            why = "; they may count other attempts" if count else ""
            said.append(f"Published task scores: {self.equal} are equal to these, {differ}{why}.")
        return said


def _compare(published: Published, solved: Solved) -> _Comparison:
    differing = dict[str, tuple[float, float]]()
    common = [name for name in solved if name in published.tasks]
    for name in common:
        one, other = published.tasks[name], sum(solved[name]) / len(solved[name])
        if abs(one - other) > _SAME:
            differing[name] = (one, other)
    equal = len(common) - len(differing)
    return _Comparison(published, equal, differing, len(published.tasks) - len(common))


@dataclass(frozen=True)
class _Leak:
    """What a fit on other subsets gives away.

    Attributes:
        subsets: that were fitted on.
        tasks: ids of those whose answers they hold.
        rest: the score of the others; None where there is none.
    """

    subsets: tuple[Subset, ...]
    tasks: tuple[str, ...]
    rest: Rules | None

    def as_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        rest = None if self.rest is None else _plain(self.rest.task_mean)
        return {
            "fitted_on": list(self.subsets),
            "n_tasks": len(self.tasks),
            "tasks": list(self.tasks),
            "task_mean_of_others": rest,
        }

    def notes(self, expected: int) -> list[str]:
        """The warning."""
        names = ", ".join(self.subsets)
        if not self.tasks:
            return [f"Leakage: {names} gives away none of the {expected} tasks."]
        rest = "no task remains"
        if self.rest is not None:
            rate = self.rest.task_mean
            rest = f"the other {rate.expected} have {rate.percent:.4g} %"
        return [
            f"Leakage: {names} holds answers of {len(self.tasks)} of the {expected} tasks, so this "
            f"is no score of whoever was fitted on it; {rest}."
        ]


def _leak(problems: Sequence[Problem], subsets: tuple[Subset, ...], solved: Solved) -> _Leak | None:
    if not subsets:
        return None
    known = [one for subset in subsets for one in data.problems(subset)]
    given = givers(problems, known)
    rest = {name: one for name, one in solved.items() if name not in given}
    return _Leak(subsets, tuple(sorted(given)), three_rules(rest) if rest else None)


def _notes(found: Submission, chosen: ArcScoring, tasks: int, inputs: int) -> list[str]:
    attempts = "1 attempt" if chosen.k == 1 else f"{chosen.k} attempts"
    said = [
        f"{chosen.subset}, {attempts}: of all {tasks} tasks with {inputs} test inputs, answered or "
        "not; low and high are ends of 95 % intervals over tasks."
    ]
    missing = found.counts.get(Kind.MISSING_TASK, 0)
    if missing == tasks:
        said.append("The submission has none of these tasks; -T subset= names others.")
    elif missing:
        said.append(f"{missing} tasks are missing and count as unsolved.")
    if found.nulls:
        said.append(f"{found.nulls} attempts are null: no answer.")
    if found.beyond_k:
        said.append(f"{found.beyond_k} attempts are beyond K = {chosen.k} and do not count.")
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(found.counts.items()) if count)
    if kinds:
        said.append(f"Malformed: {kinds}; --json lists them.")
    if sum(found.counts.values()) > len(found.flaws):
        said.append(f"Only the first {len(found.flaws)} are listed.")
    return said
