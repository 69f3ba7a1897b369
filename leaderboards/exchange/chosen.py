"""The runs that are exported: complete ones, named or all, each with its board's metric."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from harness.errors import UsageError
from harness.results.schema import RunStatus
from harness.results.store import ResultsStore
from harness_leaderboards.boards import BoardSpec, board_of
from harness_leaderboards.boards.spec import Source
from harness_leaderboards.ranking.cells import value_of
from harness_leaderboards.ranking.runs import Chosen, attempts
from harness_leaderboards.ranking.samples import RunSums, sums_of


@dataclass(frozen=True)
class Exported:
    """A run with the figure that its board ranks by.

    Attributes:
        row: its row, as it was written.
        spec: the board of its task.
        value: the figure; None where it has none.
        low: lower end of its 95 % interval; None where units are too few.
        high: upper end.
        n: scored samples.
        interval: what kind of interval it is, in words.
    """

    row: dict[str, Any]
    spec: BoardSpec
    value: float | None
    low: float | None
    high: float | None
    n: int
    interval: str

    def read(self, column: str) -> Any:
        """A column of JSON, read; empty where it is not there."""
        return json.loads(self.row[column] or "{}")

    @property
    def when(self) -> datetime:
        """When it began; the beginning of 1970 where that is not known."""
        return self.row["started_at"] or datetime.fromtimestamp(0, UTC)


def chosen(store: ResultsStore, names: Sequence[str]) -> list[Exported]:
    """The runs to export.

    Args:
        store: the results folder.
        names: run ids, their beginnings or ends, or ``latest``; none: all that are complete.

    Raises:
        UnknownName: a run is not there.
        UsageError: a named run is not complete, or no run is.
    """
    found = [store.find(name) for name in names] if names else store.runs()
    complete = [one for one in found if one.status is RunStatus.COMPLETE]
    if names and len(complete) < len(found):
        first = next(one for one in found if one.status is not RunStatus.COMPLETE)
        raise UsageError(f"run {first.run_id} is {first.status}; finish it with the same command.")
    if not complete:
        raise UsageError(f"no finished run in {store.root}.")
    wanted = {one.run_id for one in complete}
    rows = [row for row in store.rows() if row["run_id"] in wanted]
    return [
        one
        for task in dict.fromkeys(row["task"] for row in rows)
        for one in _of_task(store, task, [row for row in rows if row["task"] == task])
    ]


def _of_task(store: ResultsStore, task: str, rows: Sequence[dict[str, Any]]) -> list[Exported]:
    spec = board_of(task).model_copy(update={"subsets": ()})
    runs = {run.run_id: run for run in attempts(spec, rows)}
    sums: dict[str, RunSums] = {}
    if spec.metric.of is Source.SAMPLES:
        sums, problems = sums_of(spec, store, {name: run.n_planned for name, run in runs.items()})
        store.problems += problems
    return [_exported(spec, row, runs[row["run_id"]], sums.get(row["run_id"])) for row in rows]


def _exported(spec: BoardSpec, row: dict[str, Any], run: Chosen, sums: RunSums | None) -> Exported:
    value = value_of(spec, [(run, sums)])
    n = sums.n if sums else 0
    kind = _interval(spec, sums)
    if value is None:
        return Exported(row, spec, None, None, None, n, kind)
    return Exported(row, spec, value.mean, value.low, value.high, n, kind)


def _interval(spec: BoardSpec, sums: RunSums | None) -> str:
    """What kind of interval the figure of a run gets."""
    metric = spec.metric
    if metric.of is Source.RUNS or sums is None:
        return "t interval over seeds"
    if not metric.equal_sources:
        return f"cluster-robust t interval over independent {metric.cluster.value}s"
    # As `harness.protocols.solve.rules.estimate` chooses.
    if set((sums.totals / sums.sizes).tolist()) <= {0.0, 1.0}:
        return f"Wilson's score interval over independent {metric.cluster.value}s"
    return f"t interval over independent {metric.cluster.value}s, within [0, 1]"
