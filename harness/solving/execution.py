"""One solve run: its fit, its lanes, its row."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from harness.errors import InfrastructureError, StorageError
from harness.local_runs import blame
from harness.models.client import StreamClient
from harness.outcomes import in_thread
from harness.protocols.solve.method import Solver
from harness.protocols.solve.rules import curves
from harness.results.schema import SampleRecord, Status
from harness.results.store import Attempt, ResultsStore
from harness.results.totals import Totals
from harness.served import Engine, Execution, OnSample
from harness.solving.fits import Fits, Telling, blamed, fit_key
from harness.solving.plan import Asked, SolveRun
from harness.solving.play import OURS, SolveLane, place_of, refuse_names
from harness.sweep import Sweep


class SolveExecution(Execution):
    """One solve run on its way from the plan to the tables.

    Raises:
        UsageError: the run was begun with another model, and two would be mixed.
    """

    def __init__(
        self,
        run: SolveRun,
        attempt: Attempt,
        store: ResultsStore,
        sweep: Sweep,
        engine: Engine,
        fits: Fits,
        telling: Telling,
    ) -> None:
        super().__init__(run, attempt, store, sweep, engine)
        self.run = run
        self._fits, self._telling = fits, telling
        self._fit_metrics: Mapping[str, float] = {}

    async def lanes(self, on_sample: OnSample) -> AsyncGenerator[SolveLane]:
        """Fit the solver, then build a lane for each test input that remains.

        A fit that breaks is every test input's failure, or error where the machine broke it.
        """
        finished = self._past.finished
        remaining = [one for one in self.run.asked if one.sample_id not in finished]
        solver, voting = self.run.method.construct()
        if solver.fits():
            try:
                await self._fit(solver)
            except StorageError:
                raise
            except InfrastructureError as error:
                self._close(remaining, on_sample, Status.ERROR, type(error).__name__, str(error))
                return
            except Exception as error:  # noqa: BLE001 - the one place that turns it into rows
                advice = "take a smaller batch in the solver's options"
                self._close(remaining, on_sample, *blame(error, advice))
                return
        for asked in remaining:
            seed_text = self.run.seed_text(asked)
            yield SolveLane(
                asked=asked,
                attempts=self.run.task.options.attempts,
                solver=solver,
                voting=voting,
                seed_text=seed_text,
                client=self._client(seed_text),
                answered=self._past.answered.get(asked.sample_id, ()),
                attempt=1 + self._past.tries.get(asked.sample_id, 0),
                commit=lambda record: self._commit(record, on_sample),
            )

    async def _fit(self, solver: Solver) -> None:
        """Obtain the fit and give it to the solver."""

        def work(stop: threading.Event) -> None:
            state = self._fits.obtain(self.run, solver, self._telling, stop)
            with blamed(self.run, "was given its fit"):
                solver.load(state, self.run.fit_data)
                metrics = state.get("metrics", {})
                self._fit_metrics = {name: float(value) for name, value in metrics.items()}
            refuse_names(self._fit_metrics, OURS | {"score", "strict", "pooled", "task_mean"})

        await in_thread(work)

    def _client(self, seed_text: str) -> StreamClient | None:
        if not self.run.asks_model:
            return None
        return StreamClient(self._gate, self._sampling, seed_text, self._record_call)

    def _close(
        self,
        remaining: Sequence[Asked],
        on_sample: OnSample,
        status: Status,
        error_type: str,
        reason: str,
    ) -> None:
        """Give every test input that is missing a row with the reason."""
        for asked in remaining:
            record = SampleRecord(
                **place_of(asked),
                status=status,
                score=0.0 if status is Status.FAILED else None,
                attempt=1 + self._past.tries.get(asked.sample_id, 0),
                error_type=error_type,
                error=reason,
            )
            self._commit(record, on_sample)

    def _metrics(self, totals: Totals) -> Mapping[str, float]:
        means = {
            name: value
            for name, value in totals.means().items()
            if name != "score" and "@" not in name
        }
        self._summary = self.run.task.summarise(self.run.problems, self._records())
        curved = curves(self._records()) if self._summary.metrics else {}
        return {**self._fit_metrics, **means, **curved, **self._summary.metrics}

    def _row(self, totals: Totals) -> dict[str, Any]:
        run, kind = self.run, self.run.method.left.type
        row = super()._row(totals)
        settings: dict[str, Any] = {
            "setting": kind.setting,
            "exposure": kind.exposure,
            "missing": dict(self._summary.missing),
        }
        if kind.fits():
            settings["fit"] = fit_key(run)
            settings["labelled"] = len(run.labelled)
            settings["exposed"] = dict(run.task.exposed(run.spec.data_seed))
        return {**row, "protocol_settings": json.dumps(settings, sort_keys=True)}
