"""A puzzle as a solver sees it, and as a task knows it: the outputs of the tests stay behind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from harness.data import content_hash
from harness.protocols.solve.grids import ARC, Domain, Grid


@dataclass(frozen=True)
class Pair:
    """A demonstration: an input with its output."""

    input: Grid
    output: Grid


@dataclass(frozen=True)
class Puzzle:
    """Demonstrations of one rule, and inputs to which it is to be applied.

    Attributes:
        puzzle_id: of it, unique in its task.
        train: demonstrations.
        tests: inputs.
        domain: what its grids may be.
    """

    puzzle_id: str
    train: tuple[Pair, ...]
    tests: tuple[Grid, ...]
    domain: Domain = ARC

    @cached_property
    def content_hash(self) -> str:
        """Of the demonstrations and the test inputs."""
        return content_hash(self.train, self.tests, self.domain)


@dataclass(frozen=True)
class Problem:
    """A puzzle with the outputs of its test inputs.

    A solver gets one only of puzzles that it is not asked.

    Attributes:
        puzzle: what a solver may see.
        answers: an output for each test input.
        groups: a group for each test input, such as its depth; empty: they have none.
        origin: the part of the data that it comes from, such as ``1-training``.
        sources: a source for each test input, where they are independent; empty: the puzzle is.
    """

    puzzle: Puzzle
    answers: tuple[Grid, ...]
    groups: tuple[str, ...] = ()
    origin: str = ""
    sources: tuple[str, ...] = ()

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """The test inputs with their outputs."""
        return tuple(map(Pair, self.puzzle.tests, self.answers))


def faults(problems: Iterable[Problem]) -> Iterator[str]:
    """What is wrong with problems, a sentence each: names, numbers of parts, kinds of grids."""
    names = set[str]()
    for one in problems:
        puzzle, where = one.puzzle, f"puzzle {one.puzzle.puzzle_id}"
        count = len(puzzle.tests)
        if puzzle.puzzle_id in names:
            yield f"two puzzles have the id {puzzle.puzzle_id}."
        names.add(puzzle.puzzle_id)
        if not count or len(one.answers) != count:
            yield f"{where} has {count} test inputs and {len(one.answers)} outputs."
        for what, some in (("groups", one.groups), ("sources", one.sources)):
            if some and len(some) != count:
                yield f"{where} has {count} test inputs and {len(some)} {what}."
        grids: list[Any] = [grid for pair in puzzle.train for grid in (pair.input, pair.output)]
        for grid in (*grids, *puzzle.tests, *one.answers):
            if type(grid) is not tuple or not grid or type(grid[0]) is not tuple:
                yield f"{where} holds a grid that is no tuple of tuples; use read_grid."
                break


def sample_id(puzzle_id: str, number: int) -> str:
    """Names a test input in results.

    Args:
        puzzle_id: of its puzzle.
        number: of the test input, from 0.
    """
    return f"{puzzle_id}/{number}"
