"""One test input: asked, scored behind the solver's back, written down."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.errors import (
    CeilingReached,
    HarnessError,
    InfrastructureError,
    MethodError,
    StorageError,
)
from harness.hooks import call_hook
from harness.local_runs import out_of_memory
from harness.models.client import CallRecord, StreamClient
from harness.protocols.solve.grids import BadGrid, Domain, Grid, read_grid
from harness.protocols.solve.method import Candidate, Desk, Query, Solver, Voting
from harness.protocols.solve.voting import among, rank_of
from harness.results.schema import SampleRecord, Status
from harness.solving.plan import Asked

_SHOWN = 10
"""Candidates that a trace keeps."""


@dataclass
class SolveLane:
    """One test input that remains.

    Attributes:
        asked: the test input and its output.
        attempts: K.
        solver: fitted, where it is to be.
        voting: asks it.
        seed_text: decides what is drawn.
        client: the model, where the solver asks one.
        answered: journalled calls of an earlier try.
        attempt: which try this is.
        commit: takes the record.
    """

    asked: Asked
    attempts: int
    solver: Solver
    voting: Voting
    seed_text: str
    client: StreamClient | None
    answered: Sequence[Mapping[str, Any]]
    attempt: int
    commit: Callable[[SampleRecord], None]

    async def play(self) -> None:
        """Ask, score and commit.

        Raises:
            StorageError: the commit could not be written.
            CeilingReached: no more may be asked.
        """
        asked, began = self.asked, time.perf_counter()
        if self.client is not None:
            self.client.begin(asked.sample_id, self.answered)
        desk = Desk(self.seed_text, self.client)
        query = asked.query(self.attempts)
        answer, status, problem = Answer(), Status.OK, None
        try:
            found = await self.voting.solve(self._ask, query, desk)
            self._raise_hidden()
            answer = Answer(checked(found, query.puzzle.domain))
            alternatives = {
                name: checked(one, query.puzzle.domain) for name, one in desk.alternatives.items()
            }
            answer = Answer(answer.candidates, alternatives)
        except (StorageError, CeilingReached):
            raise
        except Exception as error:  # noqa: BLE001 - the one place that turns it into a row
            hidden = None if self.client is None else self.client.failure
            if isinstance(hidden, CeilingReached):
                raise hidden from None
            problem = hidden or error
            broke = isinstance(problem, InfrastructureError) or out_of_memory(problem)
            status = Status.ERROR if broke else Status.FAILED
        calls = [] if self.client is None else self.client.calls
        seconds = time.perf_counter() - began
        self.commit(
            SampleRecord(
                **place_of(asked),
                status=status,
                score=score_of(answer, asked, self.attempts, status),
                metrics={**_metrics(answer, asked, self.attempts, status), **_usage(desk, calls)},
                attempt=self.attempt,
                error_type=type(problem).__name__ if problem else "",
                error=self._reason(problem),
                input_tokens=sum(one.response.input_tokens for one in calls),
                output_tokens=sum(one.response.output_tokens for one in calls),
                latency_s=seconds,
                trace=_trace(answer, asked, self.attempts, desk, calls),
            )
        )

    async def _ask(self, query: Query, desk: Desk) -> Sequence[Candidate]:
        return await call_hook(self.solver.solve, query, desk)

    def _raise_hidden(self) -> None:
        """A solver must not turn a failed call into a bad answer by swallowing the exception."""
        if self.client is not None and self.client.failure is not None:
            raise self.client.failure

    def _reason(self, problem: BaseException | None) -> str:
        if problem is None:
            return ""
        who = type(self.solver).__name__
        if isinstance(problem, MethodError):
            return f"{who}: {problem}"
        if isinstance(problem, HarnessError):
            return str(problem)
        return f"{who} raised {type(problem).__name__}: {problem}"


@dataclass(frozen=True)
class Answer:
    """What a solver gave: distinct grids, best first."""

    candidates: tuple[Candidate, ...] = ()
    alternatives: Mapping[str, tuple[Candidate, ...]] = field(
        default_factory=dict[str, tuple[Candidate, ...]]
    )


def checked(found: Any, domain: Domain) -> tuple[Candidate, ...]:
    """Candidates with their grids checked; one that came before counts no second time.

    Raises:
        MethodError: they are no candidates, or a grid is none.
    """
    if not isinstance(found, Iterable) or isinstance(found, str):
        raise MethodError(f"solve returned a {type(found).__name__}, no list of Candidate")
    kept = dict[Grid, Candidate]()
    for number, one in enumerate(found, 1):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        if not isinstance(one, Candidate):
            raise MethodError(f"candidate {number} is a {type(one).__name__}, no Candidate")  # pyright: ignore[reportUnknownArgumentType]
        try:
            grid = read_grid(one.grid, domain)
        except BadGrid as error:
            raise MethodError(f"candidate {number} is no grid: {error}") from error
        kept.setdefault(grid, Candidate(grid, one.ballots))
    return tuple(kept.values())


def place_of(asked: Asked) -> dict[str, Any]:
    """What a sample's row says of its test input."""
    return {
        "sample_id": asked.sample_id,
        "sample_hash": asked.content_hash,
        "source_id": asked.source_id,
        "stream_id": "",
        "step": asked.step,
        "group": asked.group,
    }


