"""Adapt runs one after another in this process; another process makes their images."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from harness.adapting.execution import AdaptExecution
from harness.adapting.plan import AdaptRun, open_method
from harness.adapting.work import refuse_model
from harness.errors import UsageError
from harness.models.base import Host, ModelIdentity, ModelKind
from harness.models.classifiers import ClassifierModel
from harness.outcomes import Progress, RunOutcome, in_thread, run_title
from harness.plan import ModelOpener
from harness.protocols.adapt.classifier import Classifier
from harness.protocols.adapt.method import Context
from harness.results.schema import SampleRecord, Status
from harness.results.store import Attempt, ResultsStore
from harness.sweep import Sweep

Planned = tuple[int, AdaptRun, Attempt]
"""Position in the plan, run, attempt."""


async def execute_adaptations(
    attempts: Sequence[Planned],
    store: ResultsStore,
    sweep: Sweep,
    progress: Progress,
    opener: ModelOpener,
    host: Host,
) -> dict[int, RunOutcome]:
    """Execute adapt runs; one that breaks does not keep the others.

    Returns:
        What became of each, by its position in the plan.

    Raises:
        UsageError: a model cannot be loaded, or a method does not fit it.
        StorageError: results can no longer be written.
    """
    outcomes = dict[int, RunOutcome]()
    models = dict[str, tuple[ClassifierModel, ModelIdentity]]()
    for name in dict.fromkeys(run.spec.model for _, run, _ in attempts):
        model: ClassifierModel = opener(name, sweep, ModelKind.CLASSIFIER)
        models[name] = model, await model.start(host)
    loaded = dict[str, Classifier]()
    for position, run, attempt in attempts:
        name = run.spec.model
        model, identity = models[name]
        if name not in loaded:
            loaded.clear()  # one at a time: they may be large
            progress.status(f"loading the model {name}")
            loaded[name] = await asyncio.to_thread(model.load)
            run.task.check_model(loaded[name])
        if reason := misfit(run, loaded[name]):
            outcomes[position] = RunOutcome(run, note=f"skipped: {reason}")
            continue
        execution = AdaptExecution(run, attempt, store, sweep, loaded[name], identity)
        outcomes[position] = await _run(execution, progress)
    return outcomes


def misfit(run: AdaptRun, model: Classifier) -> str:
    """Why a method cannot work with a model; empty if it can."""
    import torch

    try:
        method, wrapper = open_method(run.method)
        for one in (method, wrapper):
            refuse_model(one, model)
        generator = torch.Generator()
        wrapper.wrap(model, Context(0, generator, run.method.left.name, 1, lambda _number: []))
    except UsageError as error:
        return str(error)
    return ""


async def _run(execution: AdaptExecution, progress: Progress) -> RunOutcome:
    run, run_id = execution.run, execution.run_id
    title, problems = run_title(run), list[str]()
    progress.begin(run_id, title, run.n_samples, execution.past.finished)

    def on_sample(record: SampleRecord) -> None:
        if not record.metrics.get("severity"):
            record = replace(record, score=None)  # the score is of corrupted images
        if record.status in (Status.FAILED, Status.ERROR) and not problems:
            problems.append(f"{record.sample_id} {record.status}: {record.error}")
        progress.advance(run_id, record)

    def say(text: str) -> None:
        progress.status(f"{title}: {text}")

    try:
        await in_thread(lambda stop: execution.play(say, on_sample, stop))
        row = execution.publish()
    finally:
        progress.end(run_id)
    return RunOutcome.of_row(run, row, problems[0] if problems else "")
