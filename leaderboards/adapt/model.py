"""What a built board of an adapt task is: frozen dataclasses of plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.statistics import MeanEstimate, Verdict
from harness_leaderboards.adapt.boards import AdaptBoard
from harness_leaderboards.model import LocalSetting, Unranked


@dataclass(frozen=True)
class AdaptGain:
    """A method against the baseline on the same images of the same streams.

    Attributes:
        n: images of the streams that both predicted, with equal bytes.
        clusters: photographs that they come from.
        unpaired: images that only one of the two has a score for, or with other bytes.
        difference: of the accuracies, with its 95 % interval.
        p: two-sided p value, adjusted after Holm over the methods of the section.
    """

    n: int
    clusters: int
    unpaired: int
    difference: float
    low: float | None
    high: float | None
    p: float
    verdict: Verdict


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
    gain: AdaptGain | None
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
