"""What a built board of a solve task is: frozen dataclasses of plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.statistics import MeanEstimate
from harness_leaderboards.model import LocalSetting, PairedGain, Unranked
from harness_leaderboards.solve.boards import SolveBoard


@dataclass(frozen=True)
class Cost:
    """What a source took: a puzzle, or a test input; means over all.

    Attributes:
        seconds: of solving.
        input_tokens: read by a model.
        output_tokens: written by it.
        money: in the unit of the prices; None where a run has no price.
        fit_seconds: of the fit, which all sources share; None where there was none.
    """

    seconds: float
    input_tokens: float
    output_tokens: float
    money: float | None
    fit_seconds: float | None


@dataclass(frozen=True)
class SolveRow:
    """A method, with the model that it asks, in a section.

    Attributes:
        method: its label.
        model: that it asks; ``none`` where it asks none.
        run_ids: the runs behind the row, one for each seed.
        seeds: their seeds.
        n_scored: test inputs that count: answered, or failed and so unsolved.
        n_planned: test inputs of the runs.
        n_failed: test inputs that the method broke on.
        score: mean over sources of the share of their test inputs that is solved, over seeds too.
        spread: the score of each seed.
        figures: metrics of the runs, means over seeds.
        cost: what it took.
        gain: comparison with the floor; None where there is none.
        reason: the first reason of a failure.
        fitted: whether it learned beforehand, so that another seed is another solver.
        setting: inductive, or transductive: whether it was fitted on what it was asked.
        exposure: which public puzzles it has seen.
        missing: why metrics are not there, by name.
    """

    method: str
    model: str
    run_ids: tuple[str, ...]
    seeds: tuple[int, ...]
    n_scored: int
    n_planned: int
    n_failed: int
    score: MeanEstimate | None
    spread: tuple[float, ...]
    figures: Mapping[str, float]
    cost: Cost
    gain: PairedGain | None
    reason: str
    fitted: bool
    setting: str
    exposure: str
    missing: Mapping[str, str]


@dataclass(frozen=True)
class SolveSection:
    """The methods that can be compared: the floor first, then by score."""

    setting: LocalSetting
    rows: tuple[SolveRow, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class SolveLeaderboard:
    """A built board."""

    board: SolveBoard
    sections: tuple[SolveSection, ...]
    unranked: tuple[Unranked, ...]
    problems: tuple[str, ...]
    """Files of the results folder that could not be read."""
