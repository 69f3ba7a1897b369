"""Where runs execute: this process; a cluster would be another class with the same `execute`.

All lanes of all runs share one pool of places, as many as requests may be in flight, so that
streams fill the model's batches whatever run they belong to. A run is published as soon as its
last lane ends.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from typing import Any

from harness.adapting.executor import execute_adaptations
from harness.adapting.plan import AdaptRun
from harness.editing.executor import execute_edits
from harness.editing.plan import EditRun
from harness.editing.reference import refuse_other_reference
from harness.errors import (
    CeilingReached,
    HarnessError,
    InfrastructureError,
    MethodError,
    StorageError,
    UsageError,
)
from harness.models.base import Host, Model, ModelIdentity, ModelKind, decisive
from harness.models.cache import ResponseCache
from harness.models.ceilings import Ceilings, price_of
from harness.models.chat import ChatModel
from harness.models.client import Gate
from harness.models.embedders import RankingModel
from harness.outcomes import Progress, RunOutcome, run_title
from harness.plan import ModelOpener, Plan, PlannedRun, StreamRun, open_model
from harness.results.past import Kept
from harness.results.schema import SampleRecord, Status
from harness.results.store import Attempt, JournalHeld, ResultsStore, RunSummary
from harness.runner import run_code_hash
from harness.served import Engine, Execution, Playable
from harness.solving.execution import SolveExecution
from harness.solving.fits import Fits, Telling
from harness.solving.plan import SolveRun
from harness.streaming.execution import StreamExecution
from harness.streaming.inherited import source_of
from harness.sweep import Sweep

_KINDS: Mapping[type[PlannedRun], ModelKind] = {
    StreamRun: ModelKind.CHAT,
    EditRun: ModelKind.CAUSAL_LM,
    AdaptRun: ModelKind.CLASSIFIER,
    SolveRun: ModelKind.CHAT,
}


ServedRun = StreamRun | SolveRun
"""Runs whose samples are played one by one and may ask a chat model."""
_ALONE = Engine(None, ModelIdentity("", "", "none", ""))
"""What a run works with whose method asks no model."""


class LocalExecutor:
    """Executes runs in this process."""

    def __init__(
        self, store: ResultsStore, progress: Progress, opener: ModelOpener = open_model
    ) -> None:
        self._store = store
        self._progress = progress
        self._open = opener
        self._fits: Fits | None = None

    async def execute(self, plan: Plan) -> list[RunOutcome]:
        """Execute the runnable runs of a plan; equal finished ones are left as they are.

        Raises:
            UsageError: a model cannot be started.
            StorageError: results can no longer be written; everything has stopped.
        """
        outcomes = dict[int, RunOutcome]()
        attempts = list[tuple[int, PlannedRun, Attempt]]()
        for run in plan.runnable:
            if isinstance(run, StreamRun):
                source_of(self._store, run)  # before anything is begun
        async with AsyncExitStack() as stack:
            for position, run in enumerate(plan.runs):
                if run.skipped:
                    outcomes[position] = RunOutcome(run, note=f"skipped: {run.skipped}")
                    continue
                claimed = self._claim(run, plan.sweep)
                if isinstance(claimed, RunOutcome):
                    outcomes[position] = claimed
                else:
                    stack.callback(claimed.journal.close)
                    attempts.append((position, run, claimed))
            ceilings = plan.ceilings()
            for outcome in outcomes.values():
                _charge(outcome.run, outcome, plan, ceilings)
            for _, run, attempt in attempts:
                _charge(run, attempt, plan, ceilings)
            edits = [
                (position, run, attempt)
                for position, run, attempt in attempts
                if isinstance(run, EditRun)
            ]
            outcomes |= await execute_edits(
                edits, self._store, plan.sweep, self._progress, self._open, self._host()
            )
            adaptations = [
                (position, run, attempt)
                for position, run, attempt in attempts
                if isinstance(run, AdaptRun)
            ]
            outcomes |= await execute_adaptations(
                adaptations, self._store, plan.sweep, self._progress, self._open, self._host()
            )
            for position, run, attempt in attempts:
                if isinstance(run, SolveRun) and not run.asks_model:
                    # One after another: the machine is not shared.
                    places = Places(1)
                    outcomes[position] = await self._run(run, attempt, plan, _ALONE, places)
            served = [
                (position, run, attempt)
                for position, run, attempt in attempts
                if isinstance(run, StreamRun) or (isinstance(run, SolveRun) and run.asks_model)
            ]
            # Streams are sequential, so they get their places before items that can wait.
            served.sort(key=lambda one: not _is_stream(one[1]))
            runs = [run for _, run, _ in served]
            ranking = await self._start_embedder(plan.sweep, runs, stack)
            for models in self._groups(plan.sweep, runs):
                mine = [one for one in served if one[1].spec.model in models]
                done = await self._run_group(plan, mine, models, ranking, ceilings)
                for (position, _, _), outcome in zip(mine, done, strict=True):
                    outcomes[position] = outcome
        return [outcomes[position] for position in sorted(outcomes)]

    def _claim(self, run: PlannedRun, sweep: Sweep) -> Attempt | RunOutcome:
        try:
            claimed = self._store.claim(run.spec.work_key(), run_code_hash(run), fresh=sweep.fresh)
        except JournalHeld as error:
            return RunOutcome(run, note=str(error))
        if isinstance(claimed, RunSummary):
            if not (isinstance(run, SolveRun) and not run.asks_model):
                model: Model = self._open(run.spec.model, sweep, _KINDS[type(run)])
                _refuse_other_options(claimed, model.engine_options())
            if isinstance(run, EditRun):
                refuse_other_reference(self._store, run, claimed.run_id, sweep.reference)
            return RunOutcome(
                run,
                claimed.run_id,
                claimed.status,
                n_done=claimed.n_done,
                n_failed=claimed.n_failed,
                score=claimed.score,
                note="nothing to do: finished before (--fresh starts again)",
                paid_input_tokens=claimed.paid_input_tokens,
                paid_output_tokens=claimed.paid_output_tokens,
            )
        return claimed

    async def _start_embedder(
        self, sweep: Sweep, runs: Sequence[ServedRun], stack: AsyncExitStack
    ) -> tuple[RankingModel, ModelIdentity] | None:
        """Start the embedder if a run needs similarities."""
        if not any(run.spec.embedder for run in runs):
            return None
        embedder: RankingModel = self._open(sweep.embedder, sweep, ModelKind.EMBEDDER)
        stack.push_async_callback(embedder.close)
        self._progress.status(f"starting embedder {sweep.embedder} ...")
        return embedder, await embedder.start(self._host())

    def _groups(self, sweep: Sweep, runs: Sequence[ServedRun]) -> list[dict[str, ChatModel]]:
        """Models that may be up at the same time; one that takes the machine is a group alone."""
        shared, alone = dict[str, ChatModel](), list[dict[str, ChatModel]]()
        for name in dict.fromkeys(run.spec.model for run in runs):
            model: ChatModel = self._open(name, sweep, ModelKind.CHAT)
            if model.takes_the_machine:
                alone.append({name: model})
            else:
                shared[name] = model
        return [shared, *alone] if shared else alone

    async def _run_group(
        self,
        plan: Plan,
        attempts: Sequence[tuple[int, ServedRun, Attempt]],
        models: Mapping[str, ChatModel],
        ranking: tuple[RankingModel, ModelIdentity] | None,
        ceilings: Ceilings,
    ) -> list[RunOutcome]:
        """Start models, execute the runs that name them, and close the models."""
        sweep, engines = plan.sweep, dict[str, Engine]()
        async with AsyncExitStack() as stack:
            for name, model in models.items():
                stack.push_async_callback(model.close)
                self._progress.status(f"starting model {name} ...")
                identity = await model.start(self._host())
                cache = ResponseCache(identity) if sweep.cache else None
                if cache is not None:
                    stack.callback(cache.close)
                gate = Gate(
                    model,
                    sweep.max_in_flight,
                    ceilings=ceilings,
                    price=price_of(name, plan.prices),
                    cache=cache,
                )
                engines[name] = Engine(gate, identity, *(ranking or (None, None)))
            places = Places(sweep.max_in_flight)
            return await _all(
                [
                    self._run(run, attempt, plan, engines[run.spec.model], places)
                    for _, run, attempt in attempts
                ]
            )

    def _execution(
        self, run: ServedRun, attempt: Attempt, sweep: Sweep, engine: Engine
    ) -> Execution:
        if isinstance(run, StreamRun):
            return StreamExecution(run, attempt, self._store, sweep, engine)

        telling = Telling(
            begins=lambda text: self._progress.status(f"{run_title(run)}: {text}"),
            working=lambda text: self._progress.working(attempt.run_id, text),
        )
        if self._fits is None:
            self._fits = Fits(self._store.root / "fits", fresh=sweep.fresh)
        return SolveExecution(run, attempt, self._store, sweep, engine, self._fits, telling)

    def _host(self) -> Host:
        return Host(self._store.root / "logs", self._progress.status)

    async def _run(
        self,
        run: ServedRun,
        attempt: Attempt,
        plan: Plan,
        engine: Engine,
        places: Places,
    ) -> RunOutcome:
        if not run.spec.embedder:
            engine = replace(engine, ranking=None, ranking_identity=None)
        execution = self._execution(run, attempt, plan.sweep, engine)
        run_id, first_problem, stopped = attempt.run_id, list[str](), list[str]()
        shown = isinstance(run, StreamRun) or run.score_is_mean
        finished = execution.finished if shown else [_unscored(one) for one in execution.finished]
        self._progress.begin(run_id, run_title(run), run.n_samples + run.n_probes, finished)

        def on_sample(record: SampleRecord) -> None:
            if record.status in (Status.ERROR, Status.FAILED) and not first_problem:
                first_problem.append(f"{record.sample_id} {record.status}: {record.error}")
            self._progress.advance(run_id, record if shown else replace(record, score=None))

        async def play(lane: Playable) -> None:
            try:
                await lane.play()
            except CeilingReached as error:
                # The other lanes end in the same way, with what they have under way.
                stopped.append(f"{error}; a higher one goes on with the same command")

        try:
            async with aclosing(execution.lanes(on_sample)) as lanes, asyncio.TaskGroup() as group:
                async for lane in lanes:
                    await places.take(urgent=_is_stream(run))
                    playing = group.create_task(play(lane))
                    # Not at the end of `play`: a task that is cancelled before it begins has none.
                    playing.add_done_callback(lambda _task: places.give_back())
                    if stopped:
                        break
        except BaseExceptionGroup as failures:
            error = _first(failures)
            if isinstance(error, StorageError) or not isinstance(
                error, MethodError | InfrastructureError
            ):
                raise error from None
            first_problem.insert(0, str(error))
        finally:
            self._progress.end(run_id)
            await execution.close()
        row = execution.publish()
        return RunOutcome.of_row(run, row, "; ".join([*stopped[:1], *first_problem[:1]]))


def _unscored(kept: Kept) -> Kept:
    return replace(kept, score=None)


def _is_stream(run: ServedRun) -> bool:
    """Whether its samples have to wait for one another."""
    return isinstance(run, StreamRun) and run.method.right.type.stateful


class Places:
    """Places for lanes; streams are sequential and decide how long a sweep takes, so they go first.

    Args:
        count: how many lanes may be played at once.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: dict[bool, deque[asyncio.Future[None]]] = {True: deque(), False: deque()}

    async def take(self, *, urgent: bool) -> None:
        """Wait for a place."""
        if self._free > 0:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[urgent].append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.give_back()
            raise

    def give_back(self) -> None:
        """Hand a place to whoever waits longest, streams before single items."""
        for waiting in (self._waiting[True], self._waiting[False]):
            while waiting:
                turn = waiting.popleft()
                if not turn.done():
                    turn.set_result(None)
                    return
        self._free += 1


