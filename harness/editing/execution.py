"""One edit run: make the model, edit it, evaluate it at each checkpoint, publish the tables.

All of it is synchronous and runs in a thread of its own. Every evaluated probe is journalled, every
checkpoint's state saved before it is evaluated, so that a killed run goes on from there with the
same minibatches and ends with the same rows.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.editing.attacks import attacked
from harness.editing.checkpoints import Checkpoints
from harness.editing.past import EditPast
from harness.editing.plan import FINAL, EditRun, Look, open_editor
from harness.editing.reference import Reference, final_results
from harness.errors import (
    HarnessError,
    InfrastructureError,
    MethodError,
    StorageError,
    UsageError,
)
from harness.models.base import ModelIdentity, ModelKind
from harness.models.causal import CausalLMModel
from harness.plan import open_model
from harness.protocols.edit.causal import CausalLM
from harness.protocols.edit.data import EditData
from harness.protocols.edit.language_model import Demand, LanguageModel
from harness.protocols.edit.method import Budget, Diverged, ModelEditor, State
from harness.protocols.edit.task import Attack, Probe, ProbeResult
from harness.results import provenance
from harness.results.schema import SCHEMA_VERSION, RunStatus, SampleRecord, Status
from harness.results.store import Attempt, ResultsStore
from harness.runner import described, journal_summary, method_code_hash, save_spec
from harness.sweep import Sweep

Say = Callable[[str], None]
OnSample = Callable[[SampleRecord], None]
Serve = Callable[[CausalLM], AbstractContextManager[LanguageModel]]
"""Makes a model ready to be evaluated."""

_SAY_EVERY_S = 5.0


class EditExecution:
    """One edit run on its way from the plan to the tables.

    Raises:
        UsageError: the run was begun with another model, and two would be mixed.
    """

    def __init__(
        self,
        run: EditRun,
        attempt: Attempt,
        store: ResultsStore,
        sweep: Sweep,
        model: CausalLMModel,
        identity: ModelIdentity,
    ) -> None:
        self.run = run
        self.run_id = attempt.run_id
        self._journal = attempt.journal
        self._code_hash = attempt.code_hash
        self._store = store
        self._sweep = sweep
        self._model = model
        self._identity = identity
        self._past = EditPast.read(attempt.journal)
        self._checkpoints = Checkpoints(store.artifacts(self.run_id) / "checkpoints")
        self._began = time.perf_counter()
        engine = [[identity.id, identity.revision, identity.engine, identity.engine_version]]
        if not self._past.started_at:
            self._past.started_at = datetime.now(UTC).isoformat()
            summary = journal_summary(run, self._code_hash, self._past.started_at)
            self._journal.append({"kind": "run", "summary": summary})
            save_spec(run, sweep, store.artifacts(self.run_id))
        elif self._past.engine and self._past.engine != engine:
            raise UsageError(
                f"run {self.run_id} was begun with {' '.join(self._past.engine[0])} and would go "
                f"on with {' '.join(engine[0])}; take the same again, or --fresh."
            )
        if not self._past.engine:
            self._journal.append({"kind": "engine", "engine": engine})

    @property
    def finished(self) -> list[SampleRecord]:
        """Evaluations that need not be made again."""
        return list(self._past.finished.values())

    def play(self, serve: Serve, say: Say, on_sample: OnSample, stop: threading.Event) -> None:
        """Edit and evaluate what remains.

        What the method breaks becomes ``failed`` rows, what the machine breaks ``error`` rows.

        Raises:
            CancelledError: `stop` was set; what is done is kept.
            UsageError: the model, or what the method needs, cannot be had.
            StorageError: results can no longer be written.
        """
        if len(self._past.finished) == self.run.n_samples and not self._lacks_weights():
            return
        work = _Work(self, serve, say, on_sample, stop)
        try:
            work.do()
        except (CancelledError, UsageError, InfrastructureError):
            raise
        except Diverged as error:
            work.close(Status.FAILED, "Diverged", f"diverged: {error}")
        except MethodError as error:
            work.close(Status.FAILED, type(error).__name__, str(error))
        except Exception as error:  # the one place that turns a broken edit into rows
            if _out_of_memory(error):
                work.close(Status.ERROR, "OutOfMemory", _OUT_OF_MEMORY)
            elif isinstance(error, HarnessError):
                raise
            else:
                reason = f"{type(error).__name__}: {error}"
                work.close(Status.FAILED, type(error).__name__, reason)

    def publish(self, reference: Reference | None) -> dict[str, Any]:
        """Write the tables; returns the run's row."""
        records = [
            self._past.records[one.sample_id, look.checkpoint]
            for look in self.run.looks
            for one in self.run.probes
            if (one.sample_id, look.checkpoint) in self._past.records
        ]
        self._store.write_tables(self.run_id, self.run.spec.task, records)
        rows = list(self._trajectory(reference))
        self._store.write_checkpoints(self.run_id, rows)
        row = self._row(records, next((one for one in rows if one["checkpoint"] == FINAL), {}))
        row["reference_run_id"] = None if reference is None else reference.run_id
        if row["status"] == RunStatus.COMPLETE:
            # Before the row, which ends all interest in the run: a kill leaves no states behind.
            self._checkpoints.clear()
        self._store.commit(row, self._journal)
        return row

    def results(self, look: Look) -> list[ProbeResult] | None:
        """What an evaluation found; None while something of it is missing."""
        return final_results(
            self.run.probes,
            (
                record
                for (_, checkpoint), record in self._past.finished.items()
                if checkpoint == look.checkpoint
            ),
        )

    def _trajectory(self, reference: Reference | None) -> Iterator[dict[str, Any]]:
        """A row for each evaluation: aggregates, and what the edit took until then."""
        task, own = self.run.task, self.run.method.left.type.loads_retrained
        for look in self.run.looks:
            rows = self.results(look)
            if rows is None:
                continue
            others = rows if own else reference and reference.rows
            aggregates = task.aggregate(rows, others or None)
            made = [
                report
                for (request, step), report in sorted(self._past.steps.items())
                if (request, step) <= (look.request, look.step)
            ]
            metrics = {**_means(made), **aggregates.metrics}
            yield {
                "run_id": self.run_id,
                "checkpoint": look.checkpoint,
                "request": look.request,
                "step": look.step,
                "seconds": sum(one.get("seconds", 0.0) for one in made),
                "peak_memory_bytes": self._past.peak_memory_bytes or None,
                "metrics": list(metrics.items()),
                "missing": json.dumps(dict(aggregates.missing)),
            }

    def _row(self, records: Sequence[SampleRecord], last: Mapping[str, Any]) -> dict[str, Any]:
        run, identity = self.run, self._identity
        error = sum(one.status is Status.ERROR for one in records)
        done = len(records) - error
        metrics = dict(last.get("metrics", ()))
        if self._past.peak_memory_bytes:
            metrics["peak_memory_bytes"] = float(self._past.peak_memory_bytes)
        return {
            "run_id": self.run_id,
            "code_hash": self._code_hash,
            "schema_version": SCHEMA_VERSION,
            **described(run),
            "model_id": identity.id,
            "model_revision": identity.revision,
            "engine": identity.engine,
            "engine_version": identity.engine_version,
            "embedder_revision": None,
            "n_done": done,
            "n_failed": sum(one.status is Status.FAILED for one in records),
            "n_invalid": sum(one.status is Status.INVALID for one in records),
            "n_error": error,
            "status": RunStatus.COMPLETE if done == run.n_samples else RunStatus.INCOMPLETE,
            "started_at": datetime.fromisoformat(self._past.started_at),
            "finished_at": datetime.now(UTC),
            "wall_s": time.perf_counter() - self._began,
            "input_tokens": 0,
            "output_tokens": 0,
            "cost": None,
            "paid_input_tokens": 0,
            "paid_output_tokens": 0,
            **provenance.of_this_process(),
            "metrics": list(metrics.items()),
            "reference_run_id": None,
            "engine_settings": "{}",
            "engine_options": json.dumps(dict(identity.options), sort_keys=True),
            "batch_invariant": None,
            "rescored_from": None,
            "method_code_hash": method_code_hash(run),
        }

    # What the work below uses.

    def keep(self, record: SampleRecord) -> None:
        """Journal an evaluated probe."""
        self._journal.append({"kind": "sample", "record": record.as_json()})
        self._past.keep(record)

    def keep_steps(self, request: int, reports: list[tuple[int, Mapping[str, float]]]) -> None:
        """Journal what steps were like."""
        if not reports:
            return
        record = {
            "kind": "steps",
            "request": request,
            "reports": [[step, dict(report)] for step, report in reports],
            "peak_memory_bytes": _peak_memory(),
        }
        self._journal.append(record)
        self._past.keep_steps(record)

    @property
    def past(self) -> EditPast:
        """What is there."""
        return self._past

    @property
    def checkpoints(self) -> Checkpoints:
        """Saved states."""
        return self._checkpoints

    @property
    def model(self) -> CausalLMModel:
        """The model to be edited."""
        return self._model

    def keep_weights(self, model: CausalLM) -> None:
        """Keep edited weights, whole or not at all, where the task's options ask for them."""
        folder = self._weights_folder
        if not self.run.task.options.keep_weights or not model.savable or folder.is_dir():
            return
        fresh = folder.with_name(f".{folder.name}")
        try:
            shutil.rmtree(fresh, ignore_errors=True)
            model.save(fresh)
            os.replace(fresh, folder)
        except OSError as error:
            shutil.rmtree(fresh, ignore_errors=True)
            raise StorageError(
                f"cannot keep the edited weights in {folder} ({error}); make room and run the "
                "same command again, or leave out -T keep_weights."
            ) from error

    def _lacks_weights(self) -> bool:
        """Whether an edit that went well was stopped before its weights were kept."""
        failed = any(one.status is Status.FAILED for one in self._past.finished.values())
        wanted = self.run.task.options.keep_weights and not self.run.method.left.type.combines
        return wanted and not failed and not self._weights_folder.is_dir()

    @property
    def _weights_folder(self) -> Path:
        return self._store.artifacts(self.run_id) / "model"


