"""What a method of the solve protocol is: a `Solver`, completed by a `Voting`.

The harness asks for one test input at a time and takes candidates back, best first; the first K
distinct ones are the attempts. What a solver learns beforehand is its fit, which depends on its fit
options, the puzzles and a seed alone, is kept, and is shared by all runs that agree on these::

    class Mine(Solver):
        about = About("...", "source")

        class Options(Options):
            depth: int = 2

        def solve(self, query, desk):
            return [Candidate(rotated(query.input))]
"""

from __future__ import annotations

import random
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from harness.models.base import Ability
from harness.models.client import StreamClient
from harness.options import NoOptions, Options
from harness.protocols.solve.grids import Grid
from harness.protocols.solve.puzzle import Problem, Puzzle
from harness.registry import About, Need
from harness.results.checkpoints import Checkpoints


class Setting(StrEnum):
    """What a solver has seen of a puzzle before it is asked."""

    INDUCTIVE = "inductive"
    """Nothing: it meets the puzzle when it is asked."""
    TRANSDUCTIVE = "transductive"
    """Its demonstrations: it was fitted on them."""
    UNKNOWN = "unknown"
    """What was recorded elsewhere does not say."""


@dataclass(frozen=True)
class Ballot:
    """A vote for a grid."""

    voter: int = 0
    """Number of the prediction that it comes from."""
    confidence: float = 0.0
    """How sure the solver was, higher is surer; only compared with its own."""


@dataclass(frozen=True)
class Candidate:
    """A grid that may be the output.

    Attributes:
        grid: rows of symbols; lists and arrays are taken too, and checked.
        ballots: who voted for it; one vote where nobody counted.
    """

    grid: Any
    ballots: tuple[Ballot, ...] = (Ballot(),)

    @property
    def confidence(self) -> float:
        """Mean over the votes."""
        return sum(one.confidence for one in self.ballots) / max(1, len(self.ballots))


@dataclass(frozen=True)
class Query:
    """One test input of a puzzle, and how many attempts there are."""

    puzzle: Puzzle
    number: int
    attempts: int

    @property
    def input(self) -> Grid:
        """The test input."""
        return self.puzzle.tests[self.number]


@dataclass(frozen=True)
class Desk:
    """What a solver works with while it answers one query.

    Attributes:
        seed_text: of the run and the test input; decides whatever the solver draws.
        ask: the metered chat model; None where the solver needs none.
        counts: what is worth counting, such as ``recursion_steps``; a metric of the sample.
        notes: what a reader of the trace should see, as JSON values.
        alternatives: what the answer would have been, by a name such as ``steps_1``: candidates,
            best first, scored beside the answer.
    """

    seed_text: str
    ask: StreamClient | None = None
    counts: dict[str, float] = field(default_factory=dict[str, float])
    notes: dict[str, Any] = field(default_factory=dict[str, Any])
    alternatives: dict[str, Sequence[Candidate]] = field(
        default_factory=dict[str, Sequence[Candidate]]
    )

    @property
    def model(self) -> StreamClient:
        """The chat model.

        Raises:
            TypeError: the solver did not declare that it needs one.
        """
        if self.ask is None:
            raise TypeError("the solver asks a model and does not declare needs_model = True")
        return self.ask

    def count(self, name: str, number: float = 1) -> None:
        """Count something."""
        self.counts[name] = self.counts.get(name, 0) + number

    def of_variant(self, number: int) -> Desk:
        """A desk of its own for one of several queries that make one answer."""
        return Desk(f"{self.seed_text}/variant-{number}", self.ask)

    def draw(self, name: str = "") -> random.Random:
        """Random numbers for this query; other ones for each name."""
        return random.Random(f"{self.seed_text}/{name}")


