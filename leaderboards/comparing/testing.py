"""The test of one comparison: from joined items to a paired comparison and its uncertainty.

Means of items are compared by swapping labels within clusters; items in several orders, or after
several trainings, as clusters crossed with those; a metric of all rows by computing it again from
swapped rows. Scores are turned so that higher is better before, and back after.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.statistics import (
    DifferenceSpread,
    PairedComparison,
    PairedTest,
    compare_crossed,
    compare_over_seeds,
    compare_paired,
    difference_spread,
    jackknife_spread,
    swap_labels,
    with_few_clusters,
)
from harness_leaderboards.boards.spec import Cluster, Weight
from harness_leaderboards.comparing.items import Frame
from harness_leaderboards.comparing.metrics import Of, Plan
from harness_leaderboards.comparing.model import Rules

_MOST_RANDOM = 100_000_000
"""Random numbers of a test: about a second."""
_MOST_SWAPS = 1_999
"""Swaps where a metric is computed again for each."""


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
        trained: whether columns are trainings.
        weigh_subsets: whether each subset weighs the same.
    """
    kept, notes = _complete(table, trained=trained)
    if kept.empty:
        return None
    sign = 1.0 if plan.higher_is_better else -1.0
    before, after = sign * kept["baseline"].to_numpy(), sign * kept["candidate"].to_numpy()
    clusters = cluster_labels(kept, plan.cluster)
    equal_subsets = weigh_subsets and plan.average is Weight.SUBSETS
    weights = _weights(kept, equal_subsets=equal_subsets, equal_sources=plan.equal_sources)
    columns = kept["column"].nunique()
    undecided = ""
    if trained and columns < 2:
        undecided = "one training seed: a verdict needs at least two"
    level = 1 - rules.alpha
    largest = _largest_change(before, after)
    if columns > 1 and _crossed_share(table) < 0.5:
        return _over_columns(table, sign, level, undecided)
    if plan.of is Of.QUANTILE:
        return _quantile(before, after, clusters, plan, rules, undecided, notes)
    if columns > 1:
        if len(set(clusters)) == 1:
            clusters = kept["item"].tolist()  # one stream: its orders vary what items share
        crossed = compare_crossed(
            before, after, clusters, kept["column"].tolist(), level, weights=weights
        )
        spread = None
        if crossed.standard_error is not None and crossed.degrees is not None:
            one = difference_spread(before, after, kept["item"].tolist(), weights)
            spread = DifferenceSpread(
                crossed.standard_error, crossed.degrees, one.loss_variance if one else 0.0
            )
        return Tested(crossed.comparison, spread, None, largest, undecided, notes)
    many = len(set(clusters))
    draws = rules.permutations or max(_MOST_SWAPS, min(20_000, _MOST_RANDOM // many))
    found = compare_paired(before, after, clusters, level, draws, rules.seed, weights)
    found = with_few_clusters(found, before, after, clusters, weights)
    spread = difference_spread(before, after, clusters, weights)
    can_lose = found.baseline - min(before.min(), after.min()) if largest else None
    return Tested(found, spread, many, largest, undecided, notes, can_lose)


def test_rows(
    columns: Sequence[tuple[Sequence[Any], Sequence[Any]]],
    clusters: Sequence[str],
    statistic: Callable[[Sequence[Any]], float],
    rules: Rules,
    *,
    trained: bool,
) -> Tested:
    """Test a metric of all rows, in one order or after one training, or in several.

    Raises:
        ValueError: the metric is not defined on one of the sides.
    """
    from harness.statistics import compare_crossed_statistic

    level = 1 - rules.alpha
    if len(columns) > 1:
        crossed = compare_crossed_statistic(columns, clusters, statistic, level, rules.seed)
        spread = None
        if crossed.standard_error is not None and crossed.degrees is not None:
            spread = DifferenceSpread(crossed.standard_error, crossed.degrees, 0.0)
        return Tested(crossed.comparison, spread, None, 0.0)
    before, after = columns[0]
    draws = rules.permutations or _MOST_SWAPS
    found = swap_labels(before, after, clusters, statistic, level, draws, rules.seed)
    spread = jackknife_spread(before, after, clusters, statistic, rules.seed)
    undecided = "one training seed: a verdict needs at least two" if trained else ""
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


def cluster_labels(table: Frame, cluster: Cluster) -> list[str]:
    """What is independent, for each row.

    A source is one wherever it turns up, in whatever subset; so is one of several data seeds, which
    may draw from the same data. Streams are of their subset and data seed; where the two sides have
    put an item into different streams, all streams that share items are one cluster.
    """
    if cluster is Cluster.SOURCE:
        return [str(one) for one in table["source"]]
    place = table["subset"].astype(str) + "\0" + table["data_seed"].astype(str) + "\0"
    before = place + table["cluster_b"].fillna("").astype(str)
    after = place + table["cluster_c"].fillna("").astype(str)
    if (before == after).all():
        return before.tolist()
    return _joined_streams(before.tolist(), after.tolist())


def _joined_streams(before: list[str], after: list[str]) -> list[str]:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    names = {name: place for place, name in enumerate(dict.fromkeys([*before, *after]))}
    one, other = [names[name] for name in before], [names[name] for name in after]
    shape = (len(names), len(names))
    graph = coo_matrix(([1] * len(one), (one, other)), shape=shape)
    _, labels = connected_components(graph, directed=False)
    return [str(labels[place]) for place in one]


def _complete(table: Frame, *, trained: bool) -> tuple[Frame, tuple[str, ...]]:
    """The rows in columns that all subsets have, of items that have them all."""
    by_subset = [set(some) for _, some in table.groupby("subset")["column"]]
    if not by_subset:
        return table, ()
    common = set[str].intersection(*by_subset)
    if not common:  # subsets of different orders: one of each
        first = table.groupby("subset")["column"].transform("min")
        kept = table[table["column"] == first]
        return kept, ("subsets share no order: the first order of each is compared",)
    kept = table[table["column"].isin(common)]
    what = "seeds" if trained else "orders"
    notes = list[str]()
    if len(common) < len(set[str].union(*by_subset)):
        notes.append(f"{what} that not all subsets have are left out of the comparison over them")
    whole = kept.groupby("item")["column"].transform("nunique") == len(common)
    if not whole.all() and whole.any():
        notes.append(f"{int((~whole).sum())} scores of items that lack some of the {what} left out")
        kept = kept[whole]
    return kept, tuple(notes)


def _crossed_share(table: Frame) -> float:
    """Share of the items that have all columns."""
    many = table.groupby("item")["column"].nunique()
    return float((many == table["column"].nunique()).mean())


def _over_columns(table: Frame, sign: float, level: float, undecided: str) -> Tested:
    """Seeds that draw other items: their means are the units."""
    means = table.groupby("column")[["baseline", "candidate"]].mean()
    before, after = (sign * means[name].to_numpy() for name in ("baseline", "candidate"))
    found = compare_over_seeds(before.tolist(), after.tolist(), level)
    spread = difference_spread(before, after, range(len(means)))
    note = "seeds have other items each: their means are compared, seed by seed"
    return Tested(found, spread, None, 0.0, undecided, (note,))


def _quantile(
    before: Any,
    after: Any,
    clusters: list[str],
    plan: Plan,
    rules: Rules,
    undecided: str,
    notes: tuple[str, ...],
) -> Tested:
    import numpy as np

    # Turned scores have the mirrored quantile.
    share = plan.quantile if plan.higher_is_better else 1 - plan.quantile

    def statistic(rows: Any) -> float:
        return float(np.quantile(rows, share))

    tested = test_rows([(before, after)], clusters, statistic, rules, trained=False)
    return Tested(
        tested.comparison, tested.spread, tested.clusters, 0.0, undecided, (*notes, *tested.notes)
    )


def _weights(table: Frame, *, equal_subsets: bool, equal_sources: bool) -> list[float] | None:
    """The weight of each item; None where all weigh the same."""
    weights = table["item"].notna().astype(float)
    if equal_sources:
        of_source = [table["subset"], table["source"], table["column"]]
        weights /= weights.groupby(of_source).transform("sum")
    if equal_subsets:
        weights /= weights.groupby(table["subset"]).transform("sum")
    return None if weights.nunique() < 2 else (weights / weights.sum()).tolist()


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
