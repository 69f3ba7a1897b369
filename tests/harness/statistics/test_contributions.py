from __future__ import annotations

import numpy as np
import pytest

from harness.statistics.means import mean_of_contributions, mean_with_interval


def test_of_items_it_is_the_interval_of_their_mean():
    random = np.random.default_rng(4)
    clusters = random.integers(0, 9, 60)
    scores = random.normal(size=60)
    sums = np.bincount(clusters, weights=scores) / 60
    shares = np.bincount(clusters) / 60
    found, items = mean_of_contributions(sums, shares), mean_with_interval(scores, clusters)
    assert (found.mean, found.low, found.high) == pytest.approx((items.mean, items.low, items.high))


def test_one_cluster_has_no_interval():
    found = mean_of_contributions([0.4], [1.0])
    assert (found.mean, found.low, found.high) == (0.4, None, None)


def test_lengths_have_to_be_equal():
    with pytest.raises(ValueError, match="2 contributions but 1 shares"):
        mean_of_contributions([0.1, 0.2], [1.0])
