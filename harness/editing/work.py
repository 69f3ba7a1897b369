"""What an edit run does once: make the model, edit it, evaluate it at every look, attack it.

The execution keeps the records; this module says what is to be done next, and hands editors the
progress that they tell of their steps and checkpoints.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from harness import memory
from harness.editing.attacks import attacked
from harness.editing.plan import Look, open_editor
from harness.errors import (
    HarnessError,
    InfrastructureError,
    MethodError,
    TaskError,
    UsageError,
)
from harness.local_runs import out_of_memory
from harness.models.base import ModelKind
from harness.models.causal import CausalLMModel
from harness.plan import open_model
from harness.protocols.edit.causal import CausalLM
from harness.protocols.edit.data import EditData
from harness.protocols.edit.language_model import Demand, LanguageModel
from harness.protocols.edit.method import Budget, ModelEditor, State
from harness.protocols.edit.task import Attack, Probe, ProbeResult
from harness.results.schema import SampleRecord, Status
from harness.sweep import Sweep

if TYPE_CHECKING:
    from harness.editing.execution import EditExecution

Say = Callable[[str], None]
OnSample = Callable[[SampleRecord], None]
Serve = Callable[[CausalLM], AbstractContextManager[LanguageModel]]
"""Makes a model ready to be evaluated."""

_SAY_EVERY_S = 5.0


class Work:
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
        self.say = say
        """Tells the user."""
        self._on_sample = on_sample
        self._stop = stop
        self._refused: UsageError | None = None
        """What an evaluation refused, for which no editor is to blame."""

    def do(self) -> None:
        """Edit once for each request, evaluate at every look."""
        run, task = self._run, self._run.task
        memory.forget_peak()
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
        self.say(text)

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
        except (UsageError, MethodError, InfrastructureError, CancelledError) as error:
            if isinstance(error, UsageError) and error is not self._refused:
                raise MethodError(str(error)) from error
            raise
        except Exception as error:
            if out_of_memory(error):
                raise
            raise MethodError(f"{type(error).__name__}: {error}") from error
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
        self.say(f"evaluating at {look.checkpoint} ({len(missing)} examples)")
        try:
            self._evaluate(model, look, missing)
        except UsageError as error:
            self._refused = error
            raise
        except (HarnessError, CancelledError):
            raise
        except Exception as error:
            if out_of_memory(error):
                raise
            raise TaskError(
                f"the evaluation broke at {look.checkpoint} ({type(error).__name__}: {error})"
            ) from error

    def _evaluate(self, model: CausalLM, look: Look, missing: Sequence[Probe]) -> None:
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

    def close(self, status: Status, error_type: str, reason: str) -> None:
        """Give every evaluation that is missing a row with the reason."""
        for look in self._run.looks:
            for probe in self._missing(look):
                result = ProbeResult(probe, None, problem=reason)
                record = _record(look, result, 0.0, self._tries(result, look))
                fields = {**record.as_json(), "status": status, "error_type": error_type}
                self._keep(SampleRecord.read(fields))

    def _attacked(self, model: CausalLM, attack: Attack, request: EditData) -> CausalLM:
        self.say(f"attacking the edited model: {attack}")
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
        work: Work,
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
        return self._execution.checkpoints.load(f"request-{self._request + 1}")

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
        self._execution.checkpoints.save(f"request-{self._request + 1}", state())
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
