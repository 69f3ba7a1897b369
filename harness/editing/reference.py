"""The evaluation of a model that never saw the forget set, which other runs are compared with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.editing.plan import FINAL, EditRun
from harness.errors import UsageError
from harness.methods import resolve
from harness.protocols.edit.task import Probe, ProbeResult
from harness.results.schema import RunStatus, SampleRecord, Status
from harness.results.store import ResultsStore

_EQUAL = {
    "task": "task",
    "subset": "subset",
    "task_version": "version of the task",
    "content_hash": "data",
    "train_seed": "seed",
    "sample_limit": "--limit",
}
"""Columns in which a run and its reference must agree, and what to call them."""


@dataclass(frozen=True)
class Reference:
    """A finished reference run."""

    run_id: str
    rows: tuple[ProbeResult, ...]


def find_reference(store: ResultsStore, run: EditRun, named: str | None) -> Reference | None:
    """The reference of a run: the one that is named, else the newest that fits.

    Raises:
        UsageError: the named run is no finished reference, or belongs to another split or model.
    """
    if named is not None:
        found = store.find(named)
        _check(store, found.run_id, run)
        return _load(store, found.run_id, run)
    fitting = [
        one.run_id
        for one in store.runs()
        if one.task == run.spec.task
        and one.subset == run.spec.subset
        and one.status is RunStatus.COMPLETE
        and not _objections(store, one.run_id, run)
    ]
    return _load(store, max(fitting), run) if fitting else None


def check_reference(store: ResultsStore, runs: Sequence[EditRun], named: str) -> None:
    """Refuse a reference that does not fit the runs of a sweep, before anything is computed."""
    found = store.find(named)
    for run in runs:
        if not run.method.left.type.loads_retrained:
            _check(store, found.run_id, run)


def final_results(
    probes: Sequence[Probe], records: Iterable[SampleRecord]
) -> list[ProbeResult] | None:
    """Records of one evaluation as results, in the order of the probes; None if one is missing."""
    by_id = {one.sample_id: one for one in records}
    if any(one.sample_id not in by_id for one in probes):
        return None
    return [
        ProbeResult(
            probe,
            by_id[probe.sample_id].score,
            by_id[probe.sample_id].metrics,
            problem=by_id[probe.sample_id].error,
        )
        for probe in probes
    ]


def _check(store: ResultsStore, run_id: str, run: EditRun) -> None:
    objections = _objections(store, run_id, run)
    if objections:
        raise UsageError(
            f"run {run_id} cannot be the reference of {run.spec.label} on "
            f"{run.spec.task}/{run.spec.subset}: {objections[0]}; make one with: harness run "
            f"--task {run.spec.task} -T subset={run.spec.subset} --method {run.task.reference} "
            f"--model {run.spec.model} --seeds {run.seed}."
        )


def _objections(store: ResultsStore, run_id: str, run: EditRun) -> list[str]:
    """Why a run is no reference for another."""
    row = store.row(run_id)
    parts = json.loads(row["method_parts"])
    reference = resolve(run.task.reference, "edit").left.name
    if not parts or parts[0]["name"] != reference:
        return [f"it is of method {row['method']}, not of {reference}"]
    if row["status"] != RunStatus.COMPLETE or row["n_failed"]:
        return [f"it is {row['status']} with {row['n_failed']} failed samples"]
    own = {
        "task": run.spec.task,
        "subset": run.spec.subset,
        "task_version": run.spec.task_version,
        "content_hash": run.data_hash(),
        "train_seed": run.spec.train_seed,
        "sample_limit": run.spec.limit,
    }
    found = [f"its {word} is another" for name, word in _EQUAL.items() if row[name] != own[name]]
    named = parts[0]["options"].get("model")
    if row["model"] != run.spec.model and not named:
        found.append(f"its model is {row['model']}, not {run.spec.model}")
    return found


def _load(store: ResultsStore, run_id: str, run: EditRun) -> Reference:
    frame = store.samples(run.spec.task, [run_id])
    records = (
        SampleRecord(
            sample_id=row["sample_id"],
            sample_hash=row["sample_hash"],
            source_id=row["source_id"],
            stream_id=row["stream_id"],
            step=row["step"],
            group=row["group"],
            status=Status(row["status"]),
            score=row["score"],
            metrics=row["metrics"],
        )
        for row in frame.to_dict("records")
        if row["checkpoint"] == FINAL
    )
    rows = final_results(run.probes, records)
    if rows is None:
        raise UsageError(f"run {run_id} lacks samples of the reference evaluation; run it again.")
    return Reference(run_id, tuple(rows))
