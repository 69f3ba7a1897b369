"""What a run's row says of its samples as a whole, summed one sample after another."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from harness.results.schema import SampleRecord, Status


class Totals:
    """Counts by status, tokens, and the mean of every metric over the samples that have it.

    A failed sample counts 0 in what its task calls better when higher, where others have it.

    Args:
        quality: names of the metrics that are better when higher.
    """

    def __init__(self, quality: Iterable[str]) -> None:
        self.statuses = Counter[Status]()
        self.probes = 0
        """Probes that were answered."""
        self.input_tokens = 0
        self.output_tokens = 0
        self._quality = tuple(quality)
        self._measured = set[str]()
        self._sums = defaultdict[str, float](float)
        self._counts, self._lacking = Counter[str](), Counter[str]()

    def add(self, record: SampleRecord) -> None:
        """Count a sample; a probe is counted apart, unless it is an error."""
        if record.is_probe:
            probe = record.status is not Status.ERROR
            self.probes += probe
            self.statuses[Status.ERROR] += not probe
            return
        self.statuses[record.status] += 1
        self.input_tokens += record.input_tokens
        self.output_tokens += record.output_tokens
        self._measured.update(record.metrics)
        if record.status is Status.ERROR:
            return
        if record.status is Status.FAILED:
            self._lacking.update(one for one in self._quality if one not in record.metrics)
        values = dict(record.metrics)
        if record.score is not None:
            values["score"] = record.score
        for name, value in values.items():
            self._sums[name] += value
            self._counts[name] += 1

    def means(self) -> dict[str, float]:
        """The mean of each metric, and of the score."""
        counts = self._counts + Counter(
            {name: count for name, count in self._lacking.items() if name in self._measured}
        )
        return {name: self._sums[name] / counts[name] for name in sorted(counts)}