class _Work:
    """The edits and evaluations of a run, once."""

    def __init__(
        self,
        execution: EditExecution,
        serve: Serve,
        say: Say,
        on_sample: OnSample,
        stop: threading.Event,
    ) -> None:
        self._execution = execution
        self._run = execution.run
        self._serve = serve
        self._say = say
        self._on_sample = on_sample
        self._stop = stop

    def do(self) -> None:
        """Edit once for each request, evaluate at every look."""
        run, task = self._run, self._run.task
        _forget_peak_memory()
        editor = open_editor(run.method)
        requests = task.requests(run.seed)
        model = self._start(editor)
        for look in run.looks:
            if look.step == 0:
                self.evaluate(model, look)
        for number, request in enumerate(requests):
            # Adapters of one edit are weights to the next.
            model = self._edit(editor, model.merged(), request, number)
            editor = open_editor(run.method)
        self._execution.keep_weights(model)
        for attack in task.options.attacks:
            look = next(one for one in run.looks if one.checkpoint == attack)
            if self._missing(look):
                self.evaluate(self._attacked(model, attack, requests[-1]), look)

    def _start(self, editor: ModelEditor) -> CausalLM:
        """The model that is edited: the target, or for the reference the retrained one."""
        run, model = self._run, self._execution.model
        corpus, how = run.task.corpus(run.seed), run.task.options.fitting()
        named = str(getattr(editor.options, "model", "")) if editor.loads_retrained else ""
        if named:
            other: CausalLMModel = open_model(named, Sweep(task=run.spec.task), ModelKind.CAUSAL_LM)
            return other.base(corpus, run.seed)
        if editor.loads_retrained:
            return model.retrained(corpus, run.seed, how, self._said_while_teaching)
        return model.target(corpus, run.seed, how, self._said_while_teaching)

    def _said_while_teaching(self, text: str) -> None:
        """Tell the user, or leave if the user wants to stop."""
        self.check()
        self._say(text)

    def _edit(
        self, editor: ModelEditor, model: CausalLM, request: EditData, number: int
    ) -> CausalLM:
        run, task = self._run, self._run.task
        steps = task.budget_steps(request)
        budget = Budget(
            steps=steps,
            batch_size=task.options.batch_size,
            checkpoints=task.checkpoints(steps) if editor.trajectory else (steps,),
            seed=run.seed,
            lr=self._execution.model.recommended_lr,
        )
        looks = {
            one.step: one
            for one in run.looks
            if one.request == number and one.step > 0 and one.checkpoint not in task.options.attacks
        }
        progress = _Progress(self, self._execution, number, looks, steps)
        try:
            edited = editor.edit(model, request, budget, _Handed(progress))
        finally:
            progress.flush()
        skipped = [step for step, look in sorted(looks.items()) if self._missing(look)]
        if skipped:
            raise MethodError(
                f"the editor ended without a checkpoint at step {skipped[0]}, which its budget "
                "asks for"
            )
        return edited

    def evaluate(self, model: CausalLM, look: Look) -> None:
        """Evaluate the probes that are missing at a look."""
        missing = self._missing(look)
        if not missing:
            return
        self._say(f"evaluating at {look.checkpoint} ({len(missing)} examples)")
        with self._serve(model) as served:
            lacking = self._run.task.demands(look.depth) - served.serves
            needed = lacking & {Demand.TEXT, Demand.LOGPROBS}
            if needed:
                raise UsageError(f"the evaluation backend cannot give {sorted(needed)[0]}.")
            began = time.perf_counter()
            for result in self._run.task.evaluate(served, missing, look.depth):
                self.check()
                now = time.perf_counter()
                self._keep(_record(look, result, now - began, self._tries(result, look)))
                began = now

    def check(self) -> None:
        """Leave if the user wants to stop."""
        if self._stop.is_set():
            raise CancelledError

    def say(self, text: str) -> None:
        """Tell the user."""
        self._say(text)

    def close(self, status: Status, error_type: str, reason: str) -> None:
        """Give every evaluation that is missing a row with the reason."""
        for look in self._run.looks:
            for probe in self._missing(look):
                result = ProbeResult(probe, None, problem=reason)
                record = _record(look, result, 0.0, self._tries(result, look))
                fields = {**record.as_json(), "status": status, "error_type": error_type}
                self._keep(SampleRecord.read(fields))

    def _attacked(self, model: CausalLM, attack: Attack, request: EditData) -> CausalLM:
        self._say(f"attacking the edited model: {attack}")
        options, lr = self._run.task.options, self._execution.model.recommended_lr
        return attacked(model, attack, request, options.relearn_steps, lr, self._run.seed)

    def _missing(self, look: Look) -> list[Probe]:
        done = self._execution.past.finished
        return [one for one in self._run.probes if (one.sample_id, look.checkpoint) not in done]

    def _tries(self, result: ProbeResult, look: Look) -> int:
        return self._execution.past.tries((result.probe.sample_id, look.checkpoint)) + 1

    def _keep(self, record: SampleRecord) -> None:
        self._execution.keep(record)
        self._on_sample(record)


