"""Memories that began with what another run had learned: transfer between data sets.

A run with `memory_from` starts with the final memories of that run; it is compared, on the same
items, with the baseline and with itself begun empty, which are runs of the setting without
`memory_from` and `frozen`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.statistics import MeanEstimate
from harness_leaderboards.boards import Board
from harness_leaderboards.gains import pair
from harness_leaderboards.measures import score
from harness_leaderboards.model import Setting
from harness_leaderboards.runs import Run
from harness_leaderboards.streams.estimates import change_of, samples_of
from harness_leaderboards.streams.settings import (
    INHERITED,
    Groups,
    counterparts,
    options_of,
    without,
)


@dataclass(frozen=True)
class InheritedMethod:
    """One method that began with a memory.

    Attributes:
        source: the run whose memory it was.
        subset: the data set of that run; empty where the run is not there.
        frozen: whether it learned nothing more.
        score: mean over items.
        gain: over the baseline on the same items; None where it has no run.
        ahead: over the method itself, begun empty; None likewise.
    """

    method: str
    source: str
    subset: str
    frozen: bool
    score: MeanEstimate | None
    gain: MeanEstimate | None
    ahead: MeanEstimate | None


@dataclass(frozen=True)
class Inherited:
    """The methods that began with memories on one data set."""

    setting: Setting
    methods: tuple[InheritedMethod, ...]


def inherited(board: Board, groups: Groups, subsets: Mapping[str, str]) -> tuple[Inherited, ...]:
    """One table for each target.

    Args:
        board: says which method is the baseline.
        groups: the runs.
        subsets: the data set of each run, by its id.
    """
    found = dict[Setting, list[InheritedMethod]]()
    shown = dict[Setting, Setting]()
    for setting, methods in groups.items():
        options = options_of(setting)
        source = str(options.get("memory_from", ""))
        if not source:
            continue
        empty = counterparts(groups, setting, INHERITED)
        key = replace(without(setting, INHERITED), embedder="")
        shown[key] = replace(setting, task_options=key.task_options)
        for name, runs in methods.items():
            rows = samples_of(runs)
            found.setdefault(key, []).append(
                InheritedMethod(
                    method=name,
                    source=source,
                    subset=subsets.get(source, ""),
                    frozen=bool(options.get("frozen")),
                    score=score(rows),
                    gain=_against(empty.get(board.baseline, ()), runs),
                    ahead=_against(empty.get(name, ()), runs),
                )
            )
    return tuple(
        Inherited(shown[key], tuple(sorted(rows, key=lambda one: (one.subset, one.method))))
        for key, rows in found.items()
    )


def _against(before: Sequence[Run], after: Sequence[Run]) -> MeanEstimate | None:
    return change_of(pair(samples_of(before), samples_of(after)).pairs)
