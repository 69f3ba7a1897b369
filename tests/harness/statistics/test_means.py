from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from harness.statistics import mean_with_interval, orders_interval, spread, wilson

grouped = st.lists(
    st.lists(st.integers(-16, 16).map(lambda k: k / 8), min_size=1, max_size=5),
    min_size=2,
    max_size=8,
)


def flat(groups):
    return [y for group in groups for y in group], [
        g for g, group in enumerate(groups) for _ in group
    ]


def test_interval_computed_by_hand():
    # Clusters (1, 0), (1, 1), (0): mean 3/5, residual sums -1/5, 4/5, -3/5,
    # V = 3/2 * (1 + 16 + 9)/25 / 25 = .0624; t(2; .975) = 4.302653.
    found = mean_with_interval([1, 0, 1, 1, 0], "aabbc")
    half = 4.302653 * math.sqrt(0.0624)
    assert found.mean == pytest.approx(0.6)
    assert (found.low, found.high) == pytest.approx((0.6 - half, 0.6 + half), abs=1e-6)
    assert (found.n, found.clusters, found.level) == (5, 3, 0.95)


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_interval_is_the_clustered_regression_on_a_constant(level):
    random = np.random.default_rng(3)
    clusters = np.repeat(np.arange(9), random.integers(1, 12, 9))
    scores = random.normal(size=clusters.size) + random.normal(size=9)[clusters]
    fit = sm.OLS(scores, np.ones_like(scores)).fit(
        cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True
    )
    found = mean_with_interval(scores, clusters, level)
    assert found.mean == pytest.approx(fit.params[0])
    assert (found.low, found.high) == pytest.approx(tuple(fit.conf_int(1 - level)[0]))


def test_without_clusters_it_is_the_ordinary_t_interval():
    scores = [0.2, 0.9, 0.4, 0.4, 0.7, 0.1]
    found = mean_with_interval(scores, range(6), 0.9)
    expected = stats.ttest_1samp(scores, 0).confidence_interval(0.9)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_one_cluster_has_a_mean_and_no_interval():
    found = mean_with_interval([1, 0, 1], ["stream"] * 3)
    assert (found.mean, found.low, found.high, found.clusters) == (
        pytest.approx(2 / 3), None, None, 1,
    )  # fmt: skip


def test_equal_scores_have_an_interval_of_zero_width():
    found = mean_with_interval([0.3] * 4, range(4))
    assert (found.low, found.high) == pytest.approx((0.3, 0.3))


@settings(deadline=None)
@given(grouped)
def test_interval_is_symmetric_about_the_mean_and_ignores_names_and_order(groups):
    scores, clusters = flat(groups)
    found = mean_with_interval(scores, clusters)
    assert found.low <= found.mean <= found.high
    assert found.low + found.high == pytest.approx(2 * found.mean, abs=1e-9)
    renamed = mean_with_interval(scores[::-1], [f"stream {c}" for c in clusters[::-1]])
    assert (renamed.low, renamed.high) == pytest.approx((found.low, found.high), abs=1e-12)


@settings(deadline=None)
@given(grouped)
def test_repeating_every_item_inside_its_cluster_changes_nothing(groups):
    once = mean_with_interval(*flat(groups))
    twice = mean_with_interval(*flat([group * 2 for group in groups]))
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high), abs=1e-9)


@pytest.mark.parametrize(
    ("scores", "clusters", "message"),
    [
        ([], [], "empty"),
        ([1, math.nan], "ab", "item 1 is nan"),
        ([math.inf], "a", "not all finite"),
        ([1, 2], "abc", "2 scores but 3 cluster labels"),
        ([1, 2], [None, "a"], "item 0 has no cluster label"),
        ([1, 2], [1.0, math.nan], "item 1 has no cluster label"),
    ],
)
def test_unusable_scores_are_refused_with_a_sentence(scores, clusters, message):
    with pytest.raises(ValueError, match=message):
        mean_with_interval(scores, clusters)


@pytest.mark.parametrize("level", [0, 1, 95, -0.5, math.nan])
def test_a_level_is_a_probability(level):
    for call in (
        lambda: mean_with_interval([1, 0], "ab", level),
        lambda: wilson(1, 2, level),
        lambda: orders_interval([[1, 0], [0, 1]], level),
    ):
        with pytest.raises(ValueError, match="between 0 and 1"):
            call()


@settings(deadline=None)
@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_agrees_with_statsmodels(counts):
    successes, n = counts
    found = wilson(successes, n, 0.9)
    expected = proportion_confint(successes, n, alpha=0.1, method="wilson")
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-12)
    assert 0 <= found.low <= found.mean <= found.high <= 1


