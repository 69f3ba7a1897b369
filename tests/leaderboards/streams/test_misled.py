"""Loss by wrong feedback, and repair."""

from __future__ import annotations

import pytest
from scipy import stats

FLIPPED = '{"flip": 0.5, "flip_until": 0.5, "k": 4}'
TRUE = '{"k": 4}'


def publish(results, method, options, scores, wrong=None):
    metrics = {"feedback_wrong": lambda step: float(wrong[step])} if wrong else {}
    streams = {f"s{n}": values for n, values in enumerate(scores)}
    results.run(method, streams, task_options=options, metrics=metrics)


def method(built, name="exprag"):
    (found,) = built().measures.misled
    return next(one for one in found.methods if one.method == name)


def test_loss_while_misled_and_behind_it(results, built, text):
    publish(results, "exprag", TRUE, [[1, 1, 1, 1], [1, 1, 1, 0], [0, 1, 1, 1]])
    wrong = [1, 0, 0, 0]
    publish(results, "exprag", FLIPPED, [[1, 0, 1, 1], [0, 0, 0, 0], [0, 1, 1, 1]], wrong)
    found = method(built)
    assert (found.during.mean, found.during.n) == (pytest.approx(3 / 6), 6)
    assert (found.after.mean, found.after.n) == (pytest.approx(1 / 6), 6)
    assert found.repair == pytest.approx(1 - (1 / 6) / (3 / 6))
    assert found.wrong == 0.5  # of the first half, as measured
    half = stats.t.ppf(0.975, 2) * stats.sem([0.5, 1.0, 0.0])
    assert (found.during.low, found.during.high) == pytest.approx((0.5 - half, 0.5 + half))
    shown = text()
    assert "wrong feedback for 50 % of the items in the first 50 %" in shown
    assert "+.67 |" in shown


def test_no_loss_has_no_repair(results, built, text):
    publish(results, "exprag", TRUE, [[0, 0, 0, 0]])
    publish(results, "exprag", FLIPPED, [[0, 1, 0, 0]], [1, 1, 0, 0])
    found = method(built)
    assert (found.during.mean, found.repair) == (-0.5, None)
    assert "| exprag | 100 % | -.50 [n/a] (2) | .00 [n/a] (2) | - |" in text()


def test_feedback_wrong_to_the_end_leaves_nothing_after(results, built):
    publish(results, "exprag", TRUE, [[1, 1]])
    publish(results, "exprag", '{"flip": 1.0, "k": 4}', [[0, 0]], [1, 1])
    found = method(built)
    assert (found.during.mean, found.after, found.repair, found.wrong) == (1.0, None, None, 1.0)


def test_without_the_true_counterpart_there_is_no_table(results, built):
    publish(results, "exprag", '{"k": 8}', [[1, 1]])
    publish(results, "exprag", FLIPPED, [[1, 1]], [1, 0])
    assert built().measures.misled == ()


def test_a_method_without_an_embedder_is_its_own_counterpart(results, built):
    for options in (TRUE, FLIPPED):
        results.run("baseline", {"s": [1, 1]}, task_options=options)
        results.run("exprag", {"s": [1, 1]}, task_options=options, embedder="bm25")
    (found,) = built().measures.misled
    assert {one.method for one in found.methods} == {"baseline", "exprag"}
