"""Means of the items of streams with their intervals; the independent unit is the stream."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.statistics import MeanEstimate, mean_with_interval
from harness_leaderboards.gains import Pair
from harness_leaderboards.measures import LEVEL
from harness_leaderboards.model import Sample
from harness_leaderboards.runs import Run


def estimate(values: Iterable[tuple[str, float]]) -> MeanEstimate | None:
    """Mean of values, each with its stream; None of none."""
    pairs = list(values)
    if not pairs:
        return None
    streams, numbers = zip(*pairs, strict=True)
    return mean_with_interval(numbers, streams, LEVEL)


def change_of(pairs: Iterable[Pair]) -> MeanEstimate | None:
    """Mean of after minus before."""
    return estimate((one.stream_id, one.after - one.before) for one in pairs)


def samples_of(runs: Iterable[Run]) -> Sequence[Sample]:
    """What was scored along the streams."""
    return [one for run in runs for one in run.samples]


def solved(sample: Sample) -> bool:
    """Whether an item was solved: its success if the task reports one, else a full score."""
    if sample.value is None or sample.status == "failed":
        return False
    return sample.metrics.get("success", float(sample.value >= 1)) > 0