def test_wilson_of_a_textbook_case():
    # 10 of 10: low = n / (n + z^2) = 10 / 13.8415.
    found = wilson(10, 10)
    assert (found.low, found.high) == (pytest.approx(0.72247, abs=5e-6), 1.0)
    assert wilson(0, 10).low == 0.0


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (3, 2), (-1, 2)])
def test_wilson_refuses_impossible_counts(successes, n):
    with pytest.raises(ValueError, match="item"):
        wilson(successes, n)


def reference_orders():
    """Reference case 6: A always solved, A' only if A came before it, B always."""
    orders = list(permutations(["A", "A'", "B"]))
    later = [float(order.index("A") < order.index("A'")) for order in orders]
    return [[1.0] * 6, later, [1.0] * 6]


def test_orders_of_the_reference_case():
    table = np.array(reference_orders())
    found = orders_interval(table)
    assert found.mean == pytest.approx(0.83333, abs=5e-6)
    assert (found.items, found.orders) == (3, 6)
    assert spread(table.mean(axis=0)).sd == pytest.approx(0.18257, abs=5e-6)
    # The order's part is the variance of the mean of the six accuracies: .18257^2 / 6.
    assert found.variance_order == pytest.approx(1 / 30 / 6)
    # Item means 1, .5, 1: sum of squares 1/6, over 3 * 2.
    assert found.variance_item == pytest.approx(1 / 36)


def test_orders_table_computed_by_hand():
    # Means by item 1, 4; by order 2, 3; mean 2.5; residuals all +-.5.
    # V_item = 4.5/2, V_order = .5/2, V_residual = 1/4; V = 2.25; both others cancel.
    found = orders_interval([[1, 1], [3, 5]])
    assert (found.variance_item, found.variance_order) == pytest.approx((2.25, 0.25))
    assert (found.variance_residual, found.variance) == pytest.approx((0.25, 2.25))
    assert found.degrees == 1
    assert found.high - found.mean == pytest.approx(12.7062 * 1.5, abs=1e-3)


def test_order_effect_adds_to_the_variance_with_satterthwaite_degrees():
    random = np.random.default_rng(0)
    table = (
        random.normal(size=(30, 1))
        + 0.3 * random.normal(size=6)
        + 0.5 * random.normal(size=(30, 6))
    )
    found = orders_interval(table)
    parts = (found.variance_item, found.variance_order, found.variance_residual)
    # The same mean squares from statsmodels' two-way analysis of variance.
    items, orders = np.indices(table.shape)
    design = np.column_stack(
        [np.ones(table.size)]
        + [items.ravel() == i for i in range(1, 30)]
        + [orders.ravel() == j for j in range(1, 6)]
    ).astype(float)
    fit = sm.OLS(table.ravel(), design).fit()
    assert found.variance_residual == pytest.approx(fit.mse_resid / table.size)
    assert found.variance == pytest.approx(parts[0] + parts[1] - parts[2])
    assert found.variance > max(parts)
    expected = found.variance**2 / (parts[0] ** 2 / 29 + parts[1] ** 2 / 5 + parts[2] ** 2 / 145)
    assert found.degrees == pytest.approx(expected)
    half = stats.t.ppf(0.975, expected) * math.sqrt(found.variance)
    assert (found.low, found.high) == pytest.approx((found.mean - half, found.mean + half))


def test_equal_orders_leave_the_interval_over_items():
    items = [0.2, 0.9, 0.4, 0.4, 0.7]
    found = orders_interval([[y] * 3 for y in items])
    alone = mean_with_interval(items, range(5))
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high))
    assert found.degrees == 4


def test_one_order_or_one_item_has_no_interval():
    for table in ([[1], [0], [1]], [[1, 0, 1]]):
        found = orders_interval(table)
        assert found.mean == pytest.approx(2 / 3)
        assert (found.low, found.high, found.variance, found.degrees) == (None,) * 4


@pytest.mark.parametrize("table", [[], [[]], [[1, 0], [1]], [[1, math.nan], [0, 1]]])
def test_unusable_tables_are_refused(table):
    with pytest.raises(ValueError, match="scores"):
        orders_interval(table)


def test_few_orders_are_not_trusted_with_more_than_their_own_degrees():
    random = np.random.default_rng(3)
    items = random.normal(size=(30, 1))
    assert orders_interval(items + random.normal(0, 0.1, (30, 3))).degrees == 2
    assert orders_interval(items + random.normal(0, 0.1, (30, 6))).degrees > 5
