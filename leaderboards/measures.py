"""The figures of one method from its samples: score, costs, memory use, learning curve.

Samples come in (of several runs, if a method has several seeds), the parts of a `Row` go out.
Sources of the measures: Evo-Memory (arXiv 2511.20857), section on evaluation, and the harness's
own definitions in `harness_leaderboards.model`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from harness.results.schema import Status
from harness.statistics import MeanEstimate, cumulative, mean_with_interval, rolling
from harness_leaderboards.model import CurvePoint, MemoryUse, PhaseUsage, Sample, Usage

ROLLING_WINDOW = 3
LEVEL = 0.95

_PHASES = ("retrieve", "think", "act", "evolve", "judge")
_PHASE_METRICS = ("input_tokens_", "output_tokens_", "seconds_")


def scored(samples: Iterable[Sample]) -> list[Sample]:
    """The samples that count."""
    return [one for one in samples if one.value is not None]


def mean(values: Iterable[float]) -> float | None:
    """Mean of what is there; None where nothing is."""
    present = list(values)
    return math.fsum(present) / len(present) if present else None


def ratio(over: float, under: float) -> float | None:
    """A share; None of nothing."""
    return over / under if under else None


def score(samples: Sequence[Sample]) -> MeanEstimate | None:
    """Mean of the board's metric with a cluster-robust t interval; the cluster is the stream."""
    pairs = [(one.value, one.stream_id) for one in samples if one.value is not None]
    if not pairs:
        return None
    values, streams = zip(*pairs, strict=True)
    return mean_with_interval(values, streams, LEVEL)


def metric(samples: Iterable[Sample], name: str) -> float | None:
    """Mean of a metric over the samples that have it."""
    return mean(one.metrics[name] for one in samples if name in one.metrics)


def quality(samples: Iterable[Sample], name: str) -> float | None:
    """Mean of a metric that says how good a sample is, with 0 for failed samples."""
    return mean(
        0.0 if one.status == Status.FAILED else one.metrics[name]
        for one in samples
        if one.status == Status.FAILED or name in one.metrics
    )


def reports(samples: Iterable[Sample], name: str) -> bool:
    """Whether any sample has a metric."""
    return any(name in one.metrics for one in samples)


def usage(samples: Sequence[Sample]) -> Usage:
    """Costs per scored sample."""
    with_outputs = [one for one in samples if "invalid_outputs" in one.metrics]
    return Usage(
        input_tokens=_per_sample(samples, lambda one: one.input_tokens),
        output_tokens=_per_sample(samples, lambda one: one.output_tokens),
        seconds=_per_sample(samples, lambda one: one.seconds),
        phases=tuple(_phase(samples, phase) for phase in _phases(samples)),
        invalid_outputs=mean(float(one.metrics["invalid_outputs"] > 0) for one in with_outputs),
        invalid_actions=ratio(_total(samples, "invalid_actions"), _total(samples, "steps")),
    )


def memory_use(
    everything: Sequence[Sample], samples: Sequence[Sample], operations: Mapping[str, int] | None
) -> MemoryUse:
    """Size after the last step of each stream, and what was shown, pruned and written.

    Args:
        everything: all samples: an unscored last step has a memory too.
        samples: the scored ones.
        operations: how many entries were added, changed and removed; None where not known.
    """
    last = dict[tuple[str, int, str], Sample]()
    for one in sorted(everything, key=lambda sample: sample.step):
        last[one.run_id, one.repeat, one.stream_id] = one
    counts = operations or {}
    n = len(everything) if operations is not None else 0
    asks = reports(everything, "memory_calls")
    return MemoryUse(
        entries=metric(last.values(), "memory_entries"),
        chars=metric(last.values(), "memory_chars"),
        retrieved=metric(samples, "retrieved"),
        similarity=metric(samples, "similarity"),
        pruned=ratio(_total(samples, "pruned"), _total(samples, "retrieved")),
        added=ratio(counts.get("added", 0), n),
        changed=ratio(counts.get("changed", 0), n),
        removed=ratio(counts.get("removed", 0), n),
        calls=_total(everything, "memory_calls") if asks else None,
        unreadable=_total(everything, "memory_unreadable") if asks else None,
    )


def memory_note(method: str, use: MemoryUse) -> str:
    """A sentence of a memory that could not read what it had the model write, or kept nothing."""
    if not use.calls or use.unreadable is None:
        return ""
    told = f"{use.unreadable:,.0f} of {use.calls:,.0f} answers that it asked for could not be read"
    if use.entries == 0:
        return f"{method} kept nothing: {told}."
    return f"{method}: {told}." if use.unreadable >= use.calls / 2 else ""


def curve(samples: Iterable[Sample]) -> tuple[CurvePoint, ...]:
    """Mean over streams of each stream's cumulative and rolling mean, by step.

    A stream's curve runs over its scored samples; it has no value at a step without a score.
    """
    series = dict[tuple[str, int, str], list[tuple[int, float]]]()
    for one in sorted(samples, key=lambda sample: sample.step):
        if one.value is not None:
            place = (one.run_id, one.repeat, one.stream_id)
            series.setdefault(place, []).append((one.step, one.value))
    so_far, recent = dict[int, list[float]](), dict[int, list[float]]()
    for points in series.values():
        steps = [step for step, _ in points]
        values = [value for _, value in points]
        for step, value in zip(steps, cumulative(values), strict=True):
            so_far.setdefault(step, []).append(value)
        ends = steps[ROLLING_WINDOW - 1 :]
        for step, value in zip(ends, rolling(values, ROLLING_WINDOW), strict=True):
            recent.setdefault(step, []).append(value)
    return tuple(
        CurvePoint(
            step=step,
            streams=len(so_far[step]),
            cumulative=math.fsum(so_far[step]) / len(so_far[step]),
            rolling=mean(recent.get(step, ())),
        )
        for step in sorted(so_far)
    )


def _phases(samples: Iterable[Sample]) -> list[str]:
    """Phases that appear, in the order of the loop; unknown ones at the end."""
    found = {
        name.removeprefix(prefix)
        for one in samples
        for name in one.metrics
        for prefix in _PHASE_METRICS
        if name.startswith(prefix)
    }
    return [phase for phase in _PHASES if phase in found] + sorted(found - set(_PHASES))


def _phase(samples: Sequence[Sample], phase: str) -> PhaseUsage:
    """Costs of a phase; a sample without the metric spent nothing on it."""

    def spent(prefix: str) -> float:
        return _per_sample(samples, lambda one: one.metrics.get(prefix + phase, 0.0))

    return PhaseUsage(phase, *(spent(prefix) for prefix in _PHASE_METRICS))


def _per_sample(samples: Sequence[Sample], spent: Callable[[Sample], float]) -> float:
    return math.fsum(spent(one) for one in samples) / len(samples) if samples else 0.0


def _total(samples: Iterable[Sample], name: str) -> float:
    return math.fsum(one.metrics.get(name, 0.0) for one in samples)
