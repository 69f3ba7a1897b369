"""What a built leaderboard is: frozen dataclasses of plain values, ready to be rendered.

None stands where a figure cannot be known; it is never a zero. "Per sample" is the mean over the
scored samples of a method (those with status ok or failed).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.statistics import MeanEstimate, PairedTest, Verdict
from harness_leaderboards.boards import Board

if TYPE_CHECKING:
    from harness_leaderboards.streams.measures import BoardMeasures, StreamMeasures


@dataclass(frozen=True)
class Setting:
    """Everything that must be equal for two methods to be compared.

    `embedder` is the one of the methods that use an embedder; a method that uses none is
    comparable with any.
    """

    task_version: str
    subset: str
    task_options: str
    model: str
    model_id: str
    model_revision: str
    embedder: str
    sampling: str
    order: str
    data_seed: int
    content_hash: str
    sample_limit: int | None


@dataclass(frozen=True)
class LocalSetting:
    """The same of a method that changes a model's weights: of an edit or an adapt task."""

    task_version: str
    subset: str
    task_options: str
    model: str
    model_id: str
    model_revision: str
    sample_limit: int | None
    content_hash: str = ""
    """Empty of an edit task, whose drawn sets differ between seeds by design."""


@dataclass(frozen=True)
class PhaseUsage:
    """Mean cost of one phase, per sample."""

    phase: str
    input_tokens: float
    output_tokens: float
    seconds: float


@dataclass(frozen=True)
class Usage:
    """Mean cost per sample, and how well outputs could be used.

    Attributes:
        input_tokens: tokens read by the model, per sample.
        output_tokens: tokens written by the model, per sample.
        seconds: wall time per sample, its wait for a place in a batch included.
        phases: the same by phase, but seconds are a phase's share of computing; those of a hook
            include the model calls it made.
        invalid_outputs: share of samples with an output that could not be read, in [0, 1].
        invalid_actions: actions the world refused, per step.
    """

    input_tokens: float
    output_tokens: float
    seconds: float
    phases: tuple[PhaseUsage, ...]
    invalid_outputs: float | None
    invalid_actions: float | None


@dataclass(frozen=True)
class MemoryUse:
    """How large the memory became and how it was used.

    Attributes:
        entries: entries after the last step, mean over streams.
        chars: characters of their texts after the last step, mean over streams.
        retrieved: entries shown, per sample.
        similarity: mean similarity of shown entries, over the samples that have one.
        pruned: entries pruned / entries shown, in [0, 1]; None where none was shown.
        added: entries written, per sample.
        changed: entries edited, per sample.
        removed: entries deleted, per sample.
        calls: answers that the memory asked the model for, in all; None where it reports none.
        unreadable: how many of them could not be read, in all; None likewise.
    """

    entries: float | None
    chars: float | None
    retrieved: float | None
    similarity: float | None
    pruned: float | None
    added: float | None
    changed: float | None
    removed: float | None
    calls: float | None = None
    unreadable: float | None = None


