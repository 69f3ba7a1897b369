"""A reference that comes after the runs it is for: their metrics against it are filled in.

Processes that share a sweep finish in any order, so a run may be published before its reference.
Nothing is computed again but aggregates, from the rows that are there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from harness.editing.attacks import beyond_relearned
from harness.editing.plan import FINAL, EditRun
from harness.editing.reference import Reference, differences, results_at
from harness.results.schema import RunStatus
from harness.results.store import ResultsStore


def fill_in(store: ResultsStore, run: EditRun, row: Mapping[str, Any]) -> list[str]:
    """Complete the published runs that lacked a reference.

    Args:
        store: the results folder.
        run: the reference.
        row: its row, just published.

    Returns:
        Ids of the runs that were completed.
    """
    if row["status"] != RunStatus.COMPLETE or row["n_failed"]:
        return []
    reference: Reference | None = None
    filled = list[str]()
    for run_id in _lacking(store, row):
        if reference is None:
            rows = results_at(store, row["run_id"], run, FINAL)
            if rows is None:
                return []
            reference = Reference(row["run_id"], tuple(rows))
        _fill(store, store.row(run_id), run, reference)
        filled.append(run_id)
    return filled


def _lacking(store: ResultsStore, row: Mapping[str, Any]) -> Iterator[str]:
    for one in store.runs():
        if one.task != row["task"] or one.status is not RunStatus.COMPLETE:
            continue
        other = store.row(one.run_id)
        if other["reference_run_id"] or other["method_parts"] == row["method_parts"]:
            continue
        if not differences(row, other):
            yield one.run_id


def _fill(store: ResultsStore, row: dict[str, Any], run: EditRun, reference: Reference) -> None:
    looks, last = list[dict[str, Any]](), run.task.requests(run.seed)[-1]
    table = store.checkpoints(row["run_id"])
    # pandas has NaN for what is not there.
    for look in table.astype(object).where(table.notna(), None).to_dict("records"):
        known = {str(name): value for name, value in look.items()}
        rows = results_at(store, row["run_id"], run, str(look["checkpoint"]))
        if rows is not None:
            chosen, compared = (
                beyond_relearned(one, str(look["checkpoint"]), last, run.seed)
                for one in (rows, reference.rows)
            )
            found = run.task.aggregate(chosen, compared)
            known["metrics"] = {**known["metrics"], **found.metrics}
            known["missing"] = json.dumps(dict(found.missing))
        looks.append({**known, "metrics": list(known["metrics"].items())})
    store.write_checkpoints(row["run_id"], looks)
    final = next(dict(one["metrics"]) for one in looks if one["checkpoint"] == FINAL)
    metrics = {**dict(row["metrics"]), **final}
    store.replace({**row, "metrics": list(metrics.items()), "reference_run_id": reference.run_id})
