"""The test of one comparison: from joined items to a paired comparison and its uncertainty.

Means of items are compared by swapping labels within clusters; items in several orders, or after
several trainings, as clusters crossed with those; a metric of all rows by computing it again from
swapped rows. Scores are turned so that higher is better before, and back after.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.statistics import (
    Crossed,
    DifferenceSpread,
    PairedComparison,
    PairedTest,
    compare_crossed,
    compare_crossed_statistic,
    compare_over_seeds,
    compare_paired,
    difference_spread,
    jackknife_spread,
    swap_labels,
    with_few_clusters,
)
from harness_leaderboards.comparing.items import Frame
from harness_leaderboards.comparing.metrics import Of, Plan
from harness_leaderboards.comparing.model import Rules
from harness_leaderboards.comparing.units import (
    cluster_labels,
    complete,
    crossed,
    crossed_labels,
    quantile_of,
    refuse_uneven_sources,
    score_rows,
    values_by_unit,
    weighs_subsets,
    weights_of,
    with_units,
)

_MOST_RANDOM = 100_000_000
"""Random numbers of a test: about a second."""
_MOST_SWAPS = 1_999
"""Swaps where a metric is computed again for each."""
_ONE_TRAINING = "one training seed: a verdict needs at least two"


@dataclass(frozen=True)
class Tested:
    """A comparison, higher is better, and how sure it is.

    Attributes:
        comparison: of the two sides.
        spread: of the difference; None where it is not known.
        clusters: of a test whose p has steps; None of a t test.
        largest_change: most that an item can lose, where all items have one of two values; else 0.
        can_lose: most that the mean can fall there; None where it is not known.
        undecided: why no verdict may be drawn from it; empty if one may.
        notes: what was left out.
    """

    comparison: PairedComparison
    spread: DifferenceSpread | None
    clusters: int | None
    largest_change: float
    undecided: str = ""
    notes: tuple[str, ...] = ()
    can_lose: float | None = None


def test_items(
    table: Frame, plan: Plan, rules: Rules, *, trained: bool, weigh_subsets: bool
) -> Tested | None:
    """Test the items of a comparison, or of one of its subsets; None if there are none.

    Args:
        table: `harness_leaderboards.comparing.items.Items.table`, or rows of it.
        plan: how the task is compared.
        rules: of the report.
        trained: whether a training is on one of the sides.
        weigh_subsets: whether each subset weighs the same.

    Raises:
        UsageError: the metric is not defined under the weights of the board.
    """
    if table.empty:
        return None
    rows = with_units(table, "training" if trained else "column")
    sign = 1.0 if plan.higher_is_better else -1.0
    equal_subsets = weighs_subsets(plan, asked=weigh_subsets)
    if not crossed(rows):
        before, after, notes = values_by_unit(
            table, plan, sign, equal_subsets=equal_subsets, trained=trained
        )
        what = "seeds" if trained else "draws of the data"
        notes = (f"{what} have other items each: their figures are compared", *notes)
        tested = test_seeds(before, after, 1.0, rules.alpha)
        return replace(tested, notes=notes)
    kept, notes = complete(rows, trained=trained)
    units = kept["unit"].nunique()
    if plan.of is Of.QUANTILE:
        tested = _quantile(kept, plan, rules, trained=trained, equal_subsets=equal_subsets)
    else:
        weights = weights_of(kept, equal_subsets=equal_subsets, equal_sources=plan.equal_sources)
        test = _crossed_means if units > 1 else _means
        tested = test(kept, plan, rules, sign, weights)
    undecided = _ONE_TRAINING if trained and units < 2 else ""
    return replace(tested, undecided=undecided, notes=notes)


def _means(
    table: Frame, plan: Plan, rules: Rules, sign: float, weights: list[float] | None
) -> Tested:
    """The mean of items of one order or training."""
    before, after = sign * table["baseline"].to_numpy(), sign * table["candidate"].to_numpy()
    clusters = cluster_labels(table, plan.cluster)
    many, level = len(set(clusters)), 1 - rules.alpha
    draws = rules.permutations or max(_MOST_SWAPS, min(20_000, _MOST_RANDOM // many))
    found = compare_paired(before, after, clusters, level, draws, rules.seed, weights)
    found = with_few_clusters(found, before, after, clusters, weights)
    spread = difference_spread(before, after, clusters, weights)
    largest = _largest_change(before, after)
    can_lose = found.baseline - min(before.min(), after.min()) if largest else None
    return Tested(found, spread, many, largest, can_lose=can_lose)


def _crossed_means(
    table: Frame, plan: Plan, rules: Rules, sign: float, weights: list[float] | None
) -> Tested:
    """The mean of items crossed with orders or trainings."""
    before, after = sign * table["baseline"].to_numpy(), sign * table["candidate"].to_numpy()
    clusters = crossed_labels(table, plan.cluster)
    found = compare_crossed(
        before, after, clusters, table["unit"].tolist(), 1 - rules.alpha, weights=weights
    )
    one = difference_spread(before, after, table["item"].tolist(), weights)
    spread = _spread(found, one.loss_variance if one else 0.0)
    return Tested(found.comparison, spread, None, _largest_change(before, after))


def _quantile(
    table: Frame, plan: Plan, rules: Rules, *, trained: bool, equal_subsets: bool
) -> Tested:
    """A quantile of items, in one order or after one training, or crossed with several."""
    refuse_uneven_sources(table, plan)
    sign = 1.0 if plan.higher_is_better else -1.0
    units = [one.sort_values("item") for _, one in table.groupby("unit")]
    columns = [
        (
            score_rows(one, "baseline", sign, equal_subsets=equal_subsets),
            score_rows(one, "candidate", sign, equal_subsets=equal_subsets),
        )
        for one in units
    ]
    labels = crossed_labels if len(units) > 1 else cluster_labels

    def statistic(rows: Any) -> float:
        return quantile_of(rows, plan)

    sides: Any = columns  # numpy arrays are swapped as a whole
    return test_rows(sides, labels(units[0], plan.cluster), statistic, rules, trained=trained)


def _spread(found: Crossed, loss_variance: float = 0.0) -> DifferenceSpread | None:
    if found.standard_error is None or found.degrees is None:
        return None
    return DifferenceSpread(found.standard_error, found.degrees, loss_variance)


def test_rows(
    columns: Sequence[tuple[Sequence[Any], Sequence[Any]]],
    clusters: Sequence[str],
    statistic: Callable[[Sequence[Any]], float],
    rules: Rules,
    *,
    trained: bool,
) -> Tested:
    """Test a metric of all rows, in one order or after one training, or in several.

    Args:
        columns: for each order, or each training, the rows of baseline and candidate.
        clusters: the label of each item's cluster.
        statistic: the metric as a function of rows; higher is better.
        rules: of the report.
        trained: whether columns are trainings.

    Raises:
        ValueError: the metric is not defined on one of the sides.
    """
    level = 1 - rules.alpha
    if len(columns) > 1:
        many = compare_crossed_statistic(columns, clusters, statistic, level, rules.seed)
        return Tested(many.comparison, _spread(many), None, 0.0)
    before, after = columns[0]
    draws = rules.permutations or _MOST_SWAPS
    found = swap_labels(before, after, clusters, statistic, level, draws, rules.seed)
    spread = jackknife_spread(before, after, clusters, statistic, rules.seed)
    undecided = _ONE_TRAINING if trained else ""
    return Tested(found, spread, len(set(clusters)), 0.0, undecided)


def test_seeds(
    before: Sequence[float], after: Sequence[float], sign: float, alpha: float
) -> Tested:
    """Test figures of runs, paired by seed."""
    found = compare_over_seeds([sign * v for v in before], [sign * v for v in after], 1 - alpha)
    spread = difference_spread(
        [sign * v for v in before], [sign * v for v in after], range(len(before))
    )
    undecided = "one seed: a verdict needs at least two" if len(before) < 2 else ""
    return Tested(found, spread, None, 0.0, undecided)


def _largest_change(before: Any, after: Any) -> float:
    """How much an item can lose where all have one of two values."""
    values = {*before.tolist(), *after.tolist()}
    if len(values) > 2 and not values <= {0.0, 1.0}:
        return 0.0
    return max(values) - min(values) if values - {0.0, 1.0} else 1.0


TESTS = {
    PairedTest.MCNEMAR: "McNemar's exact test",
    PairedTest.SIGN_FLIP: "label swap within clusters",
    PairedTest.CLUSTER_T: "cluster t test, which too few clusters show and do not decide",
    PairedTest.LABEL_SWAP: "label swap within clusters, metric computed again",
    PairedTest.CROSSED: "two-way t test",
    PairedTest.SEEDS: "paired t test over seeds",
}
"""The tests in words."""
