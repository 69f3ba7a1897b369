"""Boards: which task, which metric, which direction, how to average, what counts as a difference.

A board is data: a TOML file (`BoardSpec`). Built-in and third-party boards are registered alike,
under ``harness.boards``, as the path of such a file or as its fields; a user's own file is named by
its path; a task without a board gets a default one as soon as runs of it exist.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, cast

from harness.errors import UnknownName, UsageError
from harness.registry import Kind, find, registered
from harness_leaderboards.adapt.boards import AdaptBoard
from harness_leaderboards.boards.spec import (
    AdaptDetails,
    BoardSpec,
    Cluster,
    Metric,
    Source,
    parse_board,
    read_board,
)
from harness_leaderboards.edits.boards import EditBoard, Forgetting
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
    """The detailed tables of a stream board.

    Attributes:
        name: what a user types.
        task: the task whose runs it holds.
        metric: ``score``, or the name of a metric of the samples.
        higher_is_better: direction of the metric.
        baseline: the method that gains are measured against.
        min_effect: smallest difference of the metric that matters, at least 0.
        columns: the columns of the main table, in order.
        worst: what a failed sample counts with.
        published: whether to show the paper's own numbers whatever the models.
    """

    name: str
    task: str
    metric: str = "score"
    higher_is_better: bool = True
    baseline: str = "baseline"
    min_effect: float = 0.01
    columns: tuple[str, ...] = MAIN_COLUMNS
    worst: float = 0.0
    published: bool = False


AnyBoard = Board | EditBoard | AdaptBoard | SolveBoard
"""What the detailed tables of a board need, by protocol."""


def _ours(name: str) -> Traversable:
    return files("harness_leaderboards.boards").joinpath(f"{name}.toml")


EVO_MEMORY = _ours("evo-memory")
TOFU = _ours("tofu")
MUSE = _ours("muse")
WMDP = _ours("wmdp")
IMAGENET_C = _ours("imagenet-c")
ARC_AGI = _ours("arc-agi")
ARC_CHALLENGE = _ours("arc-challenge")
ARC_EASY = _ours("arc-easy")
GRAPH_REACHABILITY = _ours("graph-reachability")
BOOLEAN_LOGIC = _ours("boolean-logic")
RELATIONAL_TEXT = _ours("relational-text")


def board_named(name: str, tasks: Iterable[str] = ()) -> BoardSpec:
    """Find a registered board, read a user's own, or make the default board of a task.

    Args:
        name: a board, a task that has runs, or the path of a TOML file.
        tasks: the tasks that have runs.

    Raises:
        UnknownName: neither exists; carries the nearest names of both.
        UsageError: the registered object or the file is no board.
    """
    if name.endswith(".toml"):
        return _fitting(read_board(Path(name).expanduser()))
    known = {one.name for one in registered(Kind.BOARD)}
    if name in known:
        return _load(name)
    if name in set(tasks):
        return _of_task(name)
    raise UnknownName("board", name, known | set(tasks))


def boards_of(tasks: Iterable[str]) -> tuple[tuple[BoardSpec, ...], tuple[str, ...]]:
    """The registered boards of these tasks, and default boards of those that have none.

    Returns:
        The boards, and a sentence for each registered one that cannot be loaded: a broken plug-in
        does not keep the others from being shown.
    """
    wanted = set(tasks)
    boards, broken = list[BoardSpec](), list[str]()
    for one in registered(Kind.BOARD):
        try:
            boards.append(_load(one.name))
        except UsageError as error:
            broken.append(str(error))
    chosen = [board for board in boards if board.task in wanted]
    bare = wanted - {board.task for board in chosen}
    return (*chosen, *map(_of_task, sorted(bare))), tuple(broken)


def board_of(task: str) -> BoardSpec:
    """The board that says how results of a task are compared.

    That is the registered board named after it, else the first that is about it, else its default.
    """
    boards, _ = boards_of([task])
    return next((one for one in boards if one.name == task), boards[0])


def least_effect(spec: BoardSpec) -> float:
    """Smallest difference of a board's metric that matters: its own, else its task's, else .01."""
    if spec.min_effect is not None:
        return spec.min_effect
    effect = getattr(_task_class(spec.task), "min_effect", None)
    given = isinstance(effect, int | float) and 0 <= effect < math.inf
    return float(effect) if given and effect is not None else 0.01


def detailed(spec: BoardSpec) -> AnyBoard | None:
    """What the detailed tables of a board need; None of an edit or solve board without them."""
    effect = least_effect(spec)
    if spec.protocol == "edit" and spec.edit:
        return EditBoard(
            name=spec.name,
            task=spec.task,
            forgetting=tuple(
                Forgetting(one.metric, one.name, one.levels) for one in spec.edit.forgetting
            ),
            kept=spec.edit.kept,
            end=spec.edit.end,
            against_reference=spec.edit.against_reference,
            baseline=spec.baseline,
            reference=spec.edit.reference,
        )
    if spec.protocol == "solve" and spec.solve:
        return SolveBoard(
            name=spec.name,
            task=spec.task,
            unit=spec.solve.unit,
            figures=spec.solve.figures,
            fit_options=spec.solve.fit_options,
            equal_sources=spec.metric.equal_sources,
            baseline=spec.baseline,
            min_effect=effect,
        )
    if spec.protocol == "adapt":
        own = spec.adapt or AdaptDetails(figures=())
        return AdaptBoard(spec.name, spec.task, own.figures, own.costs, spec.baseline, effect)
    if spec.protocol in ("edit", "solve"):
        return None
    return Board(
        name=spec.name,
        task=spec.task,
        metric=spec.metric.name,
        higher_is_better=spec.metric.higher_is_better,
        baseline=spec.baseline,
        min_effect=effect,
        columns=(spec.stream.columns if spec.stream else ()) or MAIN_COLUMNS,
        worst=spec.metric.worst,
        published=spec.stream.published if spec.stream else False,
    )


def _of_task(task: str) -> BoardSpec:
    """The board of a task that has none, with the baseline of its class.

    Runs outlive the package of their task: where that is gone or broken, defaults hold. Detailed
    tables of edits and puzzles need a board of their own; a ranking does not.
    """
    found = _task_class(task)
    baseline = getattr(found, "baseline", None)
    protocol = getattr(found, "protocol", "stream")
    stream = protocol not in ("edit", "adapt", "solve")
    return BoardSpec(
        name=re.sub(r"[^A-Za-z0-9_-]+", "-", task).lstrip("-_") or "board",
        title=task,
        task=task,
        protocol="stream" if stream else protocol,
        baseline=baseline if isinstance(baseline, str) and baseline else "baseline",
        metric=Metric(
            cluster=Cluster.STREAM if stream else Cluster.SOURCE,
            of=Source.RUNS if protocol == "edit" else Source.SAMPLES,
        ),
    )


@cache
def _task_class(task: str) -> Any:
    try:
        return find(Kind.TASK, task).load()
    except UsageError:  # an unknown name is one too
        return None


def _load(name: str) -> BoardSpec:
    board = find(Kind.BOARD, name).load()
    if isinstance(board, BoardSpec):
        return board
    if isinstance(board, Path | Traversable):
        return _fitting(read_board(board))
    if isinstance(board, Mapping):
        return _fitting(parse_board(dict(cast("Mapping[str, Any]", board))))
    raise UsageError(
        f"board '{name}' is a {type(board).__name__}, not the path of a TOML file or its fields; "
        "mend the package that registers it."
    )


def _fitting(spec: BoardSpec) -> BoardSpec:
    """A board whose protocol is its task's, where the task can be loaded.

    Raises:
        UsageError: it is another.
    """
    protocol = getattr(_task_class(spec.task), "protocol", spec.protocol)
    if protocol != spec.protocol:
        raise UsageError(
            f"board '{spec.name}' has protocol = '{spec.protocol}', but {spec.task} is a task of "
            f"protocol '{protocol}'; mend the file."
        )
    return spec