@dataclass(frozen=True)
class PairedGain:
    """A method against the baseline on the same items.

    Attributes:
        n: items that both have a score for, with equal content.
        clusters: independent units that they come from.
        unpaired: items that only one of the two has a score for, or with other content.
        difference: of the mean scores, with its 95 % interval.
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
class CurvePoint:
    """One step of a learning curve, as a mean over the streams that have a value there.

    Attributes:
        step: position in the stream, from 0.
        streams: number of streams (times repeats) averaged.
        cumulative: mean score up to this step.
        rolling: mean score of the last 3 scored samples; None before there are 3.
    """

    step: int
    streams: int
    cumulative: float
    rolling: float | None


@dataclass(frozen=True)
class Gain:
    """A method against the board's baseline on the same items; differences are method - baseline.

    Attributes:
        n: items paired by id with equal content hash.
        clusters: streams they come from, the independent units.
        left_out: common items that are not scored on either side, so not paired.
        unmatched: items that only one side has.
        changed_content: items with equal id but different content, so not paired.
        difference: mean difference, in the unit of the metric.
        low: lower end of the 95 % interval; None if the streams are too few for one.
        high: upper end, None likewise.
        wins: items on which the method is better.
        losses: items on which it is worse.
        ties: items on which both are equal.
        p: two-sided p value.
        adjusted_p: the same after Holm's correction over the methods of the section.
        comparisons: number of methods corrected for.
        smallest_p: smallest adjusted p these streams could have given.
        test: the test behind `p`.
        verdict: what may be concluded.
        slope: least-squares slope of the difference per step; None for fewer than two steps.
        first_third: mean difference in the first third of each stream; None below 3 items.
        last_third: the same in the last third.
    """

    n: int
    clusters: int
    left_out: int
    unmatched: int
    changed_content: int
    difference: float
    low: float | None
    high: float | None
    wins: int
    losses: int
    ties: int
    p: float
    adjusted_p: float
    comparisons: int
    smallest_p: float
    test: PairedTest
    verdict: Verdict
    slope: float | None
    first_third: float | None
    last_third: float | None


@dataclass(frozen=True)
class Row:
    """One method of a section.

    Attributes:
        method: its label.
        run_ids: the runs behind the row, one for each seed.
        sample_seeds: their sample seeds; several are joined as repeats.
        n_scored: samples that count: status ok, or failed with the worst value.
        n_planned: samples planned.
        n_failed: samples the method broke on.
        n_invalid: samples the data make unanswerable; they have no score.
        clusters: streams among the scored samples.
        score: mean of the board's metric with its interval; None if no sample is scored.
        success: share of samples solved.
        progress: mean of the task's own progress metric, where it has one.
        steps: mean number of turns.
        steps_of_successes: mean number of turns of the solved samples.
        usage: costs.
        memory: size and use of the memory.
        curve: learning curve.
        gain: comparison with the baseline; None where there is none, for the reason in `no_gain`.
        no_gain: why there is no gain.
    """

    method: str
    run_ids: tuple[str, ...]
    sample_seeds: tuple[int, ...]
    n_scored: int
    n_planned: int
    n_failed: int
    n_invalid: int
    clusters: int
    score: MeanEstimate | None
    success: float | None
    progress: float | None
    steps: float | None
    steps_of_successes: float | None
    usage: Usage
    memory: MemoryUse
    curve: tuple[CurvePoint, ...]
    gain: Gain | None
    no_gain: str


@dataclass(frozen=True)
class Section:
    """The methods that can be compared: baseline first, then by score."""

    setting: Setting
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    measures: StreamMeasures | None = None
    """What streams tell beyond the score; None where nothing was computed."""


@dataclass(frozen=True)
class Unranked:
    """A run that is not ranked, and how far it came."""

    run_id: str
    method: str
    subset: str
    model: str
    order: str
    sample_seed: int
    status: str
    n_done: int
    n_planned: int
    n_error: int


@dataclass(frozen=True)
class Leaderboard:
    """A built board."""

    board: Board
    sections: tuple[Section, ...]
    unranked: tuple[Unranked, ...]
    problems: tuple[str, ...]
    """Files of the results folder that could not be read."""
    measures: BoardMeasures | None = None
    """What needs several sections; None where nothing was computed."""
    subsets: Mapping[str, str] = field(default_factory=dict[str, str])
    """The subset of each run that others inherited memories from, by its id."""


@dataclass(frozen=True)
class Sample:
    """One sample row, as far as a board needs it.

    Attributes:
        value: the board's metric; the worst value if failed; None if not scored.
        metrics: the other numbers of the sample.
        answer: the answer as it was read, of questions; empty where none was.
    """

    run_id: str
    sample_id: str
    sample_hash: str
    repeat: int
    stream_id: str
    step: int
    status: str
    value: float | None
    metrics: Mapping[str, float]
    input_tokens: int
    output_tokens: int
    seconds: float
    answer: str = ""
