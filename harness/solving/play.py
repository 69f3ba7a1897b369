"""One test input: asked, scored behind the solver's back, written down."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
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
from harness.protocols.solve.method import Ballot, Candidate, Desk, Query, Solver, Voting
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
        answer, status, problem = Answer(), Status.OK, None
        try:
            found = await self.voting.solve(self._ask, asked.query(self.attempts), desk)
            self._raise_hidden()
            answer = _answer(found, desk, asked)
        except (StorageError, CeilingReached):
            raise
        except Exception as error:  # noqa: BLE001 - the one place that turns it into a row
            hidden = None if self.client is None else self.client.failure
            if isinstance(hidden, CeilingReached):
                raise hidden from None
            problem = hidden or error
            broke = isinstance(problem, InfrastructureError) or out_of_memory(problem)
            status = Status.ERROR if broke else Status.FAILED
        seconds = time.perf_counter() - began
        calls = [] if self.client is None else self.client.calls
        self.commit(
            SampleRecord(
                **place_of(asked),
                status=status,
                score=score_of(answer, asked, self.attempts, status),
                metrics={**answer.counts, **_metrics(answer, asked, self.attempts, status)},
                attempt=self.attempt,
                error_type=type(problem).__name__ if problem else "",
                error=self._reason(problem),
                input_tokens=sum(one.response.input_tokens for one in calls),
                output_tokens=sum(one.response.output_tokens for one in calls),
                latency_s=seconds,
                trace=_trace(answer, asked, self.attempts, calls),
            )
        )

    async def _ask(self, query: Query, desk: Desk) -> Sequence[Candidate]:
        try:
            return await call_hook(self.solver.solve, query, desk)
        except SystemExit as error:
            raise MethodError("it called exit, which would end everything") from error

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
    """What a solver gave, checked; of one that broke nothing is kept.

    Attributes:
        candidates: distinct grids, best first.
        alternatives: what the answer would have been, by name.
        counts: what it counted.
        notes: what it noted, as JSON values.
    """

    candidates: tuple[Candidate, ...] = ()
    alternatives: Mapping[str, tuple[Candidate, ...]] = field(
        default_factory=dict[str, tuple[Candidate, ...]]
    )
    counts: Mapping[str, float] = field(default_factory=dict[str, float])
    notes: Mapping[str, Any] = field(default_factory=dict[str, Any])


OURS = frozenset(
    {"solved", "first", "rank", "candidates", "voters", "top_votes", "top_confidence", "calls"}
)
"""Metrics of a sample that no solver may write."""


def refuse_names(names: Iterable[str], ours: Collection[str]) -> None:
    """Refuse metrics of a solver that would pass for the harness's own.

    Raises:
        MethodError: one does.
    """
    for name in names:
        if name in ours or "@" in name or "/" in name:
            raise MethodError(f"it may not write the metric '{name}'; choose another name")


def _answer(found: Any, desk: Desk, asked: Asked) -> Answer:
    """Everything that a solver gave.

    Raises:
        MethodError: some of it is not what it has to be.
    """
    domain = asked.problem.puzzle.domain
    refuse_names(desk.counts, OURS)
    counts = {name: float(value) for name, value in sorted(desk.counts.items())}
    if not all(map(math.isfinite, counts.values())):
        raise MethodError("it counted what is no finite number")
    if desk.ask is not None:
        counts["calls"] = float(len(desk.ask.calls))
    try:
        notes = json.loads(json.dumps(desk.notes, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise MethodError(f"its notes are no JSON values ({error})") from error
    alternatives = {name: checked(one, domain) for name, one in desk.alternatives.items()}
    return Answer(checked(found, domain), alternatives, counts, notes)


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
        if not all(isinstance(ballot, Ballot) for ballot in one.ballots):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise MethodError(f"candidate {number} has ballots that are no Ballot")
        kept.setdefault(grid, Candidate(grid, tuple(one.ballots)))
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
        for count in _doublings(voters):
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


def _doublings(voters: int) -> list[int]:
    """1, 2, 4, ... until all voters are among them: where the curve over votes is looked at."""
    counts = [1]
    while counts[-1] < voters:
        counts.append(2 * counts[-1])
    return counts


def _trace(
    answer: Answer, asked: Asked, attempts: int, calls: Sequence[CallRecord]
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
            **({"notes": answer.notes} if answer.notes else {}),
        },
        "output": json.dumps([one.grid for one in answer.candidates[:attempts]]),
    }
