"""A puzzle as a solver sees it, and as a task knows it: the outputs of the tests stay behind."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

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
        return content_hash(self.train, self.tests)


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


def sample_id(puzzle_id: str, number: int) -> str:
    """Names a test input in results.

    Args:
        puzzle_id: of its puzzle.
        number: of the test input, from 0.
    """
    return f"{puzzle_id}/{number}"
