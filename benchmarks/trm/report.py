"""What the miniature of TRM does on small puzzles, out of a results folder, as markdown.

``python -m benchmarks.trm.report RESULTS``, after runs of ``trm``, ``trm:votes=1``,
``trm:identity=blank``, ``trm:identity=random`` and ``trm:steps=6`` under several seeds. Every
figure is a task mean: test inputs of one puzzle are averaged first. Intervals: t over puzzles of
means over seeds (given these seeds), and t over seeds (given these puzzles).
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.results.store import ResultsStore
from harness.statistics import compare_paired, mean_with_interval

NAMES = {
    "trm": "vote over 16 variants",
    "trm:votes=1": "single pass",
    "trm:identity=blank": "vote, blank id",
    "trm:identity=random": "vote, random id",
    "trm:steps=6": "vote, 6 steps",
}

Table = Mapping[int, Mapping[str, float]]
"""For each seed the score of each puzzle."""


def main(folder: Path) -> None:
    """Print the report."""
    store = ResultsStore(folder)
    samples = defaultdict[str, dict[int, list[dict[str, Any]]]](dict)
    rows = dict[tuple[str, int], Mapping[str, float]]()
    for one in store.runs():
        if one.task == "arc-agi":
            frame = store.samples(one.task, [one.run_id])
            samples[one.method][one.sample_seed] = frame.to_dict("records")
            rows[one.method, one.sample_seed] = dict(store.row(one.run_id)["metrics"])
    for line in (*_scores(samples), *_gain(samples), *_curves(samples), *_fits(rows)):
        print(line)


def _table(runs: Mapping[int, list[dict[str, Any]]], metric: str) -> Table:
    return {
        seed: _by_puzzle(rows, lambda row: float(row["metrics"].get(metric, 0.0)))
        for seed, rows in sorted(runs.items())
    }


def _by_puzzle(
    rows: Iterable[Mapping[str, Any]], value: Callable[[Mapping[str, Any]], float]
) -> dict[str, float]:
    found = defaultdict[str, list[float]](list)
    for row in rows:
        found[row["source_id"]].append(value(row))
    return {name: sum(values) / len(values) for name, values in found.items()}


def _over_seeds(table: Table) -> dict[str, float]:
    names = next(iter(table.values()))
    return {name: sum(one[name] for one in table.values()) / len(table) for name in names}


def _scores(samples: Mapping[str, Mapping[int, list[dict[str, Any]]]]) -> Iterable[str]:
    yield "| | K | by seed | mean | 95 % over puzzles | 95 % over seeds |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for method, runs in samples.items():
        for metric, k in (("first", 1), ("solved", 2)):
            table = _table(runs, metric)
            by_seed = [_mean(one.values()) for one in table.values()]
            puzzles = _over_seeds(table)
            over = mean_with_interval(puzzles.values(), puzzles)
            seeds = mean_with_interval(by_seed, range(len(by_seed)))
            each = " ".join(f"{one:.3f}" for one in by_seed)
            yield (
                f"| {NAMES.get(method, method)} | {k} | {each} "
                f"| {over.mean:.3f} | {_ends(over)} | {_ends(seeds)} |"
            )


def _gain(samples: Mapping[str, Mapping[int, list[dict[str, Any]]]]) -> Iterable[str]:
    for metric, k in (("first", 1), ("solved", 2)):
        vote, single = (
            _over_seeds(_table(samples[name], metric)) for name in ("trm", "trm:votes=1")
        )
        found = compare_paired([single[name] for name in vote], list(vote.values()), list(vote))
        yield (
            f"\nVote over single pass at K={k}: {found.difference:+.3f} "
            f"[{found.low:+.3f}, {found.high:+.3f}], p {found.p:.3f}, {found.clusters} puzzles."
        )


def _curves(samples: Mapping[str, Mapping[int, list[dict[str, Any]]]]) -> Iterable[str]:
    for over, label in (("steps", "recursion steps"), ("votes", "votes")):
        for method in ("trm", "trm:votes=1", "trm:steps=6"):
            names = {
                int(name.rpartition("_")[2])
                for rows in samples[method].values()
                for row in rows
                for name in row["metrics"]
                if name.startswith(f"first@{over}_")
            }
            if not names:
                continue
            points = sorted(names)
            yield f"\n{NAMES[method]}, over {label}:\n"
            yield f"| K | {' | '.join(map(str, points))} |"
            yield f"| --- |{' --- |' * len(points)}"
            for metric, k in (("first", 1), ("solved", 2)):
                means = [
                    _mean(_over_seeds(_table(samples[method], f"{metric}@{over}_{one}")).values())
                    for one in points
                ]
                yield f"| {k} | {' | '.join(f'{one:.3f}' for one in means)} |"


def _fits(rows: Mapping[tuple[str, int], Mapping[str, float]]) -> Iterable[str]:
    names = ("fit_seconds", "fit_steps", "fit_loss", "parameters", "embedding_parameters")
    yield f"\n| seed | {' | '.join(name.replace('_', ' ') for name in names)} |"
    yield f"| --- |{' --- |' * len(names)}"
    for (method, seed), metrics in sorted(rows.items()):
        if method == "trm":
            cells = (f"{metrics[name]:,.4g}" for name in names)
            yield f"| {seed} | {' | '.join(cells)} |"


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)


def _ends(found: Any) -> str:
    return "n/a" if found.low is None else f"{found.low:.3f} to {found.high:.3f}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
