"""Transfer: what earlier items did for later ones and the reverse, and hold-out accuracy.

Runs with probes come in. Forward transfer of an item is its online score minus its score with the
empty memory; backward transfer is its score at the end minus the one right behind it; forgetting
is the best earlier score behind it minus the one at the end (`harness.statistics.transfer` names
the sources). Hold-out items are those that the stream never meets; states are compared by the
share of the stream behind them. The independent unit is the stream.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from harness.statistics import MeanEstimate, mean_with_interval, slope
from harness.statistics.transfer import Scores
from harness_leaderboards.gains import pair
from harness_leaderboards.measures import LEVEL
from harness_leaderboards.model import Sample
from harness_leaderboards.runs import Run
from harness_leaderboards.streams.estimates import change_of
from harness_leaderboards.streams.settings import options_of

Place = tuple[str, str]
"""Run and stream."""


@dataclass(frozen=True)
class HoldoutPoint:
    """Hold-out accuracy at one state.

    Attributes:
        part: share of the stream behind the memory, in [0, 1].
        score: mean over hold-out items and streams.
        streams: streams (times runs) that were asked there.
    """

    part: float
    score: MeanEstimate
    streams: int


@dataclass(frozen=True)
class Transfer:
    """The transfer of one method; None where it was not measured.

    Attributes:
        forward: mean over the items of each stream from the second on.
        backward: mean over items before the last.
        forgetting: the same, never below the loss.
        holdout: hold-out accuracy by state, the empty memory first.
        holdout_gain: the full memory against the empty one, paired by item.
        holdout_trend: least-squares change of hold-out accuracy from one checkpoint to the next,
            of those that every stream has.
        holdout_loss: the best earlier one of those minus the last one.
        holdout_ahead: at the end against the baseline's, paired by item; None of the baseline.
        summed_gains: SeqMem-Eval's B(1) and B(2), mean over streams, where every state was probed.
    """

    method: str
    forward: MeanEstimate | None
    backward: MeanEstimate | None
    forgetting: MeanEstimate | None
    holdout: tuple[HoldoutPoint, ...]
    holdout_gain: MeanEstimate | None
    holdout_trend: float | None
    holdout_loss: float | None
    holdout_ahead: MeanEstimate | None
    summed_gains: tuple[float | None, float | None]


def transfer_of(method: str, runs: Sequence[Run], baseline: Sequence[Run] = ()) -> Transfer | None:
    """The transfer of a method; None where none of its runs was probed.

    Args:
        method: its label.
        runs: of one setting, one for each seed.
        baseline: the baseline's in that setting; none of the baseline itself. One without a state
            was asked with the empty memory only, which is its end.
    """
    if not any(run.probes for run in runs):
        return None
    matrices = {place: scores for run in runs for place, scores in _matrices(run).items()}
    held = {place: cells for run in runs for place, cells in _holdouts(run).items()}
    points = _points(held)
    # A stream that is too short for all checkpoints would make steps of its own.
    means = [one.score.mean for one in points if one.streams == len(held)]
    return Transfer(
        method=method,
        forward=_estimate({place: one.forward() for place, one in matrices.items()}),
        backward=_estimate({place: one.backward() for place, one in matrices.items()}),
        forgetting=_estimate({place: one.forgetting() for place, one in matrices.items()}),
        holdout=points,
        holdout_gain=_holdout_gain(held),
        holdout_trend=slope(means) if len(means) > 2 else None,
        holdout_loss=max(means[:-1]) - means[-1] if len(means) > 1 else None,
        holdout_ahead=change_of(pair(_held_at_end(baseline), _held_at_end(runs)).pairs),
        summed_gains=(_summed(matrices.values(), 1), _summed(matrices.values(), 2)),
    )


def _matrices(run: Run) -> dict[Place, Scores]:
    """The scores of a run's items by state, stream by stream.

    Later meetings of an item (a repeated order) are no items, but the end is behind them.
    """
    online = dict[str, dict[str, Sample]]()
    ends = dict[str, int]()
    for sample in run.samples:
        ends[sample.stream_id] = max(sample.step + 1, ends.get(sample.stream_id, 0))
        if sample.repeat == 0:
            online.setdefault(sample.stream_id, {})[sample.sample_id] = sample
    found = dict[Place, Scores]()
    for stream, items in online.items():
        numbers = {name: sample.step + 1 for name, sample in items.items()}
        cells = {
            (numbers[name], sample.step): sample.value
            for name, sample in items.items()
            if sample.value is not None
        }
        for probe in run.probes:
            one = probe.sample
            if one.stream_id == stream and one.sample_id in numbers and one.value is not None:
                cells[numbers[one.sample_id], probe.state] = one.value
        found[run.run_id, stream] = Scores(ends[stream], cells)
    return found


def _held_at_end(runs: Sequence[Run]) -> list[Sample]:
    """Hold-out items as asked at the last state of each stream."""
    found = list[Sample]()
    for run in runs:
        met = {(one.stream_id, one.sample_id) for one in run.samples}
        last = dict[str, int]()
        for probe in run.probes:
            stream = probe.sample.stream_id
            last[stream] = max(probe.state, last.get(stream, 0))
        found += [
            one.sample
            for one in run.probes
            if one.state == last[one.sample.stream_id]
            and (one.sample.stream_id, one.sample.sample_id) not in met
        ]
    return found


def _holdouts(run: Run) -> dict[Place, dict[tuple[Fraction, str], float]]:
    """Scores of hold-out items by share of the stream and item, stream by stream."""
    met = {(one.stream_id, one.sample_id) for one in run.samples}
    lengths = dict[str, int]()
    for one in run.samples:
        lengths[one.stream_id] = lengths.get(one.stream_id, 0) + 1
    points = options_of(run.setting).get("checkpoints")
    found = dict[Place, dict[tuple[Fraction, str], float]]()
    for probe in run.probes:
        one = probe.sample
        if (one.stream_id, one.sample_id) in met or one.value is None:
            continue
        part = Fraction(probe.state, max(lengths.get(one.stream_id, 0), 1))
        if points:  # as planned: streams of other lengths round their checkpoints differently
            part = Fraction(round(part * points), points)
        cells = found.setdefault((run.run_id, one.stream_id), {})
        cells[part, one.sample_id] = one.value
    return found


def _points(
    held: Mapping[Place, Mapping[tuple[Fraction, str], float]],
) -> tuple[HoldoutPoint, ...]:
    parts = sorted({part for cells in held.values() for part, _ in cells})
    points = list[HoldoutPoint]()
    for part in parts:
        score = _estimate(
            {
                place: {item: value for (at, item), value in cells.items() if at == part}
                for place, cells in held.items()
            }
        )
        if score is not None:
            streams = sum(any(at == part for at, _ in cells) for cells in held.values())
            points.append(HoldoutPoint(float(part), score, streams))
    return tuple(points)


def _holdout_gain(
    held: Mapping[Place, Mapping[tuple[Fraction, str], float]],
) -> MeanEstimate | None:
    """The last state minus the first, by item."""
    changes = dict[Place, dict[str, float]]()
    for place, cells in held.items():
        last = max(part for part, _ in cells)
        if last > 0:
            changes[place] = {
                item: cells[last, item] - cells[Fraction(0), item]
                for part, item in cells
                if part == last and (Fraction(0), item) in cells
            }
    return _estimate(changes)


def _estimate(
    values: Mapping[Place, Mapping[int, float]] | Mapping[Place, Mapping[str, float]],
) -> MeanEstimate | None:
    """Mean over items with an interval over streams; repeats of a stream are one cluster."""
    pairs = [(x, stream) for (_, stream), items in values.items() for x in items.values()]
    if not pairs:
        return None
    scores, streams = zip(*pairs, strict=True)
    return mean_with_interval(scores, streams, LEVEL)


def _summed(matrices: Iterable[Scores], lag: int) -> float | None:
    """Mean over streams of B(lag), if all cells that it needs were measured."""
    found = list[float]()
    for one in matrices:
        needed = [(item, item - 1 + lag) for item in range(1, one.length - lag + 2)]
        if not needed or any(cell not in one.cells for cell in needed):
            return None
        found.append(one.summed_gain(lag))
    return math.fsum(found) / len(found) if found else None
