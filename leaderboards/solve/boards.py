"""What a board of a solve task shows: made of its TOML file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SolveBoard:
    """One leaderboard of a solve task.

    Attributes:
        name: what a user types.
        task: the task whose runs it holds.
        unit: what is independent: ``puzzles``, ``test inputs``.
        figures: columns of the main table beside score and gain: metric of a run, header. A metric
            that no run of a section has is left out.
        fit_options: options of the task that say what solvers are fitted on and leave what is
            asked as it is: methods stay comparable across them.
        equal_sources: whether each source weighs the same, however many test inputs it has.
        baseline: the floor that gains are measured against.
        min_effect: smallest difference of the score that matters.
    """

    name: str
    task: str
    unit: str
    figures: tuple[tuple[str, str], ...]
    fit_options: tuple[str, ...] = ()
    equal_sources: bool = True
    baseline: str = "copy-input"
    min_effect: float = 0.01
