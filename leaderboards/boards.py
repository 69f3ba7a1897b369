"""Boards: which task, which metric, which direction, and what counts as a difference.

A board is data. Built-in and third-party boards are registered alike, under ``harness.boards``; a
task without one gets a default board as soon as runs of it exist.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from harness.errors import UnknownName, UsageError
from harness.registry import Kind, find, registered
from harness_leaderboards.adapt.boards import AdaptBoard
from harness_leaderboards.edits.boards import EditBoard
from harness_leaderboards.solve.boards import SolveBoard

MAIN_COLUMNS = (
    "method",
    "n",
    "streams",
    "failed",
    "score",
    "progress",
    "steps",
    "tokens",
    "gain",
    "wins",
    "p",
    "verdict",
)
"""Columns of a board's first table. Left out are ``failed`` where nothing failed and ``progress``
where the task has none."""


@dataclass(frozen=True)
class Board:
    """One leaderboard.

    Attributes:
        name: what a user types.
        task: the task whose runs it holds.
        metric: ``score``, or the name of a metric of the samples.
        higher_is_better: direction of the metric.
        baseline: the method that gains are measured against.
        min_effect: smallest difference of the metric that matters, at least 0.
        columns: the columns of the main table, in order.
        worst: what a failed sample counts with.
    """

    name: str
    task: str
    metric: str = "score"
    higher_is_better: bool = True
    baseline: str = "baseline"
    min_effect: float = 0.01
    columns: tuple[str, ...] = MAIN_COLUMNS
    worst: float = 0.0


AnyBoard = Board | EditBoard | AdaptBoard | SolveBoard

EVO_MEMORY = Board(name="evo-memory", task="evo-memory")


def board_named(name: str, tasks: Iterable[str]) -> AnyBoard:
    """Find a registered board, or make the default board of a task.

    Args:
        name: a board, or a task that has runs.
        tasks: the tasks that have runs.

    Raises:
        UnknownName: neither exists; carries the nearest names of both.
        UsageError: the registered object is no board.
    """
    known = {one.name for one in registered(Kind.BOARD)}
    if name in known:
        return _load(name)
    if name in set(tasks):
        return _default(name)
    raise UnknownName("board", name, known | set(tasks))


def boards_of(tasks: Iterable[str]) -> tuple[tuple[AnyBoard, ...], tuple[str, ...]]:
    """The registered boards of these tasks, and default boards of those that have none.

    Returns:
        The boards, and a sentence for each registered one that cannot be loaded: a broken plug-in
        does not keep the others from being shown.
    """
    wanted = set(tasks)
    boards, broken = list[AnyBoard](), list[str]()
    for one in registered(Kind.BOARD):
        try:
            boards.append(_load(one.name))
        except UsageError as error:
            broken.append(str(error))
    chosen = [board for board in boards if board.task in wanted]
    bare = wanted - {board.task for board in chosen}
    return (*chosen, *map(_default, sorted(bare))), tuple(broken)


def _default(task: str) -> Board:
    """The board of a task that has none, with the baseline and smallest effect of its class.

    Runs outlive the package of their task: where that is gone or broken, the defaults of `Board`
    hold.
    """
    board = Board(name=task, task=task)
    try:
        found = find(Kind.TASK, task).load()
    except UsageError:  # an unknown name is one too
        return board
    baseline = getattr(found, "baseline", None)
    effect = getattr(found, "min_effect", None)
    if isinstance(baseline, str) and baseline:
        board = replace(board, baseline=baseline)
    if isinstance(effect, int | float) and 0 <= effect < math.inf:
        board = replace(board, min_effect=float(effect))
    return board


def _load(name: str) -> AnyBoard:
    board = find(Kind.BOARD, name).load()
    if not isinstance(board, Board | EditBoard | AdaptBoard | SolveBoard):
        raise UsageError(
            f"board '{name}' is a {type(board).__name__}, not a Board; mend the package that "
            "registers it."
        )
    return board
