"""What a board of an adapt task shows: made of its TOML file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AdaptBoard:
    """One leaderboard of an adapt task.

    Attributes:
        name: what a user types.
        task: the task whose runs it holds.
        figures: columns of the main table beside accuracy and gain: metric of a run, header. A
            metric that no run of a section has is left out.
        costs: columns of the table of costs.
        baseline: the model without adaptation.
        min_effect: smallest difference of accuracy that matters.
    """

    name: str
    task: str
    figures: tuple[tuple[str, str], ...]
    costs: tuple[tuple[str, str], ...]
    baseline: str = "source"
    min_effect: float = 0.01