def _refuse_other_options(finished: RunSummary, given: Mapping[str, str]) -> None:
    """A finished run answers for the engine options that it was made with, and for no others.

    Raises:
        UsageError: other ones are given now.
    """
    made, now = decisive(json.loads(finished.engine_options)), decisive(given)
    for name in sorted({*made, *now}):
        if made.get(name, "unset").lower() != now.get(name, "unset").lower():
            raise UsageError(
                f"run {finished.run_id} was finished with {name}={made.get(name, 'unset')}, and "
                f"{name}={now.get(name, 'unset')} is asked for; take the same engine options, or "
                "--fresh for another attempt."
            )


def _charge(run: PlannedRun, spent: RunOutcome | Attempt, plan: Plan, ceilings: Ceilings) -> None:
    """Count what earlier executions of a run have taken."""
    price = price_of(run.spec.model, plan.prices)
    ceilings.spend(spent.paid_input_tokens, spent.paid_output_tokens, price)


async def _all(jobs: Sequence[Awaitable[Any]]) -> list[Any]:
    """Await all; at the first exception the others are cancelled and it alone is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_one(job)) for job in jobs]
    except BaseExceptionGroup as failures:
        raise _first(failures) from None
    return [task.result() for task in tasks]


async def _one(job: Awaitable[Any]) -> Any:
    return await job


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The most telling exception of a group: one of ours before anything else."""
    leaves = list[BaseException]()
    for error in group.exceptions:
        leaves.append(_first(error) if isinstance(error, BaseExceptionGroup) else error)
    return next((one for one in leaves if isinstance(one, HarnessError)), leaves[0])
