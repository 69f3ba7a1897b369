from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from harness_leaderboards.boards import board_named
from harness_leaderboards.building import build_one
from harness_leaderboards.history.build import trends_of
from harness_leaderboards.ranking.build import build_ranked

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def attempts(results, values, *, method="exprag", versions=None, seeds=(0,)):
    for at, value in enumerate(values):
        for seed in seeds:
            results.run(
                method,
                {f"s{n}": [value] for n in range(6)},
                work_key=f"{method}-{seed}",
                sample_seed=seed,
                code_hash=f"code-{at}",
                started_at=BEGIN + timedelta(days=at),
                versions=json.dumps({"harness": (versions or {}).get(at, "0.1")}),
            )


def trends(results):
    return trends_of(build_ranked(board_named("evo-memory"), results.store), results.store)


def test_every_attempt_is_a_point_and_a_step_is_found(results):
    values = [0.50, 0.51, 0.49, 0.50, 0.52, 0.40, 0.41, 0.39, 0.40, 0.41, 0.40]
    attempts(results, values, versions=dict.fromkeys(range(5, 11), "0.2"))
    (trend,) = trends(results)
    assert [round(one.value, 2) for one in trend.points] == values
    assert trend.points[0].when == "2026-01-01T00:00:00Z"
    (step,) = trend.steps
    assert step.position == 5
    assert round(step.before, 2) == 0.5
    assert round(step.after, 2) == 0.4
    assert "harness 0.1 -> 0.2" in step.changed
    assert any(one.startswith("code ") for one in step.changed)


def test_seeds_of_one_code_are_one_point(results):
    attempts(results, [0.5, 0.6], seeds=(0, 1, 2))
    (trend,) = trends(results)
    assert len(trend.points) == 2
    assert [len(one.run_ids) for one in trend.points] == [3, 3]
    assert trend.steps == ()


def test_single_attempts_have_no_trend(results):
    attempts(results, [0.5], seeds=(0, 1))
    attempts(results, [0.5], method="baseline")
    assert trends(results) == ()


def test_other_data_are_no_attempt_of_the_same(results):
    for content in ("old", "new"):
        results.run("exprag", {"s": [1]}, work_key=content, content_hash=content)
    assert trends(results) == ()


def test_boards_carry_their_trends(results):
    attempts(results, [0.5, 0.6])
    built = build_one(board_named("evo-memory"), results.store)
    assert [one.method for one in built.trends] == ["exprag"]
    assert build_one(board_named("evo-memory"), results.store, details=False).details is None
