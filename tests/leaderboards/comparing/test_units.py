"""Seeds, orders and weights: what of a made-up table of items the test takes as units."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from harness.errors import UsageError
from harness_leaderboards.boards.spec import Cluster, Weight
from harness_leaderboards.comparing import options, testing
from harness_leaderboards.comparing.items import Wanted
from harness_leaderboards.comparing.metrics import Of, Plan

RULES = replace(options.rules(0.05, None, "significant", [], 199, 0))
MEDIAN = Plan(
    label="median:score",
    name="score",
    of=Of.QUANTILE,
    quantile=0.5,
    wanted=Wanted(),
    cluster=Cluster.SOURCE,
    average=Weight.SUBSETS,
    equal_sources=False,
    min_effect=0.01,
    higher_is_better=True,
    items_are_told=True,
)
MEAN = replace(MEDIAN, of=Of.MEAN, label="score")


def rows(change, *, n=20, seed=0, order="native", subset="a", first=0, sources=1, data_seed=0):
    """Items of one training in one order; ``change`` is the candidate's gain."""
    items = np.arange(first, first + n)
    return pd.DataFrame(
        {
            "subset": subset,
            "item": items,
            "sample_id": [f"i{one}" for one in items],
            "column": f"{order}/{seed}",
            "training": str(seed),
            "data_seed": data_seed,
            "cluster_b": "s",
            "cluster_c": "s",
            "source": [f"{subset}{one // sources}" for one in items],
            "baseline": 0.5,
            "candidate": 0.5 + change,
        }
    )


def compare(parts, plan, *, trained=True, weigh_subsets=True):
    return testing.test_items(
        pd.concat(parts, ignore_index=True), plan, RULES,
        trained=trained, weigh_subsets=weigh_subsets,
    )  # fmt: skip


def test_two_seeds_without_a_true_difference_seldom_change_a_median():
    random, found = np.random.default_rng(1), []
    for _ in range(60):
        effects = random.normal(0, 0.1, 2)
        parts = [
            rows(one + random.normal(0, 0.05, 60), n=60, seed=k) for k, one in enumerate(effects)
        ]
        one = compare(parts, MEDIAN)
        assert not one.undecided
        found.append(one.comparison.p < 0.05)
    # 5 % is asked for; two seeds as 120 items would give 97 %.
    assert sum(found) <= 12


def test_a_median_after_one_training_is_not_decided():
    assert "at least two" in compare([rows(-0.2)], MEDIAN).undecided
    one = compare([rows(-0.2), rows(-0.2, order="shuffled")], MEDIAN)
    assert "at least two" in one.undecided


@pytest.mark.parametrize("plan", [MEAN, MEDIAN])
def test_orders_of_a_training_are_no_further_trainings(plan):
    parts = [rows(-0.2, order=order) for order in ("native", "shuffled-1", "shuffled-2")]
    assert "at least two" in compare(parts, plan).undecided


def test_each_subset_weighs_the_same_in_a_median():
    parts = [
        rows(change, n=n, seed=seed, subset=subset, first=first)
        for seed in (0, 1, 2)
        for subset, n, first, change in (("a", 90, 0, 0.1), ("b", 10, 100, -0.5))
    ]
    assert compare(parts, MEDIAN).comparison.difference == pytest.approx(-0.2)
    samples = replace(MEDIAN, average=Weight.SAMPLES)
    assert compare(parts, samples).comparison.difference == pytest.approx(0.1)
    one = compare(parts[:2], MEDIAN, trained=False)
    assert one.comparison.difference == pytest.approx(-0.2)


def test_a_median_over_uneven_sources_that_weigh_the_same_is_refused():
    plan = replace(MEDIAN, equal_sources=True)
    assert compare([rows(-0.2, n=20, sources=4)], plan, trained=False).comparison.n == 20
    with pytest.raises(UsageError, match="sources weigh the same.*--metric mean:score"):
        compare([rows(-0.2, n=20, sources=3)], plan, trained=False)


def own_items(seed, **more):
    """A training with items of its own: 90 of one subset that gain, 10 of one that lose."""
    return [
        rows(0.1 + seed / 1000, n=90, seed=seed, subset="a", first=1000 * seed, **more),
        rows(-0.5, n=10, seed=seed, subset="b", first=1000 * seed + 500, **more),
    ]


def test_seeds_with_items_of_their_own_have_the_weights_of_the_plan():
    parts = [part for seed in range(3) for part in own_items(seed)]
    one = compare(parts, MEAN)
    assert one.comparison.difference == pytest.approx((0.101 - 0.5) / 2)
    assert (one.comparison.n, one.comparison.p < 0.001) == (3, True)
    samples = compare(parts, replace(MEAN, average=Weight.SAMPLES))
    assert samples.comparison.difference == pytest.approx(0.9 * 0.101 - 0.1 * 0.5)


def test_sources_weigh_the_same_in_seeds_with_items_of_their_own():
    parts = [
        part
        for seed in range(3)
        for part in (
            rows(0.3, n=9, seed=seed, first=100 * seed, sources=1000),
            rows(-0.1, n=1, seed=seed, first=100 * seed + 50),
        )
    ]
    for part in parts[::2]:
        part["source"] = "one"
    one = compare(parts, replace(MEAN, equal_sources=True))
    assert one.comparison.difference == pytest.approx(0.1)


def test_a_median_of_seeds_with_items_of_their_own_is_a_median():
    parts = [rows(-0.1, n=21, seed=seed, first=100 * seed) for seed in range(4)]
    for part in parts:
        part.loc[0, "candidate"] = 1000.0
    one = compare(parts, MEDIAN)
    assert one.comparison.difference == pytest.approx(-0.1)
    assert one.comparison.test == "seeds"


def test_orders_of_seeds_with_items_of_their_own_are_no_units():
    parts = [
        part
        for seed in (0, 1)
        for order in ("native", "shuffled")
        for part in own_items(seed, order=order)
    ]
    assert compare(parts, MEAN).comparison.n == 2


def test_a_seed_that_lacks_a_subset_is_left_out():
    parts = [part for seed in range(4) for part in own_items(seed)][:-1]
    one = compare(parts, MEAN)
    assert one.comparison.n == 3
    assert any("not all subsets have" in note for note in one.notes)


def test_draws_of_the_data_are_the_units_where_nothing_is_trained():
    parts = [
        rows(-0.1 - seed / 100, order=f"o{seed}", seed=0, first=100 * seed, data_seed=seed)
        for seed in range(3)
    ]
    one = compare(parts, MEAN, trained=False)
    assert (one.comparison.n, one.comparison.test) == (3, "seeds")
    same = [part.assign(data_seed=0) for part in parts]
    assert compare(same, MEAN, trained=False).undecided