@dataclass(frozen=True)
class FitData:
    """What a solver may learn from.

    Attributes:
        puzzles: those that it will be asked; demonstrations and test inputs, no outputs of tests.
        labelled: other puzzles with the outputs of their test inputs.
    """

    puzzles: tuple[Puzzle, ...]
    labelled: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class FitDesk:
    """What a solver works with while it is fitted.

    Attributes:
        seed: decides whatever it draws.
        checkpoints: where it saves and finds what it has so far; one name, ``fit``, is used by all.
        say: tells whoever waits how far it is.
        stop: set when the work is to end.
    """

    seed: int
    checkpoints: Checkpoints
    say: Callable[[str], None] = lambda _text: None
    stop: threading.Event = field(default_factory=threading.Event)

    def save(self, state: Mapping[str, Any]) -> None:
        """Keep a state in place of the one before; a killed fit goes on from it."""
        self.checkpoints.save("fit", state)

    def load(self) -> Mapping[str, Any] | None:
        """The newest state of this fit, or None at its beginning."""
        return self.checkpoints.load("fit")

    def check(self) -> None:
        """End here if the work is to end; call it in every step.

        Raises:
            CancelledError: it is.
        """
        if self.stop.is_set():
            raise CancelledError


class Solver(ABC):
    """A method that solves puzzles. Registered as ``solve.solver.NAME``.

    Constructed with its options, once for each run.
    """

    about: ClassVar[About]
    needs: ClassVar[tuple[Need, ...]] = ()
    Options: ClassVar[type[Options]] = NoOptions
    Fit: ClassVar[type[Options]] = NoOptions
    """Those of its options that decide the fit: `Options` inherits from it. The others may change
    without another fit."""
    setting: ClassVar[Setting] = Setting.INDUCTIVE
    exposure: ClassVar[str] = "none"
    """Which public puzzles it has seen beside those of its fit, in a few words: ``none``,
    ``written with 1-training in view``, ``unknown (language model)``."""
    needs_model: ClassVar[bool] = False
    """Whether it asks a chat model."""
    abilities: ClassVar[frozenset[Ability]] = frozenset()
    """What it asks of the model beside text."""
    quick: ClassVar[Mapping[str, Any]] = {}
    """Options under which it takes seconds, for `harness.conformance`."""
    takes_voting: ClassVar[bool] = True
    """Whether a voting may change the puzzles that it gets."""

    def __init__(self, options: Any) -> None:
        self.options = options

    @classmethod
    def fits(cls) -> bool:
        """Whether it learns beforehand."""
        return cls.fit is not Solver.fit

    def misfit(self, puzzle: Puzzle) -> str:
        """Why it cannot work on a puzzle's kind of grids; empty if it can."""
        del puzzle
        return ""

    def fit(self, data: FitData, desk: FitDesk) -> Mapping[str, Any]:
        """Learn; call `desk.check` in each step and `desk.save` now and then.

        Returns:
            What `load` needs: tensors and plain values, as `torch.save` writes them. Numbers under
            ``metrics``, such as ``fit_seconds``, become metrics of the run.
        """
        raise NotImplementedError

    def load(self, state: Mapping[str, Any], data: FitData) -> None:
        """Take what a fit returned; called before the first query."""
        raise NotImplementedError

    @abstractmethod
    def solve(
        self, query: Query, desk: Desk
    ) -> Sequence[Candidate] | Awaitable[Sequence[Candidate]]:
        """Candidates for the output of one test input, best first; may be ``async``.

        The first `query.attempts` distinct grids are the attempts. More are welcome: they say at
        which rank the output stands. None at all is an answer too, and wrong.
        """


Asked = Callable[[Query, Desk], Awaitable[Sequence[Candidate]]]
"""A solver, ready to be asked."""


class Voting(ABC):
    """Decides which variants of a puzzle a solver gets, and ranks what it makes of them.

    Registered as ``solve.voting.NAME``; constructed with its options.
    """

    about: ClassVar[About]
    needs: ClassVar[tuple[Need, ...]] = ()
    Options: ClassVar[type[Options]] = NoOptions
    abilities: ClassVar[frozenset[Ability]] = frozenset()
    """What it asks of a model beside text."""

    def __init__(self, options: Any) -> None:
        self.options = options

    def misfit(self, puzzle: Puzzle) -> str:
        """Why it cannot work on a puzzle's kind of grids; empty if it can."""
        del puzzle
        return ""

    @abstractmethod
    async def solve(self, asked: Asked, query: Query, desk: Desk) -> Sequence[Candidate]:
        """Candidates for the output, best first."""