class _Progress:
    """What an editor tells of one request."""

    def __init__(
        self,
        work: _Work,
        execution: EditExecution,
        request: int,
        looks: Mapping[int, Look],
        steps: int,
    ) -> None:
        self._work = work
        self._execution = execution
        self._request = request
        self._looks = looks
        self._steps = steps
        self._reports: list[tuple[int, Mapping[str, float]]] = []
        self._said = 0.0

    def resume(self) -> State | None:
        """The last checkpoint's state."""
        return self._execution.checkpoints.load(self._request)

    def step(self, step: int, report: Mapping[str, float]) -> None:
        """Note a step."""
        self._reports.append((step, report))
        self._work.check()
        now = time.monotonic()
        if now - self._said > _SAY_EVERY_S:
            self._said = now
            loss = report.get("forget_loss")
            words = "" if loss is None else f", forget loss {loss:.3f}"
            self._work.say(f"editing: step {step} of {self._steps}{words}")

    def checkpoint(self, step: int, model: CausalLM, state: Callable[[], State]) -> None:
        """Save, then evaluate."""
        look = self._looks.get(step)
        if look is None:
            raise MethodError(
                f"the editor reports step {step}, and its checkpoints are "
                f"{', '.join(map(str, sorted(self._looks)))}"
            )
        # What the steps were like comes first: a step that is saved is not made again.
        self.flush()
        self._execution.checkpoints.save(self._request, state())
        self._work.evaluate(model, look)

    def flush(self) -> None:
        """Journal what was noted."""
        self._execution.keep_steps(self._request, self._reports)
        self._reports = []


