"""``harness score``: metrics of outputs that were recorded elsewhere.

A task that can read such files names a `Scorer`; this module finds it, hands it the files and
prints what it returns::

    class MyScorer(Scorer):
        Options = MyOptions

        def score(self, files, reference, options):
            return Scores(metrics={"accuracy": 0.5}, n={"accuracy": 400})

    class MyTask(...):
        scorer = MyScorer

No model is asked, nothing is stored.
"""

from __future__ import annotations

import json
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, cast

import typer

from harness.errors import UsageError
from harness.options import NoOptions, Options, build, parse_assignments
from harness.registry import Kind, find, registered
from harness.text import clean


@dataclass(frozen=True)
class ScoreInterval:
    """Confidence interval of a metric."""

    low: float
    high: float
    clusters: int
    """Number of independent clusters, such as authors, that it comes from."""
    level: float = 0.95


@dataclass(frozen=True)
class Scores:
    """What a scorer found in recorded outputs."""

    metrics: Mapping[str, float]
    """Every metric that could be computed; each value is finite."""
    n: Mapping[str, int] = field(default_factory=dict[str, int])
    """Number of examples behind a metric."""
    intervals: Mapping[str, ScoreInterval] = field(default_factory=dict[str, ScoreInterval])
    """Confidence intervals, where a scorer has them."""
    recorded: Mapping[str, float] = field(default_factory=dict[str, float])
    """The value that the file itself gives for a metric."""
    not_computed: Mapping[str, str] = field(default_factory=dict[str, str])
    """Metrics that could not be computed, and why."""
    notes: Sequence[str] = ()
    """Sentences that a reader of the figures has to know."""
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """More JSON values, under names of their own; printed with ``--json`` only."""

    def as_json(self) -> dict[str, Any]:
        """Everything, as plain JSON values."""
        return {
            "metrics": dict(self.metrics),
            "n": dict(self.n),
            "intervals": {name: asdict(one) for name, one in self.intervals.items()},
            "recorded": dict(self.recorded),
            "not_computed": dict(self.not_computed),
            "notes": list(self.notes),
            **self.details,
        }


class Scorer(ABC):
    """Reads outputs recorded elsewhere and computes a task's metrics from them.

    It is constructed without arguments. Bad files are a `UsageError`; a metric that a good file
    does not allow goes to `Scores.not_computed`.
    """

    Options: ClassVar[type[Options]] = NoOptions
    """What ``-T NAME=VALUE`` sets; ``--k N`` is short for an option ``k``."""
    takes_folders: ClassVar[bool] = False
    """Whether `score` may be given folders among its files, such as one with a file for each task;
    it decides what of them it reads."""

    @abstractmethod
    def score(self, files: Sequence[Path], reference: Path | None, options: Any) -> Scores:
        """Compute the metrics.

        Args:
            files: at least one file, or folder where the scorer takes them; all exist.
            reference: the outputs to compare with, where that is given; exists.
            options: an object of `Options`.

        Raises:
            UsageError: a file is damaged, of another kind, or not comparable with the reference.
        """


def score_files(
    task: str, files: Sequence[Path], reference: Path | None, options: Iterable[str]
) -> Scores:
    """Score files with the scorer of a task.

    Args:
        task: name of a registered task.
        files: what was recorded.
        reference: the outputs to compare with.
        options: ``NAME=VALUE`` texts for the scorer.

    Raises:
        UnknownName: there is no such task, or the scorer has no such option.
        UsageError: the task has no scorer, a file is missing, or the scorer refuses it.
    """
    scorer = _scorer_of(task)
    for file in (*files, *([] if reference is None else [reference])):
        if file.is_file() or (file.is_dir() and scorer.takes_folders and file is not reference):
            continue
        if file.is_dir():
            raise UsageError(f"{clean(str(file))} is a folder; a file is wanted.")
        raise UsageError(f"there is no file {clean(str(file))}.")
    values = build(scorer.Options, parse_assignments(options, "-T"), f"harness score {task}")
    scores = scorer().score(files, reference, values)
    for name, value in scores.metrics.items():
        if not math.isfinite(value):
            raise UsageError(f"{task}: the metric {name} is {value}, which is no score.")
    return scores


def print_scores(
    task: str,
    files: Sequence[Path],
    reference: Path | None,
    options: Sequence[str],
    *,
    k: int | None = None,
    as_json: bool,
) -> None:
    """Score files and print the result; `k` is short for the scorer's option of that name."""
    own = _attempts_option(task, k, options)
    given = [*(options or _options_from_environment()), *own]
    scores = score_files(task, files, reference, given)
    if as_json:
        typer.echo(json.dumps(scores.as_json(), indent=2, allow_nan=False))
        return
    typer.echo("\n".join(lines(scores)))


def lines(scores: Scores) -> list[str]:
    """Lay scores out as text: a row for each metric, then what could not be computed, and why."""
    rows = [["metric", "value", "interval", "recorded", "n"]]
    for name, value in scores.metrics.items():
        interval, recorded = scores.intervals.get(name), scores.recorded.get(name)
        rows.append(
            [
                clean(name),
                _figure(value),
                f"{_figure(interval.low)} to {_figure(interval.high)}" if interval else "",
                "" if recorded is None else _figure(recorded),
                str(scores.n.get(name, "")),
            ]
        )
    # A column that has nothing but its head is left out.
    columns = [k for k in range(len(rows[0])) if len(rows) == 1 or any(row[k] for row in rows[1:])]
    rows = [[row[k] for k in columns] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(columns))]
    text = [
        "  ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        ).rstrip()
        for row in rows
    ]
    if scores.not_computed:
        text += ["", "not computed:"]
        text += [f"  {clean(name)}: {clean(why)}" for name, why in scores.not_computed.items()]
    if scores.notes:
        text += ["", *(clean(note) for note in scores.notes)]
    return text


def _attempts_option(task: str, k: int | None, options: Sequence[str]) -> list[str]:
    """``--k`` as an option of the scorer; it goes before one of the environment.

    Raises:
        UsageError: the scorer has no such option, or ``-T`` gives it another value.
    """
    if k is None:
        return []
    if "k" not in _scorer_of(task).Options.model_fields:
        raise UsageError(
            f"--k says how many attempts count, and the scorer of '{task}' counts none; leave it "
            "out."
        )
    other = parse_assignments(options, "-T").get("k", str(k))
    if other != str(k):
        raise UsageError(f"--k {k} and -T k={clean(other)} contradict each other; give one.")
    return [f"k={k}"]


def _scorer_of(task: str) -> type[Scorer]:
    scorer = _scorer(find(Kind.TASK, task).load())
    if scorer is None:
        able = [one.name for one in registered(Kind.TASK) if _has_scorer(one.name)]
        which = f"these have one: {', '.join(able)}" if able else "no task here has one"
        raise UsageError(f"task '{task}' has no scorer for outputs recorded elsewhere; {which}.")
    return scorer


def _has_scorer(task: str) -> bool:
    try:
        return _scorer(find(Kind.TASK, task).load()) is not None
    except UsageError:  # a broken plug-in is no answer to this question
        return False


def _scorer(task: Any) -> type[Scorer] | None:
    return cast("type[Scorer] | None", getattr(task, "scorer", None))


def _options_from_environment() -> list[str]:
    given = os.environ.get("HARNESS_TASK_OPTION", "")
    return [one.strip() for one in given.split(",") if one.strip()]


def _figure(value: float) -> str:
    return f"{value:.6g}"
