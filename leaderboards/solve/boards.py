"""What a board of a solve task shows: boards are data, as for the other protocols."""

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
        baseline: the floor that gains are measured against.
        min_effect: smallest difference of the score that matters.
    """

    name: str
    task: str
    unit: str
    figures: tuple[tuple[str, str], ...]
    fit_options: tuple[str, ...] = ()
    baseline: str = "copy-input"
    min_effect: float = 0.01


ARC_AGI = SolveBoard(
    name="arc-agi",
    task="arc-agi",
    unit="puzzles",
    figures=(
        ("strict", "strict"),
        ("pooled", "pooled"),
        ("task_mean_first", "K=1"),
        ("pass@10", "pass@10"),
        ("pass@1000", "pass@1000"),
    ),
    fit_options=("fit_on", "leaks"),
)


def _by_depth(name: str) -> SolveBoard:
    return SolveBoard(
        name=name,
        task=name,
        unit="test inputs",
        figures=(("accuracy_seen_depths", "seen depths"), ("accuracy_deeper", "deeper")),
        baseline="majority-colour",
    )


GRAPH_REACHABILITY = _by_depth("graph-reachability")
BOOLEAN_LOGIC = _by_depth("boolean-logic")
RELATIONAL_TEXT = _by_depth("relational-text")