def score_of(answer: Answer, asked: Asked, attempts: int, status: Status) -> float | None:
    """1 where one of the attempts is the output, 0 where none is or the solver broke."""
    if status is Status.FAILED:
        return 0.0
    return None if status is Status.ERROR else _solved(answer.candidates, asked, attempts)


def _solved(candidates: Sequence[Candidate], asked: Asked, attempts: int) -> float:
    gold = asked.problem.answers[asked.number]
    return float(any(one.grid == gold for one in candidates[:attempts]))


def _metrics(answer: Answer, asked: Asked, attempts: int, status: Status) -> dict[str, float]:
    if status is Status.ERROR:
        return {}
    candidates = answer.candidates
    metrics = _scored("", candidates, asked, attempts)
    metrics["candidates"] = float(len(candidates))
    rank = rank_of(candidates, asked.problem.answers[asked.number])
    if rank is not None:
        metrics["rank"] = float(rank)
    for name, other in answer.alternatives.items():
        metrics |= _scored(f"@{name}", other, asked, attempts)
    voters = 1 + max((two.voter for one in candidates for two in one.ballots), default=0)
    if voters > 1:
        metrics["voters"] = float(voters)
        for count in _halvings(voters):
            metrics |= _scored(f"@votes_{count}", among(candidates, count), asked, attempts)
    if candidates:
        metrics["top_votes"] = float(len(candidates[0].ballots))
        metrics["top_confidence"] = candidates[0].confidence
    return metrics


def _scored(
    suffix: str, candidates: Sequence[Candidate], asked: Asked, attempts: int
) -> dict[str, float]:
    return {
        f"solved{suffix}": _solved(candidates, asked, attempts),
        f"first{suffix}": _solved(candidates, asked, 1),
    }


def _halvings(voters: int) -> list[int]:
    """1, 2, 4, ... and all voters: where the curve over votes is looked at."""
    counts, count = list[int](), 1
    while count < voters:
        counts.append(count)
        count *= 2
    return [*counts, voters]


def _usage(desk: Desk, calls: Sequence[CallRecord]) -> dict[str, float]:
    usage = {name: float(value) for name, value in sorted(desk.counts.items())}
    if desk.ask is not None:
        usage["calls"] = float(len(calls))
    return usage


def _trace(
    answer: Answer, asked: Asked, attempts: int, desk: Desk, calls: Sequence[CallRecord]
) -> dict[str, Any]:
    """What was asked and answered; with it a reader can draw the puzzle."""
    puzzle = asked.problem.puzzle
    return {
        "calls": [one.as_json() for one in calls],
        "trajectory": [
            {"grid": one.grid, "votes": len(one.ballots), "confidence": one.confidence}
            for one in answer.candidates[:_SHOWN]
        ],
        "context": {
            "train": [[one.input, one.output] for one in puzzle.train[:_SHOWN]],
            "test": puzzle.tests[asked.number],
            "gold": asked.problem.answers[asked.number],
            "symbols": puzzle.domain.symbols,
            "attempts": attempts,
            **({"notes": desk.notes} if desk.notes else {}),
        },
        "output": json.dumps([one.grid for one in answer.candidates[:attempts]]),
    }
