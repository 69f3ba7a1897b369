"""What a trend is: frozen dataclasses of plain values, ready to be rendered."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Point:
    """One attempt, or the attempts of one code that were made side by side.

    Attributes:
        when: start of the run, ISO 8601 in UTC.
        harness: version of the harness.
        code: hash of task and method code, shortened.
        model_revision: revision of the model.
        value: the board's metric.
        low: lower end of its 95 % interval, None where units are too few.
        high: upper end.
        n: scored samples.
        run_ids: the runs behind it.
    """

    when: str
    harness: str
    code: str
    model_revision: str
    value: float
    low: float | None
    high: float | None
    n: int
    run_ids: tuple[str, ...]


@dataclass(frozen=True)
class Step:
    """A lasting change of level.

    Attributes:
        position: index of the first point of the new level.
        before: mean level before.
        after: mean level after.
        p: of a test of the two levels, adjusted for having looked everywhere.
        changed: what differs between the points on either side, such as ``harness 0.1 -> 0.2``.
    """

    position: int
    before: float
    after: float
    p: float
    changed: tuple[str, ...]


@dataclass(frozen=True)
class Trend:
    """A method on a subset, from its oldest attempt to its newest.

    Attributes:
        board: the board.
        title: the setting in a few words, as the title of its ranked table.
        method: its label.
        subset: the subset.
        points: oldest first; at least two.
        steps: where the level changed.
    """

    board: str
    title: str
    method: str
    subset: str
    points: tuple[Point, ...]
    steps: tuple[Step, ...]
