"""Executes edit runs one after another: a device is not shared, and the reference comes first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from harness.editing.execution import EditExecution
from harness.editing.late import fill_in
from harness.editing.plan import EditRun
from harness.editing.reference import Reference, check_reference, find_reference
from harness.editing.served import served_by_vllm
from harness.editing.work import Serve
from harness.errors import InfrastructureError, StorageError
from harness.models.base import Host, ModelIdentity, ModelKind
from harness.models.causal import CausalLMModel
from harness.models.in_process import InProcessLM
from harness.outcomes import Progress, RunOutcome, in_thread, run_title
from harness.plan import ModelOpener
from harness.protocols.edit.causal import CausalLM
from harness.protocols.edit.language_model import LanguageModel
from harness.protocols.edit.task import EvalBackend
from harness.results.schema import SampleRecord, Status
from harness.results.store import Attempt, ResultsStore
from harness.sweep import Sweep

Planned = tuple[int, EditRun, Attempt]
"""Position in the plan, run, attempt."""


async def execute_edits(
    attempts: Sequence[Planned],
    store: ResultsStore,
    sweep: Sweep,
    progress: Progress,
    opener: ModelOpener,
    host: Host,
) -> dict[int, RunOutcome]:
    """Execute edit runs; one that lacks memory or diverges does not keep the others.

    Returns:
        What became of each, by its position in the plan.

    Raises:
        UsageError: a model cannot be loaded, or the named reference does not fit.
        StorageError: results can no longer be written.
    """
    outcomes = dict[int, RunOutcome]()
    models = dict[str, tuple[CausalLMModel, ModelIdentity]]()
    for name in dict.fromkeys(run.spec.model for _, run, _ in attempts):
        model: CausalLMModel = opener(name, sweep, ModelKind.CAUSAL_LM)
        models[name] = model, await model.start(host)
    if attempts and sweep.reference is not None:
        runs = ((run, models[run.spec.model][1]) for _, run, _ in attempts)
        check_reference(store, runs, sweep.reference)
    for name, (model, identity) in models.items():
        mine = [one for one in attempts if one[1].spec.model == name]
        # References first: what comes later is compared with them.
        mine.sort(key=lambda one: not one[1].method.left.type.loads_retrained)
        for position, run, attempt in mine:
            execution = EditExecution(run, attempt, store, sweep, model, identity)
            find = partial(find_reference, store, run, identity, sweep.reference)
            outcome = outcomes[position] = await _run(execution, find, progress, host)
            if run.method.left.type.loads_retrained:
                fill_in(store, run, store.row(outcome.run_id))
    return outcomes


async def _run(
    execution: EditExecution,
    find: Callable[[], Reference | None],
    progress: Progress,
    host: Host,
) -> RunOutcome:
    run, run_id = execution.run, execution.run_id
    title, problems = run_title(run), list[str]()
    done = [replace(one, score=None) for one in execution.finished]
    progress.begin(run_id, title, run.n_samples, done)

    def on_sample(record: SampleRecord) -> None:
        if record.status is not Status.OK and not problems:
            problems.append(f"{record.checkpoint} {record.status}: {record.error}")
        # The mean over forgotten and kept probes together says nothing.
        progress.advance(run_id, replace(record, score=None))

    def say(text: str) -> None:
        progress.status(f"{title}: {text}")

    loop = asyncio.get_running_loop()
    try:
        try:
            await in_thread(
                lambda stop: execution.play(_backend(run, host, loop), say, on_sample, stop)
            )
        except StorageError:
            raise
        except InfrastructureError as error:
            problems.append(f"stopped: {error}")
        row = execution.publish(find())
    finally:
        progress.end(run_id)
    return RunOutcome.of_row(run, row, problems[0] if problems else "")


def _backend(run: EditRun, host: Host, loop: asyncio.AbstractEventLoop) -> Serve:
    """What makes an edited model ready to be evaluated."""
    if run.task.options.eval_backend is EvalBackend.VLLM:
        return partial(served_by_vllm, host=host, loop=loop)
    return _in_process


@contextmanager
def _in_process(model: CausalLM) -> Generator[LanguageModel]:
    yield InProcessLM(model)
