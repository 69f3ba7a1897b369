"""What a board of an edit task takes from the samples of its runs, which aggregates do not say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

from harness.errors import ResultsError
from harness.results.schema import Status
from harness.results.store import ResultsStore
from harness_leaderboards.edits.model import Failure
from harness_leaderboards.edits.runs import FINAL, EditedRun


class Samples:
    """The samples of a task's runs, read where a board needs them."""

    def __init__(self, store: ResultsStore, task: str) -> None:
        self._store = store
        self._task = task
        self.problems: list[str] = []
        """Tables that could not be read."""

    def examples(self, runs: Iterable[EditedRun]) -> dict[str, tuple[int, int]]:
        """Evaluated examples by set, least and most over seeds; a run of each seed is read."""
        one_each = {run.seed: run for run in runs}
        counts = [
            Counter(str(row["group"]) for row in self._finals(run)) for run in one_each.values()
        ]
        sets = sorted({group for one in counts for group in one})
        return {group: _ends([one[group] for one in counts if one]) for group in sets}

    def failure(self, run: EditedRun) -> Failure:
        """Why a run has failed samples."""
        failed = [row for row in self._read(run) if row["status"] == Status.FAILED]
        diverged = [row for row in failed if row["error_type"] == "Diverged"]
        reasons = [str(row["error"]) for row in diverged or failed if row["error"]]
        return Failure(run.seed, bool(diverged), reasons[0] if reasons else "no reason is recorded")

    def ks_between(self, runs: Sequence[EditedRun]) -> float | None:
        """Largest KS distance of truth ratios between two runs of different seeds on equal data."""
        pairs = [
            (one, other)
            for one, other in combinations(runs, 2)
            if one.seed != other.seed and one.content_hash == other.content_hash
        ]
        ratios = {run.run_id: self._truth_ratios(run) for pair in pairs for run in pair}
        distances = list[float]()
        for one, other in pairs:
            if ratios[one.run_id] and ratios[other.run_id]:
                distances.append(_ks_distance(ratios[one.run_id], ratios[other.run_id]))
        return max(distances, default=None)

    def _truth_ratios(self, run: EditedRun) -> list[float]:
        metrics = [row["metrics"] for row in self._finals(run) if row["group"] == "forget"]
        return [one["truth_ratio"] for one in metrics if "truth_ratio" in one]

    def _finals(self, run: EditedRun) -> list[Mapping[Any, Any]]:
        return [row for row in self._read(run) if row["checkpoint"] == FINAL]

    def _read(self, run: EditedRun) -> list[Mapping[Any, Any]]:
        try:
            return list(self._store.samples(self._task, [run.run_id]).to_dict("records"))
        except ResultsError as error:
            self.problems.append(str(error))
            return []


def _ks_distance(one: Sequence[float], other: Sequence[float]) -> float:
    """Largest distance of two distribution functions."""
    from scipy.stats import ks_2samp

    test: Any = ks_2samp(one, other)
    return float(test.statistic)


def _ends(values: Sequence[int]) -> tuple[int, int]:
    return min(values), max(values)
