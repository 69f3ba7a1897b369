"""What runs that compute in this process share: their beginning, their row, and who broke them."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from concurrent.futures import CancelledError
from datetime import UTC, datetime
from typing import Any, Protocol

from harness.errors import HarnessError, MethodError, UsageError
from harness.models.base import ModelIdentity
from harness.plan import PlannedRun
from harness.results.schema import Status
from harness.results.store import Attempt, ResultsStore
from harness.runner import journal_summary, run_row, same_engine, save_spec, words_of
from harness.sweep import Sweep


class Begun(Protocol):
    """What a journal says of a run's beginning."""

    started_at: str
    engine: list[list[str]]


def begin(
    run: PlannedRun,
    attempt: Attempt,
    past: Begun,
    store: ResultsStore,
    sweep: Sweep,
    identity: ModelIdentity,
) -> float:
    """Begin a run, or go on with it; returns the time, for `row_of`.

    Raises:
        UsageError: the run was begun with another model, and two would be mixed.
    """
    engine = [[identity.id, identity.revision, identity.engine, identity.engine_version]]
    if not past.started_at:
        past.started_at = datetime.now(UTC).isoformat()
        summary = journal_summary(run, attempt.code_hash, past.started_at)
        attempt.journal.append({"kind": "run", "summary": summary})
        save_spec(run, sweep, store.artifacts(attempt.run_id))
    elif not same_engine(past.engine, engine):
        raise UsageError(
            f"run {attempt.run_id} was begun with {words_of(past.engine)} and would go on with "
            f"{words_of(engine)}; take the same again, or --fresh."
        )
    if not past.engine:
        attempt.journal.append({"kind": "engine", "engine": engine})
    return time.perf_counter()


def row_of(
    run: PlannedRun,
    attempt: Attempt,
    past: Begun,
    identity: ModelIdentity,
    count: Mapping[Status, int],
    metrics: Mapping[str, float],
    began: float,
) -> dict[str, Any]:
    """The row of a run that asked no server.

    Args:
        run: the run.
        attempt: of it.
        past: what its journal says.
        identity: the model.
        count: samples by status.
        metrics: of the run.
        began: what `begin` returned.
    """
    return {
        **run_row(run, attempt.run_id, attempt.code_hash, identity, count),
        "started_at": datetime.fromisoformat(past.started_at),
        "wall_s": time.perf_counter() - began,
        "input_tokens": 0,
        "output_tokens": 0,
        "paid_input_tokens": 0,
        "paid_output_tokens": 0,
        "metrics": list(metrics.items()),
        "engine_settings": "{}",
    }


def blame(error: Exception, more_memory: str) -> tuple[Status, str, str]:
    """What rows say of an error: who broke the run, its type, the reason.

    No method is to blame for what breaks while a model is loaded or data are made.

    Args:
        error: what ended the work.
        more_memory: what to do where the device ran out of memory.

    Raises:
        CancelledError: it is one.
        HarnessError: it is one, and none of the method's.
    """
    if isinstance(error, MethodError):
        cause = error if error.__cause__ is None else error.__cause__
        return Status.FAILED, type(cause).__name__, str(error)
    if isinstance(error, HarnessError | CancelledError):
        raise error
    if out_of_memory(error):
        reason = f"the device ran out of memory; {more_memory} and run the same command again"
        return Status.ERROR, "OutOfMemory", reason
    return Status.ERROR, type(error).__name__, f"{type(error).__name__}: {error}"


def out_of_memory(error: BaseException) -> bool:
    """Whether a device or the machine had no room."""
    torch = sys.modules.get("torch")  # who does not use it raises no error of it
    kinds = (MemoryError,) if torch is None else (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds)
