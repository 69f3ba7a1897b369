"""Gain by similarity of what was shown."""

from __future__ import annotations

import statistics

import pytest

from harness_leaderboards.streams.likeness import _permuted


def publish(results, method, streams, similarities=None, **row):
    metrics = {"similarity": lambda step: similarities[step]} if similarities else {}
    results.run(method, streams, metrics=metrics, **row)


def likeness(built):
    (one,) = built().sections[0].measures.likenesses
    return one


def test_thirds_by_similarity_and_correlation(results, built, text):
    publish(results, "baseline", {"s": [0, 0, 1, 0, 0, 0]})
    similarities, scores = [0.1, 0.6, 0.2, 0.5, 0.3, 0.4], [0, 1, 0, 1, 0, 1]
    publish(results, "exprag", {"s": scores}, similarities)
    found = likeness(built)
    # by similarity: items 0, 2 | 4, 5 | 3, 1; gains 0, -1 | 0, +1 | +1, +1
    assert [one.mean for one in found.thirds] == [-0.5, 0.5, 1.0]
    assert [one.n for one in found.thirds] == [2, 2, 2]
    gains = [0, 1, -1, 1, 0, 1]
    assert found.correlation == pytest.approx(statistics.correlation(similarities, gains))
    assert found.p == 1.0  # one stream decides nothing
    assert "distance of tasks to the centroid" in text()


def test_p_is_of_whole_streams(results, built):
    publish(results, "baseline", {f"s{n}": [0, 0] for n in range(6)})
    publish(results, "exprag", {f"s{n}": [0, 1] for n in range(6)}, [0.1, 0.9])
    found = likeness(built)
    assert found.correlation == pytest.approx(1.0)
    assert found.p == pytest.approx(2**-5)


def test_items_that_were_shown_nothing_are_counted_apart(results, built, made):
    publish(results, "baseline", {"s": [0, 0, 0]})
    records = [
        made.record("s/0", 1, step=0, sample_hash="hash-s/0"),
        made.record("s/1", 1, step=1, sample_hash="hash-s/1", metrics={"similarity": 0.5}),
    ]
    results.run("exprag", {}, more=records)
    found = likeness(built)
    assert (found.items, found.without, found.correlation, found.p) == (1, 1, None, None)
    assert [one.n if one else 0 for one in found.thirds] == [0, 1, 0]


def test_nothing_without_similarities_or_baseline(results, built):
    publish(results, "exprag", {"s": [1, 0, 1]}, [0.1, 0.2, 0.3])
    assert built().sections[0].measures.likenesses == ()


def test_over_data_sets(results, built, text):
    for subset, similarity, score in (("a", 0.2, 0), ("b", 0.4, 0.5), ("c", 0.9, 1)):
        publish(results, "baseline", {"s": [0]}, subset=subset)
        publish(results, "exprag", {"s": [score]}, [similarity], subset=subset)
    (found,) = built().measures.likenesses
    assert [one[0] for one in found.points] == ["a", "b", "c"]
    expected = statistics.correlation([0.2, 0.4, 0.9], [0, 0.5, 1])
    assert found.correlation == pytest.approx(expected)
    assert found.p == pytest.approx(2 / 6)  # both ends of 3! orders are the most extreme
    assert "a .20, .00; b .40, +.50; c .90, +1.00" in text()


def test_two_data_sets_are_too_few(results, built):
    for subset in "ab":
        publish(results, "baseline", {"s": [0]}, subset=subset)
        publish(results, "exprag", {"s": [1]}, [0.5], subset=subset)
    assert built().measures.likenesses == ()


def test_many_data_sets_are_permuted_at_random_and_repeatably():
    xs = [float(n) for n in range(10)]
    assert _permuted(xs, xs) == _permuted(xs, xs) < 0.001
