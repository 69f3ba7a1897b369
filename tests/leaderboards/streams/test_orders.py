"""Scores over orders of the same items."""

from __future__ import annotations

import itertools

import pytest

from harness.statistics import compare_crossed


def publish(results, made, method, order, items, stream="s", **row):
    """Publish a run of one stream from (item, score) in the order met."""
    records = [made.record(item, score, stream, step) for step, (item, score) in enumerate(items)]
    return results.run(method, {}, more=records, order=order, **row)


def orders(built):
    (found,) = built().measures.orders
    return {one.method: one for one in found.methods}


def test_reference_case_6(results, made, built, text):
    # A and B' are alike: B' is solved only if A lies behind it; C always is.
    for number, order in enumerate(itertools.permutations("AaB"), start=1):
        solved = {"A": 1, "B": 1, "a": int(order.index("A") < order.index("a"))}
        items = [(item, solved[item]) for item in order]
        publish(results, made, "exprag", f"shuffle:{number}", items)
        publish(results, made, "baseline", f"shuffle:{number}", [(i, i != "a") for i in order])
    spread = orders(built)["exprag"].shuffled
    assert (spread.mean, spread.sd) == (
        pytest.approx(0.83333, abs=5e-6),
        pytest.approx(0.18257, abs=5e-6),
    )
    assert (spread.minimum, spread.maximum, spread.n) == (pytest.approx(2 / 3), 1.0, 6)
    assert "| exprag | 6 | .83 | .183 | .67 to 1.00 |" in text()


def test_the_gain_has_the_interval_of_items_crossed_with_orders(results, made, built):
    scores = {1: [0, 1, 1, 0], 2: [1, 1, 0, 1], 3: [1, 0, 1, 1]}
    for order, values in scores.items():
        streams = [made.record(f"i{n}", x, f"s{n // 2}", n % 2) for n, x in enumerate(values)]
        zeros = [made.record(f"i{n}", 0, f"s{n // 2}", n % 2) for n in range(4)]
        results.run("exprag", {}, more=streams, order=f"shuffle:{order}")
        results.run("baseline", {}, more=zeros, order=f"shuffle:{order}")
    gain = orders(built)["exprag"].gain
    cells = [(n, order, scores[order][n]) for n in range(4) for order in scores]
    expected = compare_crossed(
        [0.0] * 12,
        [x for *_, x in cells],
        [n // 2 for n, *_ in cells],
        [order for _, order, _ in cells],
    ).comparison
    assert (gain.items, gain.units, gain.unit, gain.orders, gain.wins) == (4, 2, "stream", 3, 3)
    assert gain.difference == pytest.approx(8 / 12)
    assert (gain.low, gain.high) == pytest.approx((expected.low, expected.high))
    assert orders(built)["baseline"].gain is None


def test_one_stream_is_taken_as_given_and_the_table_says_so(results, made, built, text):
    for order in (1, 2):
        publish(results, made, "exprag", f"shuffle:{order}", [("a", 1), ("b", order - 1)])
        publish(results, made, "baseline", f"shuffle:{order}", [("a", 0), ("b", 0)])
    gain = orders(built)["exprag"].gain
    assert (gain.unit, gain.units, gain.wins) == ("item", 2, 2)
    assert "all of it is given this stream" in text()


def test_items_that_an_order_has_no_score_for_are_left_out_of_the_gain(results, made, built):
    from harness.results.schema import Status

    for order, last in ((1, 1), (2, Status.INVALID)):
        publish(results, made, "exprag", f"shuffle:{order}", [("a", 1), ("b", last)])
        publish(results, made, "baseline", f"shuffle:{order}", [("a", 0), ("b", 0)])
    assert orders(built)["exprag"].gain.items == 1


def test_orders_with_a_name_stand_apart(results, made, built, text):
    publish(results, made, "exprag", "native", [("a", 1), ("b", 1)])
    publish(results, made, "exprag", "easy-hard", [("a", 1), ("b", 0), ("c", 0)])
    publish(results, made, "exprag", "hard-easy", [("c", 1), ("b", 1), ("a", 1)])
    found = orders(built)["exprag"]
    assert found.shuffled is None
    assert {name: value.mean for name, value in found.named} == {
        "native": 1.0,
        "easy-hard": pytest.approx(1 / 3),
        "hard-easy": 1.0,
    }
    assert (found.robustness.mean, found.robustness.n) == (pytest.approx(-2 / 3), 3)
    shown = text()
    assert "| method | native | easy-hard | hard-easy | easy-hard minus hard-easy |" in shown
    assert "-.67 [n/a] (3)" in shown


def test_a_repeated_order_shows_the_second_meeting_minus_the_first(results, made, built):
    records = [
        made.record(item, score, step=step, repeat=step // 2)
        for step, (item, score) in enumerate([("a", 0), ("b", 1), ("a", 1), ("b", 1)])
    ]
    results.run("exprag", {}, more=records, order="repeated:2")
    found = orders(built)["exprag"].second_pass
    assert (found.mean, found.n) == (0.5, 2)


def test_a_single_order_has_no_table(results, made, built):
    publish(results, made, "exprag", "shuffle:1", [("a", 1)])
    publish(results, made, "baseline", "shuffle:1", [("a", 1)])
    assert built().measures.orders == ()


def test_one_shuffled_order_has_no_deviation(results, made, text):
    publish(results, made, "exprag", "shuffle:1", [("a", 1)])
    publish(results, made, "exprag", "native", [("a", 1)])
    assert "| 1 | 1.00 | n/a (one order) |" in text()


def test_other_settings_are_not_joined(results, made, built):
    publish(results, made, "exprag", "shuffle:1", [("a", 1)], task_options='{"k": 4}')
    publish(results, made, "exprag", "shuffle:2", [("a", 1)], task_options='{"k": 8}')
    assert built().measures.orders == ()
