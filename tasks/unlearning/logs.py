"""Evaluation logs of other tools, read into one shape: metric -> column -> example -> value.

Two forms are read. That of OpenUnlearning (``TOFU_EVAL.json``, ``MUSE_EVAL.json``)::

    {"forget_Q_A_Prob": {"agg_value": .88, "value_by_index": {"0": {"prob": .95, ...}, ...}},
     "mia_loss": {"forget": {"value_by_index": {"0": {"score": .05}, ...}}, "holdout": ..., ...}}

and collections of several logs with a list for each column, of which one entry is chosen::

    {"tofu": {"retain90": {"forget_Q_A_Prob": {"avg_loss": [...], "agg": .12}, ...}, ...}, ...}

What is computed from them is in `score`; here nothing is averaged, and a recorded aggregate is kept
only to be shown beside the computed one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from harness.errors import UnknownName, UsageError

_AGGREGATES = ("agg_value", "agg")
_SETS = ("forget", "holdout")
"""The two sets of a membership inference metric."""


@dataclass(frozen=True)
class Column:
    """The values of one metric under one name, by example."""

    name: str
    cells: Mapping[str, Any]
    """What the log holds, by the example's index; None where it has no value."""

    def numbers(self) -> dict[str, float]:
        """The values that are there, each one a number.

        Raises:
            ValueError: a value is no finite number.
        """
        known = ((index, cell) for index, cell in self.cells.items() if cell is not None)
        return {index: self._number(index, cell) for index, cell in known}

    def lists(self) -> dict[str, list[float]]:
        """The values that are there, each one a list with one number for each answer.

        Raises:
            ValueError: a value is no list of finite numbers, or is empty.
        """
        found = dict[str, list[float]]()
        for index, cell in self.cells.items():
            if cell is None:
                continue
            values = cast("list[Any]", cell) if isinstance(cell, list) else [cell]
            if not values:
                raise ValueError(f"{self.name} of example {index} is an empty list.")
            found[index] = [self._number(index, value) for value in values]
        return found

    def _number(self, index: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"{self.name} of example {index} is {value!r:.40}, not a number.")
        number = _as_float(value)
        if not math.isfinite(number):
            raise ValueError(f"{self.name} of example {index} is {number}, no finite number.")
        return number


@dataclass(frozen=True)
class LoggedMetric:
    """One metric of a log."""

    name: str
    columns: Mapping[str, Column] = field(default_factory=dict[str, Column])
    """By the name of the value (``prob``, ``avg_loss``, ``score``, ...); of a membership inference
    metric by the set, ``forget`` and ``holdout``."""
    recorded: float | None = None
    """The aggregate that the log gives, where it is a finite number."""


@dataclass(frozen=True)
class EvaluationLog:
    """One evaluation of one model."""

    source: str
    """The file, and the entry in it."""
    metrics: Mapping[str, LoggedMetric]

    def column(self, metric: str, *names: str) -> Column | None:
        """The first of these columns that a metric has."""
        columns = self.metrics[metric].columns if metric in self.metrics else {}
        return next((columns[name] for name in names if name in columns), None)


def read_log(path: Path, family: str, entry: str | None = None) -> EvaluationLog:
    """Read one evaluation.

    Args:
        path: a JSON file in one of the two forms.
        family: ``tofu`` or ``muse``; where a collection keeps its logs.
        entry: which log of a collection; not needed where it has one only.

    Raises:
        UnknownName: the collection has no such entry.
        UsageError: the file is damaged, or holds no metric with values of single examples.
    """
    document = _document(path)
    if any(_is_metric(value) for value in document.values()):
        if entry is not None:
            raise UsageError(f"{path.name} is a single log without entries; leave '{entry}' out.")
        return _log(path.name, document)
    entries = _entries(document, family)
    if not entries:
        raise UsageError(f"{path.name} holds no {family} metric; {_mend(document, family)}")
    if entry is None and len(entries) > 1:
        names = ", ".join(sorted(entries))
        raise UsageError(f"{path.name} holds several logs; choose one with -T entry=NAME: {names}.")
    name = next(iter(entries)) if entry is None else entry
    if name not in entries:
        raise UnknownName(f"log in {path.name}", name, entries)
    return _log(f"{path.name}, {name}", entries[name])


def check_comparable(log: EvaluationLog, reference: EvaluationLog, metrics: Iterable[str]) -> None:
    """Refuse a reference that was evaluated on other examples.

    Args:
        log: the evaluation to compare.
        reference: what to compare it with.
        metrics: names of the metrics that both must have evaluated on the same examples; those that
            one of the two lacks are left alone.

    Raises:
        UsageError: a metric has another number of examples, other indices, or other texts.
    """
    for metric in metrics:
        ours, theirs = log.metrics.get(metric), reference.metrics.get(metric)
        if ours is None or theirs is None:
            continue
        for name in ours.columns.keys() & theirs.columns.keys():
            _check_same(metric, name, ours.columns[name], theirs.columns[name], log, reference)


