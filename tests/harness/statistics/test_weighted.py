"""Items that do not weigh the same: one test over subsets of different sizes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.statistics import compare_paired

scores = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 5), st.integers(1, 3)),
    min_size=1,
    max_size=12,
)


def by_hand(before, after, clusters, weights):
    """Every way of flipping clusters, from the definition."""
    change = np.array(after, float) - np.array(before, float)
    labels = sorted(set(clusters))
    seen = []
    for signs in itertools.product([1, -1], repeat=len(labels)):
        sign = dict(zip(labels, signs, strict=True))
        seen.append(sum(w * sign[g] * d for w, g, d in zip(weights, clusters, change, strict=True)))
    observed = abs(sum(w * d for w, d in zip(weights, change, strict=True)))
    return float(np.mean([abs(one) >= observed - 1e-9 for one in seen]))


@settings(deadline=None)
@given(scores)
def test_p_is_the_share_of_flips_by_hand(rows):
    before, after, clusters, weights = zip(*rows, strict=True)
    found = compare_paired(before, after, clusters, weights=weights)
    assert found.p == pytest.approx(by_hand(before, after, clusters, weights))
    assert found.difference == pytest.approx(
        np.average(np.subtract(after, before), weights=weights), abs=1e-12
    )
    assert found.baseline == pytest.approx(np.average(before, weights=weights))


@settings(deadline=None)
@given(scores)
def test_interval_agrees_with_p_and_turns_with_the_sides(rows):
    before, after, clusters, weights = zip(*rows, strict=True)
    forth = compare_paired(before, after, clusters, weights=weights)
    back = compare_paired(after, before, clusters, weights=weights)
    assert back.p == forth.p
    assert back.difference == -forth.difference
    if forth.low is not None:
        assert (forth.low <= 0 <= forth.high) is (forth.p >= 0.05)
        assert (back.low, back.high) == pytest.approx((-forth.high, -forth.low))


@settings(deadline=None)
@given(scores, st.sampled_from([0.5, 1 / 3, 7.0]))
def test_only_the_ratio_of_weights_matters(rows, factor):
    before, after, clusters, weights = zip(*rows, strict=True)
    one = compare_paired(before, after, clusters, weights=weights)
    two = compare_paired(before, after, clusters, weights=[w * factor for w in weights])
    assert two.p == pytest.approx(one.p)
    assert two.difference == pytest.approx(one.difference, abs=1e-12)


def test_subsets_weigh_the_same_whatever_their_size():
    before, after = [1.0] * 110, [1.0] * 100 + [0.0] * 10
    weights = [1 / 100] * 100 + [1 / 10] * 10
    assert compare_paired(before, after, range(110), weights=weights).difference == pytest.approx(
        -0.5
    )


@pytest.mark.parametrize("weights", [[1.0], [1.0, 0.0], [1.0, -1.0], [1.0, float("nan")]])
def test_weights_are_positive_and_one_for_each_item(weights):
    with pytest.raises(ValueError, match="weight"):
        compare_paired([1, 0], [0, 1], "ab", weights=weights)
