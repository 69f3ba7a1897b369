"""The evaluation of a model that never saw the forget set, which other runs are compared with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.editing.plan import FINAL, EditRun
from harness.errors import UsageError
from harness.methods import resolve
from harness.models.base import ModelIdentity
from harness.protocols.edit.task import Probe, ProbeResult
from harness.results.schema import RunStatus, SampleRecord, Status
from harness.results.store import ResultsStore
from harness.runner import described

_EQUAL = {
    "task": "its task is another",
    "subset": "its subset is another",
    "task_version": "its version of the task is another",
    "content_hash": "its data is another",
    "train_seed": "its seed is another",
    "sample_limit": "its --limit is another",
    "model": "its model is another",
    "model_revision": "its model is another revision, or was made with other --model-arg",
}
"""Columns in which a run and its reference must agree, and what to say if they do not."""

_OF_THE_EDIT = frozenset(
    {
        *("epochs", "steps", "batch_size", "checkpoint_every", "trajectory", "eval_backend"),
        *("attacks", "relearn_steps", "keep_weights"),
    }
)
"""Task options that a reference, which is not edited, may differ in."""


@dataclass(frozen=True)
class Reference:
    """A finished reference run."""

    run_id: str
    rows: tuple[ProbeResult, ...]


def find_reference(
    store: ResultsStore, run: EditRun, identity: ModelIdentity, named: str | None
) -> Reference | None:
    """The reference of a run: the one that is named, else the newest that fits.

    A reference has none: it is compared with itself.

    Raises:
        UsageError: the named run is no finished reference, or belongs to another split or model.
    """
    if run.method.left.type.loads_retrained:
        return None
    if named is not None:
        found = store.find(named)
        _check(store, found.run_id, run, identity)
        return _load(store, found.run_id, run)
    fitting = [
        one.run_id
        for one in store.runs()
        if one.task == run.spec.task
        and one.subset == run.spec.subset
        and one.status is RunStatus.COMPLETE
        and not _objections(store, one.run_id, run, identity)
    ]
    return _load(store, max(fitting), run) if fitting else None


def check_reference(
    store: ResultsStore, runs: Iterable[tuple[EditRun, ModelIdentity]], named: str
) -> None:
    """Refuse a reference that does not fit the runs of a sweep, before anything is computed."""
    found = store.find(named)
    for run, identity in runs:
        if not run.method.left.type.loads_retrained:
            _check(store, found.run_id, run, identity)


def refuse_other_reference(
    store: ResultsStore, run: EditRun, finished: str, named: str | None
) -> None:
    """A finished run answers for the reference that it was compared with, and for no other.

    Raises:
        UsageError: another one is named now.
    """
    if named is None or run.method.left.type.loads_retrained:
        return
    wanted, made = store.find(named).run_id, store.row(finished)["reference_run_id"]
    if wanted != made:
        raise UsageError(
            f"run {finished} was finished with reference {made or 'none'}, and {wanted} is named "
            "now; leave --reference out, or take --fresh for another attempt."
        )


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


def _check(store: ResultsStore, run_id: str, run: EditRun, identity: ModelIdentity) -> None:
    objections = _objections(store, run_id, run, identity)
    if objections:
        raise UsageError(
            f"run {run_id} cannot be the reference of {run.spec.label} on "
            f"{run.spec.task}/{run.spec.subset}: {objections[0]}; make one with: harness run "
            f"--task {run.spec.task} -T subset={run.spec.subset} --method {run.task.reference} "
            f"--model {run.spec.model} --seeds {run.seed}."
        )


def _objections(
    store: ResultsStore, run_id: str, run: EditRun, identity: ModelIdentity
) -> list[str]:
    """Why a run is no reference for another."""
    row = store.row(run_id)
    parts = json.loads(row["method_parts"])
    reference = resolve(run.task.reference, "edit").left.name
    if not parts or parts[0]["name"] != reference:
        return [f"it is of method {row['method']}, not of {reference}"]
    if row["status"] != RunStatus.COMPLETE or row["n_failed"]:
        return [f"it is {row['status']} with {row['n_failed']} failed samples"]
    return differences(row, {**described(run), "model_revision": identity.revision})


def differences(reference: Mapping[str, Any], row: Mapping[str, Any]) -> list[str]:
    """Why two rows of runs are not about one model, one split and one evaluation of it."""
    found = [words for name, words in _EQUAL.items() if reference[name] != row[name]]
    theirs, ours = json.loads(reference["task_options"]), json.loads(row["task_options"])
    options = sorted({*theirs, *ours} - _OF_THE_EDIT)
    return found + [
        f"its -T {one} is another" for one in options if theirs.get(one) != ours.get(one)
    ]


def results_at(
    store: ResultsStore, run_id: str, run: EditRun, checkpoint: str
) -> list[ProbeResult] | None:
    """What a published run found at an evaluation; None while something of it is missing."""
    records = (
        SampleRecord(
            sample_id=row["sample_id"],
            sample_hash=row["sample_hash"],
            source_id=row["source_id"],
            stream_id=row["stream_id"],
            step=row["step"],
            group=row["group"],
            status=Status(row["status"]),
            score=_number(row["score"]),
            metrics=row["metrics"],
            error=row["error"] or "",
        )
        for row in store.samples(run.spec.task, [run_id]).to_dict("records")
        if row["checkpoint"] == checkpoint
    )
    return final_results(run.probes, records)


def _number(value: float | None) -> float | None:
    """A score; pandas has NaN for none."""
    return None if value is None or value != value else float(value)


def _load(store: ResultsStore, run_id: str, run: EditRun) -> Reference:
    rows = results_at(store, run_id, run, FINAL)
    if rows is None:
        raise UsageError(f"run {run_id} lacks samples of the reference evaluation; run it again.")
    return Reference(run_id, tuple(rows))
