"""Ranked boards made up for tests of what shows them."""

from __future__ import annotations

from harness_leaderboards.boards.spec import BoardSpec, Column, Metric, StreamDetails, TradeOff
from harness_leaderboards.history.model import Point, Step, Trend
from harness_leaderboards.model import Unranked
from harness_leaderboards.ranking.model import (
    Cell,
    Cost,
    Pair,
    RankedBoard,
    RankedRow,
    RankedTable,
)


def spec(name="evo-memory", task="evo-memory", **more):
    return BoardSpec(
        **{
            "name": name,
            "title": "Evo-Memory",
            "summary": "How an agent's memory evolves over a stream of tasks.",
            "task": task,
            "protocol": "stream",
            "baseline": "baseline",
            "metric": Metric(name="score", header="score"),
            "columns": (
                Column(metric="success", header="success", higher_is_better=True),
                Column(metric="steps", header="steps", higher_is_better=False),
            ),
            "trade_offs": (TradeOff(x="tokens", title="Score against tokens"),),
            "stream": StreamDetails(columns=("method", "n", "score")),
            **more,
        }
    )


def cell(
    value, *, subset="", run_ids=(), n=60, planned=60, seeds=(0,), present=1, expected=1, **more
):
    half = 0.08
    return Cell(
        **{
            "subset": subset,
            "value": value,
            "low": None if value is None else value - half,
            "high": None if value is None else value + half,
            "n": n,
            "n_planned": planned,
            "n_failed": 0,
            "n_invalid": 0,
            "clusters": 10,
            "seeds": tuple(seeds),
            "spread": tuple(value or 0.0 for _ in seeds),
            "present": present,
            "expected": expected,
            "figures": {} if value is None else {"success": value, "steps": 10 * (1 - value)},
            "cost": Cost()
            if value is None
            else Cost(100 + 400 * value, 10 + value, 0.5 + value, 2e8),
            "run_ids": tuple(run_ids),
            **more,
        }
    )


def row(method, values, *, subsets, runs=None, rank=None, unranked="", **more):
    """A method with a value for each subset; ``runs`` are the ids behind each."""
    runs = runs or [() for _ in subsets]
    cells = tuple(
        cell(value, subset=subset, run_ids=ids)
        if value is not None
        else cell(None, subset=subset, n=0, present=0, run_ids=ids)
        for subset, value, ids in zip(subsets, values, runs, strict=True)
    )
    known = [value for value in values if value is not None]
    whole = len(known) == len(values)
    average = cell(
        sum(known) / len(known) if whole else None,
        subset=subsets[0] if len(subsets) == 1 else "",
        run_ids=[one for ids in runs for one in ids],
        n=60 * len(known),
        planned=60 * len(values),
        present=len(known),
        expected=len(values),
    )
    low, high = rank or (None, None)
    return RankedRow(method, "", average, cells, low, high, unranked)


def pairs(rows):
    ranked = [place for place, one in enumerate(rows) if one.rank_low is not None]
    found = []
    for at, one in enumerate(ranked):
        for other in ranked[at + 1 :]:
            difference = rows[one].average.value - rows[other].average.value
            better = (difference > 0.15) - (difference < -0.15)
            p = 0.01 if better else 0.4
            found.append(
                Pair(one, other, difference, difference - 0.1, difference + 0.1, p, better)
            )
    return tuple(found)


def table(rows, subsets, title="smollm2, native order", **more):
    return RankedTable(
        **{
            "group": "",
            "subsets": tuple(subsets),
            "setting": {"model": "smollm2", "sampling": "greedy", "order": "native"},
            "title": title,
            "rows": tuple(rows),
            "pairs": pairs(rows),
            "units": 10,
            "smallest_p": 0.002,
            "notes": ("Intervals are cluster-robust t intervals over streams.",),
            **more,
        }
    )


def board(tables, *, own_spec=None, unfinished=(), problems=()):
    return RankedBoard(own_spec or spec(), tuple(tables), tuple(unfinished), tuple(problems))


def trend(method="exprag", subset="babyai", run_ids=("01RUN",)):
    points = tuple(
        Point(
            when=f"2026-01-{day:02d}T03:04:05+00:00",
            harness="0.1.0" if day < 6 else "0.2.0",
            code="38f5f826",
            model_revision="abc",
            value=0.4 if day < 6 else 0.55,
            low=0.3 if day < 6 else 0.45,
            high=0.5 if day < 6 else 0.65,
            n=60,
            run_ids=tuple(run_ids),
        )
        for day in range(1, 11)
    )
    step = Step(5, 0.4, 0.55, 0.01, ("harness 0.1.0 -> 0.2.0",))
    return Trend("evo-memory", "smollm2, native order", method, subset, points, (step,))


def unfinished(run_id="01UNFINISHED", method="react+exprag"):
    return Unranked(run_id, method, "babyai", "smollm2", "native", 0, "interrupted", 12, 60, 1)
