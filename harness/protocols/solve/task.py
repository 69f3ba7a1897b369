"""What a solve task provides: puzzles with the outputs of their tests, and how runs are summed up.

Outputs stay in `Problem`, which a solver gets only of puzzles that it is not asked.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field

from harness.options import Options
from harness.protocols.solve.puzzle import Problem
from harness.protocols.task import MetricInfo, Summary, Task
from harness.results.schema import SampleRecord


class SolveSettings(Options):
    """Options that every solve task has."""

    attempts: int = Field(default=2, ge=1)
    """K: a test input is solved if one of the first K distinct grids is its output."""


class SolveTask(Task):
    """A benchmark of puzzles.

    Subclasses are registered under ``harness.tasks`` and constructed with their validated options.
    """

    protocol: ClassVar[str] = "solve"
    Options: ClassVar[type[SolveSettings]] = SolveSettings
    default_model: ClassVar[str] = "smollm2"
    default_methods: ClassVar[tuple[str, ...]] = ("copy-input", "majority-colour")
    baseline: ClassVar[str] = "copy-input"
    metrics: ClassVar[tuple[MetricInfo, ...]] = (
        MetricInfo("solved", "one of the first K distinct grids is the output"),
        MetricInfo("first", "the first grid is the output"),
    )
    options: Any

    @property
    def subset(self) -> str:
        """The chosen subset: the option of that name, or ``default`` where a task has none."""
        return str(getattr(self.options, "subset", "default"))

    @abstractmethod
    def problems(self, seed: int) -> Sequence[Problem]:
        """The puzzles that are asked, in order; cheap and repeatable.

        Args:
            seed: of generated data (``--data-seed``).

        Raises:
            UsageError: the data are not there.
        """

    def labelled(self, seed: int) -> Sequence[Problem]:
        """Other puzzles that a solver may be fitted on, with the outputs of their tests.

        Args:
            seed: of generated data.

        Raises:
            UsageError: the data are not there.
        """
        del seed
        return ()

    def exposed(self, seed: int) -> Mapping[str, Any]:
        """What a fit on `labelled` gives away of the asked puzzles, for the run's row.

        Args:
            seed: of generated data.
        """
        del seed
        return {}

    def sampling_defaults(self) -> dict[str, float | int]:
        """How models are sampled where ``-M`` does not say it.

        Attempts that are equal count once, so that greedy decoding would give only one.
        """
        return {"temperature": 0.7, "max_tokens": 2048}

    def notes(self, seed: int, *, fitted: bool) -> tuple[str, ...]:
        """What the user should know before anything runs.

        Args:
            seed: of generated data.
            fitted: whether a solver is to be fitted on `labelled`.
        """
        del seed, fitted
        return ()

    @abstractmethod
    def summarise(self, problems: Sequence[Problem], rows: Iterable[SampleRecord]) -> Summary:
        """The benchmark's metrics of a run's rows, ``score`` among them.

        Args:
            problems: what was asked; what has no row counts as unsolved in no rule and is told.
            rows: of them.
        """
