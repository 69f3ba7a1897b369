"""What of a table of items is independent, complete and weighs what, before any test.

A unit is what all items of it share by chance: the seed of a training, else an order. Orders within
a unit are averaged item by item, as repeats are; they are no further units.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness_leaderboards.boards.spec import Cluster, Weight
from harness_leaderboards.comparing.items import Frame
from harness_leaderboards.comparing.metrics import Of, Plan

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_SHARED = 0.5
"""Share of the items that have all units, from which on items are crossed with units."""


def with_units(table: Frame, unit: str) -> Frame:
    """A row for each item and unit, of which `unit` is the column; its orders are averaged."""
    found = table.assign(unit=table[unit].astype(str))
    by = ["item", "unit"]
    if not found.duplicated(by).any():
        return found
    others = [name for name in found.columns if name not in (*by, "baseline", "candidate")]
    how = dict.fromkeys(others, "first") | {"baseline": "mean", "candidate": "mean"}
    return found.groupby(by, sort=False).agg(how).reset_index()


def complete(table: Frame, *, trained: bool) -> tuple[Frame, tuple[str, ...]]:
    """The rows in units that all subsets have, of items that have them all."""
    what = "seeds" if trained else "orders"
    common = _common(table)
    if not common:  # subsets of different units: one of each
        first = table.groupby("subset")["unit"].transform("min")
        kept = table[table["unit"] == first].assign(unit="")
        return kept, (f"subsets share no {what[:-1]}: the first {what[:-1]} of each is compared",)
    kept, notes = _in_all_subsets(table, what)
    whole = kept.groupby("item")["unit"].transform("nunique") == len(common)
    if not whole.all() and whole.any():
        notes += (f"{int((~whole).sum())} scores of items that lack some of the {what} left out",)
        kept = kept[whole]
    return kept, notes


def crossed(table: Frame) -> bool:
    """Whether items were repeated in units, rather than each unit having items of its own."""
    common = _common(table)
    if len(common) < 2:
        return True
    many = table[table["unit"].isin(common)].groupby("item")["unit"].nunique()
    return float((many == len(common)).mean()) >= _SHARED


def values_by_unit(
    table: Frame, plan: Plan, sign: float, *, equal_subsets: bool, trained: bool
) -> tuple[list[float], list[float], tuple[str, ...]]:
    """The plan's figure of each unit, of both sides; units that lack a subset are left out.

    Args:
        table: a row for each item and order, in trainings or draws of the data.
        plan: how the task is compared.
        sign: -1 turns a figure of which less is better.
        equal_subsets: whether each subset weighs the same.
        trained: whether units are trainings; else they are draws of the data.
    """
    units = with_units(table, "training" if trained else "data_seed")
    # Without a unit that has all subsets there is but one, of which nothing can be concluded.
    units = units if _common(units) else units.assign(unit="")
    kept, notes = _in_all_subsets(units, "seeds")
    before, after = list[float](), list[float]()
    for _, one in kept.groupby("unit"):
        refuse_uneven_sources(one, plan)
        for side, values in (("baseline", before), ("candidate", after)):
            rows = score_rows(one, side, sign, equal_subsets=equal_subsets)
            if plan.of is Of.QUANTILE:
                values.append(quantile_of(rows, plan))
            else:
                values.append(_mean(rows, one, plan, equal_subsets=equal_subsets))
    return before, after, notes


def _mean(rows: Floats, table: Frame, plan: Plan, *, equal_subsets: bool) -> float:
    import numpy as np

    weights = weights_of(table, equal_subsets=equal_subsets, equal_sources=plan.equal_sources)
    return float(np.average(rows[:, 0], weights=weights))


def score_rows(table: Frame, side: str, sign: float, *, equal_subsets: bool) -> Floats:
    """Scores of a side, higher is better, and the number of what weighs the same; ``(n, 3)``.

    The third column holds how many such groups there are, so that a metric of part of the rows
    tells that a group is gone.
    """
    import numpy as np

    scores = sign * table[side].to_numpy(dtype=float)
    groups = table["subset"].factorize()[0] if equal_subsets else np.zeros(len(scores))
    return np.stack([scores, groups, np.full(len(scores), groups.max() + 1)], axis=1)


def quantile_of(rows: Floats, plan: Plan) -> float:
    """The quantile of some `score_rows`, averaged over subsets where these weigh the same.

    Returns:
        NaN where a subset has no row.
    """
    import numpy as np

    # Turned scores have the mirrored quantile.
    share = plan.quantile if plan.higher_is_better else 1 - plan.quantile
    groups = int(rows[0, 2]) if len(rows) else 0
    parts = [rows[rows[:, 1] == group, 0] for group in range(groups)]
    if not parts or not all(len(part) for part in parts):
        return float("nan")
    return float(np.mean([np.quantile(part, share) for part in parts]))


def refuse_uneven_sources(table: Frame, plan: Plan) -> None:
    """Refuse a quantile of items that do not weigh the same.

    Raises:
        UsageError: sources weigh the same and have different numbers of items.
    """
    if plan.of is not Of.QUANTILE or not plan.equal_sources:
        return
    sizes = table.groupby(["subset", "unit", "source"]).size()
    if (sizes.groupby(["subset", "unit"]).nunique() > 1).any():
        raise UsageError(
            f"{plan.label} is not defined where sources weigh the same and have different numbers "
            f"of items; compare the mean with --metric mean:{plan.name}."
        )


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


def crossed_labels(table: Frame, cluster: Cluster) -> list[str]:
    """What is independent of items that are crossed with units; of a single stream its items.

    Its orders, or trainings, vary what the items of a stream share.
    """
    labels = cluster_labels(table, cluster)
    return labels if len(set(labels)) > 1 else table["item"].astype(str).tolist()


def _joined_streams(before: list[str], after: list[str]) -> list[str]:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    names = {name: place for place, name in enumerate(dict.fromkeys([*before, *after]))}
    one, other = [names[name] for name in before], [names[name] for name in after]
    shape = (len(names), len(names))
    graph = coo_matrix(([1] * len(one), (one, other)), shape=shape)
    _, labels = connected_components(graph, directed=False)
    return [str(labels[place]) for place in one]


def weighs_subsets(plan: Plan, *, asked: bool) -> bool:
    """Whether each subset weighs the same."""
    return asked and plan.average is Weight.SUBSETS


def weights_of(table: Frame, *, equal_subsets: bool, equal_sources: bool) -> list[float] | None:
    """The weight of each item; None where all weigh the same."""
    weights = table["item"].notna().astype(float)
    if equal_sources:
        of_source = [table["subset"], table["source"], table["unit"]]
        weights /= weights.groupby(of_source).transform("sum")
    if equal_subsets:
        weights /= weights.groupby(table["subset"]).transform("sum")
    return None if weights.nunique() < 2 else (weights / weights.sum()).tolist()


def _common(table: Frame) -> set[str]:
    """The units that all subsets have."""
    by_subset = [set(some) for _, some in table.groupby("subset")["unit"]]
    return set[str].intersection(*by_subset) if by_subset else set()


def _in_all_subsets(table: Frame, what: str) -> tuple[Frame, tuple[str, ...]]:
    kept = table[table["unit"].isin(_common(table))]
    if len(kept) == len(table):
        return kept, ()
    return kept, (f"{what} that not all subsets have are left out of the comparison over them",)
