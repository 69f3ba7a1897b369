"""What the row, the journal and the saved spec say of a planned run, whatever its protocol."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.models.base import ModelIdentity
from harness.plan import PlannedRun
from harness.results import provenance
from harness.results.schema import SCHEMA_VERSION, RunStatus, Status
from harness.sweep import Sweep

_RECORDED_FIRST = 3
"""Journals once recorded this much of an engine: id, revision, name."""

_LIMITS = ("shard", "max_tokens_total", "max_cost", "prices", "max_time")
"""Fields of a sweep that say how much of it is executed now."""


def run_row(
    run: PlannedRun,
    run_id: str,
    code_hash: str,
    identity: ModelIdentity,
    count: Mapping[Status, int],
    probes: int = 0,
) -> dict[str, Any]:
    """A run's row as far as it is the same for every protocol.

    Args:
        run: the run.
        run_id: of this attempt.
        code_hash: of the attempt.
        identity: the model.
        count: samples by status.
        probes: those that were answered.
    """
    error = count.get(Status.ERROR, 0)
    done = sum(count.values()) - error
    complete = done == run.n_samples and probes == run.n_probes
    return {
        "run_id": run_id,
        "code_hash": code_hash,
        "schema_version": SCHEMA_VERSION,
        **described(run),
        "model_id": identity.id,
        "model_revision": identity.revision,
        "engine": identity.engine,
        "engine_version": identity.engine_version,
        "n_done": done,
        "n_failed": count.get(Status.FAILED, 0),
        "n_invalid": count.get(Status.INVALID, 0),
        "n_error": error,
        "status": RunStatus.COMPLETE if complete else RunStatus.INCOMPLETE,
        "finished_at": datetime.now(UTC),
        **provenance.of_this_process(),
        "engine_options": json.dumps(dict(identity.options), sort_keys=True),
        "batch_invariant": identity.settings.get("batch_invariant"),
        "method_code_hash": method_code_hash(run),
    }


def journal_summary(run: PlannedRun, code_hash: str, started_at: str) -> dict[str, Any]:
    """What a run's journal begins with."""
    spec = run.spec
    return {
        "work_key": spec.work_key(),
        "code_hash": code_hash,
        "task": spec.task,
        "subset": spec.subset,
        "method": spec.label,
        "model": spec.model,
        "order": spec.order,
        "sample_seed": spec.seed,
        "n_planned": run.n_samples,
        "started_at": started_at,
    }


def save_spec(run: PlannedRun, sweep: Sweep, folder: Path) -> None:
    """Write the sweep that repeats exactly this run, as ``spec.yaml``."""
    import yaml

    spec = run.spec
    alone = sweep.model_copy(
        update={
            "method": (spec.label,),
            "model": (spec.model,),
            "order": (spec.order,),
            "orders": None,
            "seeds": str(spec.seed),
            "sampling": spec.sampling,
            "task_options": run.task.options.given(),
            "fresh": False,
            "cache": False,
            **dict.fromkeys(_LIMITS),
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(alone.model_dump(mode="json"), sort_keys=False)
    (folder / "spec.yaml").write_text(text, encoding="utf-8")


def described(run: PlannedRun) -> dict[str, Any]:
    """The columns of a run's row that its plan decides."""
    spec, task = run.spec, run.task
    parts = [
        {"role": part.role, "name": part.name, "options": part.options.given()}
        for part in run.method.parts
    ]
    return {
        "work_key": spec.work_key(),
        "protocol": task.protocol,
        "task": spec.task,
        "task_version": spec.task_version,
        "subset": spec.subset,
        "task_options": json.dumps(task.options.given(), sort_keys=True),
        "method": spec.label,
        "method_parts": json.dumps(parts),
        "model": spec.model,
        "embedder": spec.embedder,
        "sampling": json.dumps(spec.sampling, sort_keys=True),
        "order": spec.order,
        "data_seed": spec.data_seed,
        "order_seed": spec.order_seed,
        "sample_seed": spec.sample_seed,
        "train_seed": spec.train_seed,
        "data": json.dumps([asdict(source) for source in task.data_sources()]),
        "content_hash": run.data_hash(),
        "sample_limit": spec.limit,
        "n_planned": run.n_samples,
    }


def run_code_hash(run: PlannedRun) -> str:
    """Hash of the code of a run's task and method, and of what they declare to need."""
    types = [*run.task.code(), *(part.type for part in run.method.parts)]
    needs = [*run.task.needs(run.task.options), *run.method.needs]
    return provenance.code_hash(types, needs)


def method_code_hash(run: PlannedRun) -> str:
    """Hash of the code of a run's method alone, and of what it declares to need."""
    return provenance.code_hash([part.type for part in run.method.parts], run.method.needs)


def same_engine(begun: list[list[str]], now: list[list[str]]) -> bool:
    """Whether a run may go on; an older journal recorded less, a killed one perhaps nothing."""
    if not begun:
        return True
    return len(begun) == len(now) and all(
        before == (after if len(before) > _RECORDED_FIRST else after[: len(before)])
        for before, after in zip(begun, now, strict=True)
    )


def words_of(engine: list[list[str]]) -> str:
    """Engines in a sentence."""
    return " and ".join(" ".join(part for part in one if part) for one in engine)
