"""`dsl`: programs of grid operations, the shortest that explain every demonstration.

Breadth-first over compositions; programs that do the same to all demonstrated inputs and the test
input are one. A program explains the demonstrations if its results are their outputs, or become
them under one map of colours. Its limits: some fifty operations, three of them at most by default,
no numbers, no loops, no objects but the largest and the smallest. It is a floor for what search
without learning does, not a contender.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness import options
from harness.protocols.solve.grids import array, grid_of
from harness.protocols.solve.method import Candidate, Desk, Query, Solver
from harness.protocols.solve.puzzle import Puzzle
from harness.registry import About

if TYPE_CHECKING:
    import numpy as np

    from harness_methods.solvers.dsl.operations import Cells, Operation

State = tuple["Cells", ...]
"""What a program makes of the demonstrated inputs and, last, of the test input."""


class Dsl(Solver):
    """``dsl``: the shortest programs that explain the demonstrations."""

    about: ClassVar[About] = About(
        "Searches the shortest program of some fifty grid operations; a floor.", "our own"
    )
    exposure: ClassVar[str] = "operations written with ARC's kind of puzzles in view"

    class Options(options.Options):
        """Options of the search."""

        depth: int = Field(default=3, ge=1)
        """Most operations of a program."""
        states: int = Field(default=4000, ge=1)
        """Most different intermediate results that are looked at; no clock decides."""

    options: Options

    def misfit(self, puzzle: Puzzle) -> str:
        """Its operations are of coloured grids."""
        if not puzzle.domain.dihedral:
            return "knows operations of coloured grids only, and this task's are sequences"
        return ""

    def solve(self, query: Query, desk: Desk) -> Sequence[Candidate]:
        """Outputs of explaining programs, the shortest first; stops at as many as attempts."""
        kept = dict[bytes, Candidate]()
        targets = [array(pair.output) for pair in query.puzzle.train]
        for state, program in self._search(query, desk):
            found = _explained(state, targets)
            if found is not None and max(found.shape) <= query.puzzle.domain.rows:
                key = bytes(found.shape) + found.tobytes()
                if key not in kept:
                    desk.notes.setdefault("programs", []).append(program)
                kept.setdefault(key, Candidate(grid_of(found)))
            if len(kept) >= query.attempts:
                break
        return list(kept.values())

    def _search(self, query: Query, desk: Desk) -> Iterator[tuple[State, list[str]]]:
        """States in order of the length of their programs, each once."""
        from harness_methods.solvers.dsl.operations import apply, operations, with_colours

        inputs = [pair.input for pair in query.puzzle.train]
        start: State = tuple(array(one) for one in (*inputs, query.input))
        painted = {cell for pair in query.puzzle.train for row in pair.output for cell in row}
        known: list[tuple[str, Operation]] = [
            *operations().items(),
            *with_colours(sorted(painted - {0})),
        ]
        seen, layer = {_key(start)}, [(start, list[str]())]
        desk.count("states")
        yield start, []
        for _ in range(self.options.depth):
            following = list[tuple[State, list[str]]]()
            for state, program in layer:
                for name, operation in known:
                    if len(seen) >= self.options.states:
                        return
                    made: list[Cells] = []
                    for cells in state:
                        one = apply(operation, cells)
                        if one is None:
                            break
                        made.append(one)
                    if len(made) < len(state) or (key := _key(tuple(made))) in seen:
                        continue
                    seen.add(key)
                    desk.count("states")
                    following.append((tuple(made), [*program, name]))
                    yield following[-1]
            layer = following


def _key(state: State) -> bytes:
    return b"".join(bytes(one.shape) + one.tobytes() for one in state)


def _explained(state: State, targets: Sequence[np.ndarray]) -> Cells | None:
    """The output for the test input if a state explains the demonstrations, else None."""
    import numpy as np

    *made, test = state
    if any(one.shape != target.shape for one, target in zip(made, targets, strict=True)):
        return None
    colours = np.full(256, 255, dtype=np.uint8)
    before = np.concatenate([one.ravel() for one in made])
    after = np.concatenate([one.ravel() for one in targets])
    colours[before] = after
    if not np.array_equal(colours[before], after):
        return None
    # A colour that no demonstration shows stays what it is.
    unseen = colours == 255
    colours[unseen] = np.arange(256, dtype=np.uint8)[unseen]
    return colours[test]