class _Handed:
    """A progress as editors hold it: three functions, and no way to what evaluation knows."""

    __slots__ = ("_checkpoint", "_resume", "_step")

    def __init__(self, progress: _Progress) -> None:
        self._resume, self._step = progress.resume, progress.step
        self._checkpoint = progress.checkpoint

    def resume(self) -> State | None:
        """The last checkpoint's state."""
        return self._resume()

    def step(self, step: int, report: Mapping[str, float]) -> None:
        """Note a step."""
        self._step(step, report)

    def checkpoint(self, step: int, model: CausalLM, state: Callable[[], State]) -> None:
        """Save, then evaluate."""
        self._checkpoint(step, model, state)


_OUT_OF_MEMORY = (
    "the device ran out of memory; take a smaller -T batch_size, lora_rank=8, or "
    "--model-arg gradient_checkpointing=true, and run the same command again"
)


def _out_of_memory(error: BaseException) -> bool:
    import torch

    return isinstance(error, torch.OutOfMemoryError | MemoryError)


def _record(look: Look, result: ProbeResult, seconds: float, attempt: int) -> SampleRecord:
    probe = result.probe
    return SampleRecord(
        sample_id=probe.sample_id,
        sample_hash=probe.content_hash,
        source_id=probe.source_id,
        stream_id=probe.group,
        step=look.step,
        group=probe.group,
        status=Status.OK if result.score is not None else Status.FAILED,
        score=result.score,
        metrics=dict(result.metrics),
        attempt=attempt,
        checkpoint=look.checkpoint,
        error_type="" if result.score is not None else "Diverged",
        error=result.problem,
        latency_s=seconds,
        trace={"context": {"prompt": result.prompt}, "output": result.output}
        if result.output or result.prompt
        else {},
    )


def _means(reports: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Means over the steps, of what says how the edit went; none where one is no number."""
    found = dict[str, float]()
    for name in {name for one in reports for name in one}:
        values = [one[name] for one in reports if name in one]
        if all(map(math.isfinite, values)):
            found[f"step_{name}"] = sum(values) / len(values)
    return dict(sorted(found.items()))


def _forget_peak_memory() -> None:
    """Begin anew, so that a run does not answer for the one before it; a process cannot."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def _peak_memory() -> int:
    """Most memory that was in use: of the GPU where there is one, else of the process."""
    import resource
    import sys

    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
