"""The metrics of a run, from its rows, one row at a time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harness.protocols.task import Summary
from harness.results.schema import SampleRecord, Status
from harness_tasks.imagenet_c import formulas
from harness_tasks.imagenet_c.corruptions.names import BENCHMARK, SEVERITIES

CLEAN = "clean"
AFTER = "after"
"""Checkpoint of the clean images after the stream."""
_MEANS = ("entropy", "nll", "brier", "top5_correct")


@dataclass
class _Cell:
    """What is counted of a corruption at a severity."""

    n: int = 0
    right: float = 0.0

    @property
    def accuracy(self) -> float:
        return self.right / self.n


@dataclass
class _Stream:
    """What is counted of the stream proper."""

    n: int = 0
    sums: dict[str, float] = field(default_factory=lambda: defaultdict[str, float](float))
    calibration: formulas.Calibration = field(default_factory=formulas.Calibration)
    predicted: Counter[int] = field(default_factory=Counter[int])
    true: Counter[int] = field(default_factory=Counter[int])
    seconds: float = 0.0
    source_n: int = 0
    """Images that the source model predicted too, to see how long it takes."""
    source_ms: float = 0.0

    def add(self, row: SampleRecord) -> None:
        """Note an image that has a prediction."""
        metrics = row.metrics
        self.n += 1
        for name in _MEANS:
            self.sums[name] += metrics[name]
        self.calibration.add(metrics["max_probability"], row.score or 0.0)
        self.predicted[int(metrics["top1"])] += 1
        self.true[int(metrics["label"])] += 1
        if "source_ms" in metrics:
            self.source_n += 1
            self.source_ms += metrics["source_ms"]
        self.seconds += row.latency_s


def summarise(rows: Iterable[SampleRecord], *, whole: bool, why_not: str) -> Summary:
    """Accuracy, corruption errors, calibration, bias, speed.

    ``score`` is the accuracy over all corrupted images, failed ones counted as wrong, invalid ones
    left out.

    Args:
        rows: of the run; nothing of one is kept.
        whole: whether the data are such that mCE may be called so.
        why_not: what to say where they are not.
    """
    cells = defaultdict[tuple[str, int], _Cell](_Cell)
    before, after, stream = _Cell(), _Cell(), _Stream()
    for row in rows:
        if row.score is None:
            continue
        clean = row.group == CLEAN
        cell = cells[row.group, int(row.metrics["severity"])]
        if clean:
            cell = after if row.checkpoint == AFTER else before
        cell.n += 1
        cell.right += row.score
        if not clean and row.status is Status.OK:
            stream.add(row)
    metrics, missing = dict[str, float](), dict[str, str]()
    corrupted = {key: one for key, one in cells.items() if key[0] != CLEAN}
    if corrupted:
        counted = sum(one.n for one in corrupted.values())
        metrics["score"] = sum(one.right for one in corrupted.values()) / counted
        metrics["accuracy"] = metrics["score"]
    for (name, severity), one in sorted(corrupted.items()):
        metrics[f"accuracy/{name}/{severity}"] = one.accuracy
    if before.n:
        metrics["accuracy_clean"] = before.accuracy
    if after.n:
        metrics["accuracy_clean_after"] = after.accuracy
        if before.n:
            metrics["forgetting"] = before.accuracy - after.accuracy
        else:
            missing["forgetting"] = "needs clean images before the stream too: -T clean=true"
    metrics |= _means(stream)
    _corruption_errors(corrupted, before, metrics, missing, why_not if not whole else "")
    return Summary(metrics, missing)


def _means(stream: _Stream) -> dict[str, float]:
    if not stream.n:
        return {}
    found = {name: total / stream.n for name, total in stream.sums.items()}
    found["top5_accuracy"] = found.pop("top5_correct")
    found["ece"] = stream.calibration.error()
    found["largest_class_share"] = formulas.largest_share(stream.predicted)
    found["class_share_distance"] = formulas.distance_to(stream.predicted, stream.true)
    found["images_per_second"] = stream.n / stream.seconds if stream.seconds else 0.0
    if stream.source_ms:
        # All batches of the method, for some methods work in bursts.
        each, source = 1000 * stream.seconds / stream.n, stream.source_ms / stream.source_n
        found["overhead"] = each / source
    return found


def _corruption_errors(
    cells: Mapping[tuple[str, int], _Cell],
    clean: _Cell,
    metrics: dict[str, float],
    missing: dict[str, str],
    why_not: str,
) -> None:
    """CE of every corruption at all severities, mCE of all of them."""
    errors = {
        name: [1 - cells[name, severity].accuracy for severity in SEVERITIES]
        for name in BENCHMARK
        if all((name, severity) in cells for severity in SEVERITIES)
    }
    if why_not:
        missing["mce"] = missing["relative_mce"] = why_not
        return
    for name, found in errors.items():
        metrics[f"ce/{name}"] = formulas.corruption_error(found, formulas.ALEXNET[name])
    lacking = [name for name in BENCHMARK if name not in errors]
    if lacking:
        missing["mce"] = missing["relative_mce"] = (
            f"needs all five severities of {len(BENCHMARK)} corruptions; {lacking[0]} lacks some"
        )
        return
    metrics["mce"] = formulas.mce(errors) / 100
    if clean.n:
        metrics["relative_mce"] = formulas.relative_mce(errors, 1 - clean.accuracy) / 100
    else:
        missing["relative_mce"] = "no clean images"
