"""What a built board of an adapt task is: frozen dataclasses of plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.statistics import MeanEstimate
from harness_leaderboards.adapt.boards import AdaptBoard
from harness_leaderboards.model import LocalSetting, PairedGain, Unranked


@dataclass(frozen=True)
class AdaptRow:
    """One method of a section.

    Attributes:
        method: its label.
        run_ids: the runs behind the row, one for each seed.
        seeds: their seeds.
        n_scored: corrupted images that count: predicted, or failed and so wrong.
        n_planned: corrupted images of the streams.
        n_failed: images the method broke on.
        n_invalid: broken images.
        accuracy: of corrupted images, clustered by photograph.
        figures: metrics of the runs, means over seeds.
        cells: accuracy by corruption and severity, means over seeds.
        gain: comparison with the baseline; None where there is none.
        reason: the first reason of a failure.
        order: whether a batch is predicted before or after the step on it.
        adapts: what is adapted, in words.
        missing: why metrics are not there, by name.
    """

    method: str
    run_ids: tuple[str, ...]
    seeds: tuple[int, ...]
    n_scored: int
    n_planned: int
    n_failed: int
    n_invalid: int
    accuracy: MeanEstimate | None
    figures: Mapping[str, float]
    cells: Mapping[str, float]
    gain: PairedGain | None
    reason: str
    order: str
    adapts: str
    missing: Mapping[str, str]


@dataclass(frozen=True)
class AdaptSection:
    """The methods that can be compared: the baseline first, then by accuracy."""

    setting: LocalSetting
    rows: tuple[AdaptRow, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class AdaptLeaderboard:
    """A built board."""

    board: AdaptBoard
    sections: tuple[AdaptSection, ...]
    unranked: tuple[Unranked, ...]
    problems: tuple[str, ...]
    """Files of the results folder that could not be read."""
