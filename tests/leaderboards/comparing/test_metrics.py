"""Other metrics than the mean score, on made-up runs and on real ones of the tasks."""

from __future__ import annotations

import pytest
from comparing_support import call, streams

from harness.errors import UnknownName, UsageError


def steps(factor):
    return {"steps": lambda step: float(factor * (1 + step % 5))}


def test_a_value_of_samples_has_its_own_direction(sides):
    before, after = sides
    before.run("exprag", streams(), metrics=steps(1))
    after.run("exprag", streams(), metrics=steps(2))
    done = call(before, after, "--metric", "steps", "--json")
    assert (done.code, done.one["higher_is_better"]) == (3, False)
    assert done.one["total"]["difference"] == pytest.approx(3.0)
    assert done.one["total"]["worse"] == 200
    assert call(before, after, "--metric", "steps", "--direction", "higher").code == 0


@pytest.mark.parametrize("metric", ["median:steps", "q90:steps", "mean:steps"])
def test_quantiles_and_means_of_a_value(sides, metric):
    before, after = sides
    before.run("exprag", streams(), metrics=steps(1))
    after.run("exprag", streams(), metrics=steps(2))
    total = call(before, after, "--metric", metric, "--json").one["total"]
    expected = {"median:steps": (3, 6), "q90:steps": (5, 10), "mean:steps": (3, 6)}[metric]
    assert (total["baseline"], total["candidate"]) == pytest.approx(expected)
    assert total["low"] > 0
    assert total["p"] < 0.05


def test_a_direction_that_nobody_knows_has_to_be_said(sides):
    for side in sides:
        side.run("exprag", streams(), metrics={"odd": 1.0})
    with pytest.raises(UsageError, match="say --direction"):
        call(*sides, "--metric", "odd")


def test_a_metric_that_failures_lack_counts_with_the_worst_value_seen(sides):
    from harness.results.schema import Status

    before, after = sides
    before.run("exprag", {f"s{k}": [1, 1] for k in range(8)}, metrics=steps(3))
    after.run("exprag", {f"s{k}": [1, Status.FAILED] for k in range(8)}, metrics=steps(1))
    for side in sides:
        assert side.root.is_dir()
    done = call(before, after, "--metric", "median:steps", "--json")
    assert done.one["failed"] == [0, 8]


def test_a_figure_of_runs_is_compared_over_seeds(sides):
    _, after = sides
    for seed in range(4):
        for side, value in zip(sides, (0.5, 0.3), strict=True):
            made = [("cost_of_training", value + seed / 100 + (side is after) * seed / 500)]
            side.run("exprag", streams(), sample_seed=seed, metrics_of_run=made)
    done = call(*sides, "--metric", "cost_of_training", "--direction", "higher", "--json")
    assert done.one["total"]["test"] == "paired t test over seeds"
    assert (done.one["total"]["n"], done.code) == (4, 3)
    with pytest.raises(UnknownName, match="did you mean cost_of_training"):
        call(*sides, "--metric", "cost_of_trainings")


def trained(side, scores, seeds, **more):
    for seed in seeds:
        side.run("exprag", scores(seed), train_seed=seed, **more)


def test_one_training_decides_nothing(sides):
    before, after = sides
    trained(before, lambda seed: streams(seed=1), [0])
    trained(after, lambda seed: streams(seed=1, lost=0.5), [0])
    done = call(before, after, "--json")
    assert done.code == 4
    assert "at least two" in done.one["total"]["reason"]


def test_trainings_are_crossed_with_items(sides):
    before, after = sides
    trained(before, lambda seed: streams(seed=1), [0, 1, 2])
    trained(after, lambda seed: streams(seed=1, lost=0.4 + seed / 50), [0, 1, 2])
    done = call(before, after, "--json")
    assert (done.code, done.one["total"]["test"]) == (3, "two-way t test")


def test_a_method_without_training_is_compared_with_every_training(sides):
    before, after = sides
    before.run("baseline", streams(seed=1))
    trained(after, lambda seed: streams(seed=1, lost=0.4 + seed / 50), [0, 1, 2])
    done = call(before, after, "--json")
    assert done.code == 3
    assert len(done.one["candidate_runs"]) == 3


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    """Real runs of a task whose figures are no means of items, made in this process."""
    import edits

    root = tmp_path_factory.mktemp("solved")
    words = ("--task", "graph-reachability", "-T", "test=4", "--results", str(root))
    methods = ("--method", "majority-colour", "--method", "nearest")
    done = edits.command("run", *words, *methods)
    assert done.code == 0, done.err
    return root


def test_a_figure_of_a_task_is_computed_again_from_swapped_rows(solved):
    done = call(
        *(solved, solved, "--method", "nearest", "--baseline-method", "majority-colour"),
        *("--metric", "accuracy_deeper", "--permutations", "199", "--json"),
    )
    total = done.one["total"]
    assert total["test"].endswith("computed again")
    assert 0 < total["p"] <= 1
    from harness.results.store import ResultsStore

    rows = ResultsStore(solved).run_rows()
    known = {row["method"]: row["metrics"]["accuracy_deeper"] for _, row in rows.iterrows()}
    assert total["baseline"] == pytest.approx(known["majority-colour"])
    assert total["candidate"] == pytest.approx(known["nearest"])