def _check_same(
    metric: str,
    name: str,
    ours: Column,
    theirs: Column,
    log: EvaluationLog,
    reference: EvaluationLog,
) -> None:
    where = f"{metric} ({name} set)" if name in _SETS else metric
    what = f"{reference.source} is no reference for {log.source}: {where} has"
    mend = "compare evaluations of the same split."
    if len(ours.cells) != len(theirs.cells):
        counts = f"{len(theirs.cells)} examples there and {len(ours.cells)} here"
        raise UsageError(f"{what} {counts}; {mend}")
    if ours.cells.keys() != theirs.cells.keys():
        strange = next(iter(theirs.cells.keys() - ours.cells.keys()))
        raise UsageError(f"{what} other examples, such as {strange}, there than here; {mend}")
    if name in ("input", "ground_truth"):
        for index, text in ours.cells.items():
            if text != theirs.cells[index]:
                raise UsageError(f"{what} another text for example {index}; {mend}")


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:  # also: no UTF-8, numbers of absurd length
        raise UsageError(
            f"{path.name} is no readable JSON ({error}); is the file complete?"
        ) from error
    if not isinstance(document, dict):
        raise UsageError(f"{path.name} holds no evaluation log; a JSON object is expected.")
    return cast("dict[str, Any]", document)


def _entries(document: Mapping[str, Any], family: str) -> dict[str, Mapping[str, Any]]:
    """The logs of a collection, by name."""
    under = document.get(family)
    candidates = cast("Mapping[str, Any]", under) if isinstance(under, dict) else document
    return {
        name: cast("Mapping[str, Any]", one)
        for name, one in candidates.items()
        if isinstance(one, dict) and any(_is_metric(value) for value in one.values())
    }


def _mend(document: Mapping[str, Any], family: str) -> str:
    if any(isinstance(value, (int, float)) for value in document.values()):
        return (
            "it holds aggregates only, and the log with the values of single examples "
            f"({family.upper()}_EVAL.json) is needed."
        )
    return (
        f"expected are the form of OpenUnlearning's {family.upper()}_EVAL.json or a collection of "
        "such logs."
    )


def _is_metric(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    fields = cast("dict[str, Any]", value)
    return (
        any(name in fields for name in (*_AGGREGATES, "value_by_index"))
        or any(isinstance(one, list) for one in fields.values())
        or any(_is_by_index(fields.get(name)) for name in _SETS)
    )


def _is_by_index(value: Any) -> bool:
    return isinstance(value, dict) and "value_by_index" in value


def _log(source: str, document: Mapping[str, Any]) -> EvaluationLog:
    metrics = {
        name: _metric(name, cast("Mapping[str, Any]", value))
        for name, value in document.items()
        if _is_metric(value)
    }
    return EvaluationLog(source, metrics)


def _metric(name: str, fields: Mapping[str, Any]) -> LoggedMetric:
    columns = dict[str, Column]()
    for part, value in fields.items():
        if part == "value_by_index":
            columns |= _by_index(name, value)
        elif isinstance(value, list):
            cells = {str(index): cell for index, cell in enumerate(cast("list[Any]", value))}
            columns[part] = Column(f"{name} {part}", cells)
        elif _is_by_index(value):
            scores = _by_index(f"{name} {part}", value["value_by_index"])
            if "score" in scores:
                columns[part] = scores["score"]
    return LoggedMetric(name, columns, _recorded(fields))


def _by_index(name: str, rows: Any) -> dict[str, Column]:
    """Turn ``{index: {name: value}}`` round."""
    if isinstance(rows, list):
        listed = cast("list[Any]", rows)
        by_index = {str(index): row for index, row in enumerate(listed)}
    else:
        by_index = cast("dict[str, Any]", rows) if isinstance(rows, dict) else {}
    plain = {
        index: cast("Mapping[str, Any]", row) if isinstance(row, dict) else {"score": row}
        for index, row in by_index.items()
        if row is not None
    }
    names = dict.fromkeys(part for row in plain.values() for part in row)
    # An example that is null as a whole is without a value in every column.
    return {
        part: Column(
            f"{name} {part}", {index: plain.get(index, {}).get(part) for index in by_index}
        )
        for part in names
    }


def _recorded(fields: Mapping[str, Any]) -> float | None:
    for name in _AGGREGATES:
        value = fields.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            number = _as_float(value)
            return number if math.isfinite(number) else None
    return None


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer beyond any float
        return math.inf
