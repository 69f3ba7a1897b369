"""The two tables of Evo-Memory (arXiv 2511.20857): its methods by its data sets, with averages.

Runs in, one pair of tables for each model out. The single-turn average is the paper's,
``(6 exact matches + mean(API, Acc)) / 7``, the multi-turn one the mean of four; both only where
every cell is there (the published tables count a missing cell as 0 in places). Runs that began
with memories, learned nothing on purpose or were told wrong feedback are none of the paper's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.protocols.stream import StreamSettings
from harness_leaderboards.boards import Board
from harness_leaderboards.measures import mean, quality, scored
from harness_leaderboards.model import Sample, Setting
from harness_leaderboards.runs import Run
from harness_leaderboards.streams.settings import FLIPS, INHERITED, PROBES, Groups, options_of

METHODS = {
    "baseline": "Baseline",
    "history": "History",
    "react": "ReAct",
    "amem": "Amem",
    "selfrag": "SelfRAG",
    "memoryos": "MemOS",
    "mem0": "Mem0",
    "langmem": "LangMem",
    "dc-cu": "DC-Cu",
    "dc-rs": "DC-RS",
    "awm": "AWM",
    "exprecent": "ExpRecent",
    "exprag": "ExpRAG",
    "remem": "ReMem",
}
"""The paper's name of a method by ours, in the paper's order."""

SINGLE = {
    "aime-24": "AIME24",
    "aime-25": "AIME25",
    "gpqa-diamond": "GPQA",
    "mmlu-pro-economics": "Eco",
    "mmlu-pro-engineering": "Eng",
    "mmlu-pro-philosophy": "Philo",
    "toolbench": "ToolBench API/Acc",
}
MULTI = {"alfworld": "AlfWorld", "babyai": "BabyAI", "pddl": "PDDL", "scienceworld": "ScienceWorld"}
TOOLBENCH = "toolbench"


@dataclass(frozen=True)
class Cell:
    """One method on one data set.

    Attributes:
        subset: the data set.
        first: exact match; API of ToolBench; success in a world; mean over the orders. None where
            the task reports none.
        second: Acc of ToolBench; progress in a world; None of other questions.
        n: scored items.
        orders: orders that were averaged.
    """

    subset: str
    first: float | None
    second: float | None
    n: int
    orders: int


@dataclass(frozen=True)
class PaperRow:
    """One method, with the cells that have runs."""

    method: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class PaperTable:
    """The runs of one model as the paper shows its own.

    Attributes:
        setting: what is equal for all of them; what belongs to a data set is empty.
        rows: the paper's methods that were run, in its order.
        left_out: settings of the same data sets that were not taken, because another has more
            items.
    """

    setting: Setting
    rows: tuple[PaperRow, ...]
    left_out: int


def paper_tables(board: Board, groups: Groups) -> tuple[PaperTable, ...]:
    """One for each model and setting with runs of at least two of the paper's data sets."""
    if board.metric != "score":
        return ()
    joined = dict[Setting, dict[Setting, Mapping[str, Sequence[Run]]]]()
    for setting, methods in groups.items():
        if _counts(setting):
            joined.setdefault(_shared(setting), {})[setting] = methods
    tables = list[PaperTable]()
    for key, members in joined.items():
        plain = joined.get(replace(key, embedder=""), {}) if key.embedder else {}
        has_more = any(replace(one, embedder="") == key for one in joined if one.embedder)
        if not has_more:  # methods without an embedder stand in the tables of each
            tables.append(_table(key, {**plain, **members}))
    return tuple(one for one in tables if len({c.subset for r in one.rows for c in r.cells}) > 1)


def single_average(cells: Iterable[Cell]) -> float | None:
    """The paper's average of the single-turn data sets; None unless all seven are there."""
    values = {one.subset: _both(one) if one.subset == TOOLBENCH else one.first for one in cells}
    return _full_mean([values.get(subset) for subset in SINGLE])


