"""What every solver, voting and task of puzzles has to keep, tried on toy puzzles."""

from __future__ import annotations

import asyncio
import io
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import options
from harness.conformance.toy import ToyModel
from harness.errors import HarnessError
from harness.hooks import call_hook
from harness.methods import Method
from harness.models.base import ModelRequest
from harness.models.chat import Sampling
from harness.models.client import Gate, StreamClient
from harness.protocols.solve import Candidate, Desk, FitData, FitDesk, Pair, Puzzle, Query, Solver
from harness.protocols.solve.grids import BadGrid, Grid, read_grid
from harness.protocols.solve.puzzle import faults
from harness.protocols.solve.task import SolveTask
from harness.results.checkpoints import Checkpoints
from harness.solving.play import checked

_ATTEMPTS = 2
_KILLED_AT = (2, 7)
"""Checks of a fit's desk at which it is killed."""


def check_solver(method: Method) -> Iterator[str]:
    """Solve toy puzzles: valid candidates, repeatable, and a fit that survives a kill."""
    name = f"method '{method.label}'"
    if any(_solver(method).misfit(puzzle) for puzzle in _data().puzzles):
        return  # it is of other puzzles, or needs an option
    try:
        first = _answers(method, _fitted(method))
        again = _answers(method, _fitted(method))
        resumed = _answers(method, _killed(method)) if method.left.type.fits() else first
    except HarnessError as error:
        yield f"{name} gave up on toy puzzles: {error}"
        return
    except Exception as error:  # noqa: BLE001 - whatever a method raises is what is to be told
        yield f"{name} raised {type(error).__name__}: {error}"
        return
    if first != again:
        yield f"{name} differs when it is asked again; draw from desk.draw() and desk.seed."
    elif first != resumed:
        yield f"{name} ends elsewhere after its fit was killed; desk.save() lacks some."


def check_solve_task(task: SolveTask, twin: SolveTask) -> Iterator[str]:
    """Puzzles are there, repeatable, well formed, and no labelled one gives an answer away."""
    problems, labelled = list(task.problems(0)), list(task.labelled(0))
    if not problems:
        yield "problems(...) holds no puzzle."
        return
    yield from faults((*problems, *labelled))
    if problems != list(twin.problems(0)) or labelled != list(twin.labelled(0)):
        yield "problems(...) or labelled(...) differs when it is asked again."
    for one in (*problems, *labelled):
        puzzle = one.puzzle
        grids = [grid for pair in puzzle.train for grid in (pair.input, pair.output)]
        for grid in (*grids, *puzzle.tests, *one.answers):
            try:
                read_grid(grid, puzzle.domain)
            except BadGrid as error:
                yield f"puzzle {puzzle.puzzle_id} holds what is no grid: {error}."
                break
    asked = {pair for one in problems for pair in one.pairs}
    given = [one for one in labelled if asked & {*one.puzzle.train, *one.pairs}]
    if given:
        yield f"labelled(...) gives answers away, first in puzzle {given[0].puzzle.puzzle_id}."


def _fitted(method: Method) -> Solver:
    """A solver that was fitted on toy puzzles in one go."""
    solver = _solver(method)
    if type(solver).fits():
        with tempfile.TemporaryDirectory() as folder:
            state = solver.fit(_data(), FitDesk(0, Checkpoints(Path(folder))))
        solver.load(_written(state), _data())
    return solver


def _killed(method: Method) -> Solver:
    """The same, killed twice on the way."""
    with tempfile.TemporaryDirectory() as folder:
        for checks in _KILLED_AT:
            desk = FitDesk(0, Checkpoints(Path(folder)), stop=_Bomb(checks))
            try:
                _solver(method).fit(_data(), desk)
            except CancelledError:
                continue
        solver = _solver(method)
        state = solver.fit(_data(), FitDesk(0, Checkpoints(Path(folder))))
        solver.load(_written(state), _data())
    return solver


class _Bomb(threading.Event):
    """Set from the n-th time on that somebody looks."""

    def __init__(self, checks: int) -> None:
        super().__init__()
        self._left = checks

    def is_set(self) -> bool:
        """Count a look."""
        self._left -= 1
        return self._left <= 0


@dataclass(frozen=True)
class _Opened:
    """An answer as plain values."""

    grids: tuple[Grid, ...]
    votes: tuple[int, ...]


def _answers(method: Method, solver: Solver) -> list[_Opened]:
    return asyncio.run(_ask(method, solver))


async def _ask(method: Method, solver: Solver) -> list[_Opened]:
    _, voting = method.construct()

    async def ask(query: Query, desk: Desk) -> Sequence[Candidate]:
        return await call_hook(solver.solve, query, desk)

    found = list[_Opened]()
    for puzzle in _data().puzzles:
        client = None
        if type(solver).needs_model:
            gate = Gate(ToyModel(ModelRequest("toy")), 4)
            client = StreamClient(gate, Sampling(), "toy", lambda _record: None)
        given = await voting.solve(ask, Query(puzzle, 0, _ATTEMPTS), Desk("toy", client))
        candidates = checked(given, puzzle.domain)
        found.append(
            _Opened(
                tuple(one.grid for one in candidates),
                tuple(len(one.ballots) for one in candidates),
            )
        )
    return found


def _solver(method: Method) -> Solver:
    """The solver with its options for checks."""
    kind = method.left.type
    given = {**method.left.options.given(), **kind.quick}
    return kind(options.build(kind.Options, given, f"solver '{method.left.name}'"))


def _written(state: Any) -> Any:
    """A fit as it comes back from a file."""
    import torch

    file = io.BytesIO()
    torch.save(dict(state), file)
    return torch.load(io.BytesIO(file.getvalue()), weights_only=True)


def _data() -> FitData:
    grids: list[Grid] = [((1, 2), (0, 3)), ((4, 0), (5, 6)), ((7, 0), (0, 1)), ((2, 2), (1, 0))]
    mirrored = [tuple(row[::-1] for row in grid) for grid in grids]
    flipped = [grid[::-1] for grid in grids]
    return FitData(
        tuple(
            Puzzle(name, tuple(map(Pair, grids[:3], outputs[:3])), (grids[3],))
            for name, outputs in (("mirror", mirrored), ("flip", flipped))
        )
    )
