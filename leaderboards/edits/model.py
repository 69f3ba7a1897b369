"""What a built board of an edit task is: frozen dataclasses of plain values, ready to be rendered.

None stands where a figure cannot be known; it is never a zero. A seed is what is independent: it
varies the target's training, the drawn sets and the minibatches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness_leaderboards.edits.boards import EditBoard
from harness_leaderboards.model import LocalSetting, Unranked


@dataclass(frozen=True)
class Over:
    """A figure over seeds.

    Attributes:
        mean: mean over seeds.
        low: lower end of the 95 % t interval over seeds; None for one seed.
        high: upper end, None likewise.
        seeds: seeds that have the figure.
    """

    mean: float
    low: float | None
    high: float | None
    seeds: int


@dataclass(frozen=True)
class AtLevel:
    """A method where it has forgotten down to a level.

    Attributes:
        measure: metric that measures forgetting.
        level: the level; None for the retrained model's own, which differs between seeds.
        reached: seeds whose trajectory comes down to it.
        seeds: seeds that were run and have the level.
        below: seeds that are at it or below before the edit: they say nothing of the edit.
        kept: what is kept there, by seed; only seeds that reach it.
        over: its mean and interval; None unless every seed reaches the level.
        steps: mean of the optimiser steps to reach it, None likewise.
        seconds: mean of the seconds of these steps, None likewise.
        gain: paired difference to the same editor without surgery; None where one of the two is
            censored or starts below in any common seed.
    """

    measure: str
    level: float | None
    reached: int
    seeds: int
    below: tuple[int, ...]
    kept: Mapping[int, float]
    over: Over | None
    steps: float | None
    seconds: float | None
    gain: Over | None


@dataclass(frozen=True)
class Failure:
    """Why a run has failed samples.

    Attributes:
        seed: of the run.
        diverged: whether its rows say that the model diverged; else something broke.
        reason: the first that the rows give.
    """

    seed: int
    diverged: bool
    reason: str


@dataclass(frozen=True)
class EditRow:
    """One method of a section.

    Attributes:
        method: its label.
        base: label of the same editor without surgery; empty for such an editor itself.
        run_ids: the runs behind the row, one for each seed.
        seeds: their seeds.
        failures: seeds that have failed samples, and why.
        end: metrics at the end of the edit, by name.
        levels: where it has forgotten equally much.
        area: mean of what is kept over the preset levels; None unless every seed reaches the
            lowest.
        curve: mean trajectory over seeds: step, forgetting, kept.
        attacks: metrics after each attack, by attack and name; an attack's name says its strength.
        unattacked: metrics of the same runs before it, likewise.
        missing: why metrics are not there, by name.
        step_seconds: mean seconds of a step.
        peak_memory_bytes: most memory in use.
        preserved: mean share of the forget gradient that a surgery left.
    """

    method: str
    base: str
    run_ids: tuple[str, ...]
    seeds: tuple[int, ...]
    failures: tuple[Failure, ...]
    end: Mapping[str, Over]
    levels: tuple[AtLevel, ...]
    area: Over | None
    curve: tuple[tuple[float, float, float], ...]
    attacks: Mapping[str, Mapping[str, float]]
    unattacked: Mapping[str, Mapping[str, float]]
    missing: Mapping[str, str]
    step_seconds: float | None
    peak_memory_bytes: int | None
    preserved: float | None


@dataclass(frozen=True)
class EditSection:
    """The methods that can be compared.

    Attributes:
        data: hash of the data of each seed; no seed has runs on two.
        examples: evaluated examples by set, least and most over seeds.
        main: metric of the main measure of forgetting; empty where none is known along an edit.
        reference_spread: the metrics' spread between retrained models of different seeds, by name:
            largest minus smallest; of the KS distance the largest between two of them on the same
            data. Empty for fewer than two.
    """

    setting: LocalSetting
    data: Mapping[int, str]
    examples: Mapping[str, tuple[int, int]]
    rows: tuple[EditRow, ...]
    main: str
    kept_metric: str
    kept_name: str
    reference_spread: Mapping[str, float]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class EditLeaderboard:
    """A built board."""

    board: EditBoard
    sections: tuple[EditSection, ...]
    unranked: tuple[Unranked, ...]
    problems: tuple[str, ...]
    """Files of the results folder that could not be read."""