def multi_averages(cells: Iterable[Cell]) -> tuple[float | None, float | None]:
    """Mean success and progress; None unless all four worlds have them."""
    found = {one.subset: one for one in cells}
    own = [found.get(subset) for subset in MULTI]
    return (
        _full_mean([one.first if one else None for one in own]),
        _full_mean([one.second if one else None for one in own]),
    )


def _both(cell: Cell) -> float | None:
    if cell.first is None or cell.second is None:
        return None
    return (cell.first + cell.second) / 2


def _full_mean(values: Sequence[float | None]) -> float | None:
    present = [one for one in values if one is not None]
    return mean(present) if len(present) == len(values) else None


def _counts(setting: Setting) -> bool:
    special = options_of(setting).keys() & {*FLIPS, *INHERITED}
    named = setting.subset in SINGLE or setting.subset in MULTI
    return named and not special and not setting.order.startswith("repeated:")


def _shared(setting: Setting) -> Setting:
    """What the data sets of one table have in common: the model, and how a stream is played."""
    known = StreamSettings.model_fields.keys() - {*PROBES, "isolate", "memory_timeout"}
    options: dict[str, Any] = {k: v for k, v in options_of(setting).items() if k in known}
    words = "; ".join(f"{name}={options[name]}" for name in sorted(options))
    return replace(
        setting,
        task_version="",
        subset="",
        order="",
        content_hash="",
        model="",
        task_options=words,
        sample_limit=None,
        data_seed=0,
    )


def _table(key: Setting, members: Mapping[Setting, Mapping[str, Sequence[Run]]]) -> PaperTable:
    plays = dict[Setting, dict[str, Mapping[str, Sequence[Run]]]]()
    for setting, methods in members.items():
        play = replace(setting, order="", embedder="", model="")
        orders = plays.setdefault(play, {})
        orders[setting.order] = {**orders.get(setting.order, {}), **methods}
    best = dict[str, Setting]()
    for play, orders in plays.items():
        other = best.get(play.subset)
        if other is None or _size(orders) > _size(plays[other]):
            best[play.subset] = play
    rows = list[PaperRow]()
    for method in METHODS:
        cells = [
            _cell(subset, [runs for of in plays[best[subset]].values() if (runs := of.get(method))])
            for subset in (*SINGLE, *MULTI)
            if subset in best
        ]
        if any(cells):
            rows.append(PaperRow(method, tuple(one for one in cells if one)))
    names = [setting.model for setting in members]
    return PaperTable(replace(key, model=names[-1]), tuple(rows), len(plays) - len(best))


def _size(orders: Mapping[str, Mapping[str, Sequence[Run]]]) -> tuple[int, str]:
    """How many items were played, and by which newest run."""
    runs = [one for of in orders.values() for found in of.values() for one in found]
    items = max((len({s.sample_id for s in one.samples}) for one in runs), default=0)
    return items, max((one.run_id for one in runs), default="")


def _cell(subset: str, orders: Sequence[Sequence[Run]]) -> Cell | None:
    found = [[one for run in runs for one in run.samples] for runs in orders]
    counted = [rows for rows in found if scored(rows)]
    if not counted:
        return None
    world = subset in MULTI

    def over_orders(name: str) -> float | None:
        return _full_mean([_mean(rows, name) for rows in counted])

    first = "success" if world else "api" if subset == TOOLBENCH else "score"
    second = "progress" if world else "score" if subset == TOOLBENCH else ""
    return Cell(
        subset=subset,
        first=over_orders(first),
        second=over_orders(second) if second else None,
        n=min(len({one.sample_id for one in scored(rows)}) for rows in counted),
        orders=len(counted),
    )


def _mean(rows: Sequence[Sample], name: str) -> float | None:
    if name == "score":
        return mean(one.value for one in rows if one.value is not None)
    return quality(rows, name)
