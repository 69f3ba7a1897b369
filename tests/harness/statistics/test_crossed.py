"""Orders and training seeds crossed with items; figures of runs over seeds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import ttest_rel

from harness.statistics import (
    Verdict,
    compare_crossed,
    compare_crossed_statistic,
    compare_over_seeds,
    orders_interval,
    verdict,
    with_few_clusters,
)
from harness.statistics import compare_paired as paired

tables = arrays(float, (6, 3), elements=st.integers(-8, 8).map(lambda k: k / 8))


def cells(table):
    rows, columns = np.indices(table.shape)
    return np.zeros(table.size), table.ravel(), rows.ravel(), columns.ravel()


@settings(deadline=None)
@given(tables)
def test_single_items_in_full_tables_have_the_orders_interval(table):
    ours, known = compare_crossed(*cells(table)).comparison, orders_interval(table)
    assert ours.difference == pytest.approx(known.mean, abs=1e-12)
    if known.high > known.low:
        assert (ours.low, ours.high) == pytest.approx((known.low, known.high), abs=1e-9)
        assert (ours.low <= 0 <= ours.high) is (ours.p >= 0.05)


@settings(deadline=None)
@given(tables)
def test_sides_can_be_exchanged(table):
    before, after, rows, columns = cells(table)
    forth = compare_crossed(before, after, rows, columns).comparison
    back = compare_crossed(after, before, rows, columns).comparison
    assert back.difference == pytest.approx(-forth.difference, abs=1e-12)
    assert back.p == pytest.approx(forth.p)


def test_weights_of_clusters_count():
    # Cluster 0 has three items in each order, cluster 1 one: three to one, or alike with weights.
    clusters, orders = [0, 0, 0, 1] * 2, [0] * 4 + [1] * 4
    after = [1, 1, 1, 0] * 2
    found = compare_crossed([0] * 8, after, clusters, orders).comparison
    evened = compare_crossed([0] * 8, after, clusters, orders, weights=[1, 1, 1, 3] * 2).comparison
    assert (found.difference, evened.difference) == (0.75, 0.5)
    assert found.n == 4


@pytest.mark.parametrize("shape", [(1, 5), (5, 1)])
def test_one_cluster_or_order_has_no_interval(shape):
    found = compare_crossed(*cells(np.arange(5.0).reshape(shape)))
    assert (found.comparison.p, found.comparison.low, found.standard_error) == (1.0, None, None)


def test_few_streams_in_many_orders_never_decide():
    table = -0.5 + 0.01 * np.random.default_rng(1).normal(size=(3, 8))
    found = compare_crossed(*cells(table)).comparison
    assert found.p < 0.01
    assert verdict(found, found.p) is Verdict.INCONCLUSIVE


def test_a_cluster_that_lacks_an_order_is_refused():
    with pytest.raises(ValueError, match="every cluster needs scores in every order"):
        compare_crossed([0] * 3, [1] * 3, [0, 0, 1], [0, 1, 0])


@settings(deadline=None, max_examples=20)
@given(tables)
def test_pseudo_values_of_a_mean_are_its_table(table):
    columns = [(np.zeros(6), table[:, place]) for place in range(3)]
    ours = compare_crossed_statistic(columns, range(6), lambda rows: float(np.mean(rows)))
    known = compare_crossed(*cells(table))
    assert ours.comparison.difference == pytest.approx(known.comparison.difference, abs=1e-12)
    assert ours.standard_error == pytest.approx(known.standard_error, abs=1e-9)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=8))
def test_over_seeds_it_is_the_paired_t_test(values):
    before, after = zip(*values, strict=True)
    found = compare_over_seeds(before, after)
    if len({b - a for b, a in values}) > 1:
        known = ttest_rel(after, before)
        assert found.p == pytest.approx(known.pvalue)
        interval = known.confidence_interval(0.95)
        assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    else:
        assert found.p == (1.0 if before[0] == after[0] else 2.0 ** (1 - len(values)))


def test_one_seed_decides_nothing_and_several_may():
    one = compare_over_seeds([0.9], [0.1])
    assert (one.p, verdict(one, one.p)) == (1.0, Verdict.INCONCLUSIVE)
    three = compare_over_seeds([0.9, 0.91, 0.92], [0.5, 0.52, 0.5])
    assert verdict(three, three.p) is Verdict.REGRESSED
    alike = compare_over_seeds([0.9, 0.91, 0.92, 0.9], [0.9, 0.912, 0.919, 0.901])
    assert verdict(alike, alike.p, min_effect=0.01) is Verdict.NOT_WORSE
    same = compare_over_seeds([0.5, 0.5], [0.5, 0.5])
    assert verdict(same, same.p, min_effect=0.01) is Verdict.INCONCLUSIVE


def test_few_clusters_are_described_by_a_t_test_that_decides_nothing():
    from scipy.stats import ttest_1samp

    change = np.array([-0.5, -0.4, -0.6, -0.3, -0.45])
    bare = paired(np.zeros(5), change, range(5))
    shown = with_few_clusters(bare, np.zeros(5), change, range(5))
    known = ttest_1samp(change, 0.0)
    assert bare.low is None
    assert shown.p == pytest.approx(known.pvalue)
    interval = known.confidence_interval(0.95)
    assert (shown.low, shown.high) == pytest.approx((interval.low, interval.high))
    assert shown.smallest_p == 0.0625
    assert verdict(shown, shown.p) is Verdict.INCONCLUSIVE
