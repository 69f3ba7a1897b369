"""How much a score depends on the order of the items.

Runs of settings that are equal but for the order come in. Shuffled orders are draws of one kind:
their means have a mean, a sample deviation and a range. Named orders (native, the two difficulty
orders of Evo-Memory, arXiv 2511.20857, RQ3) are no draws and stand beside them. More orders of the
same items are no more items, so the gain's interval is that of a two-way table (`compare_crossed`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.statistics import MeanEstimate, Spread, compare_crossed, holm, spread
from harness_leaderboards.boards import Board
from harness_leaderboards.gains import Pair, pair
from harness_leaderboards.measures import LEVEL, score
from harness_leaderboards.model import Sample, Setting
from harness_leaderboards.runs import Run
from harness_leaderboards.streams.estimates import change_of, samples_of
from harness_leaderboards.streams.settings import Groups, without

EASY_HARD, HARD_EASY = "easy-hard", "hard-easy"


@dataclass(frozen=True)
class OrdersGain:
    """A method against the baseline on the shuffled orders that both ran.

    Attributes:
        items: scored by both in every order.
        units: independent units they come from.
        unit: ``stream``, or ``item`` where there is one stream: then given this stream.
        orders: shuffled orders.
        wins: orders in which the method's mean is better.
        difference: method minus baseline.
        low: lower end of its 95 % interval; None of one order or one unit.
        high: upper end, None likewise.
        adjusted_p: two-sided, after Holm over the methods of the table.
    """

    items: int
    units: int
    unit: str
    orders: int
    wins: int
    difference: float
    low: float | None
    high: float | None
    adjusted_p: float


@dataclass(frozen=True)
class MethodOrders:
    """One method.

    Attributes:
        shuffled: mean, sample deviation and range of the shuffled orders' means; None of none.
        gain: against the baseline; None of the baseline and without common orders.
        named: mean score of each order that has a name.
        robustness: easy to hard minus hard to easy, paired by item.
        second_pass: second meeting of an item minus its first, of repeated orders.
    """

    method: str
    shuffled: Spread | None
    gain: OrdersGain | None
    named: tuple[tuple[str, MeanEstimate], ...]
    robustness: MeanEstimate | None
    second_pass: MeanEstimate | None


@dataclass(frozen=True)
class Orders:
    """The methods of settings that differ in nothing but the order."""

    setting: Setting
    methods: tuple[MethodOrders, ...]


def across_orders(board: Board, groups: Groups) -> tuple[Orders, ...]:
    """One table for each setting that was run in several orders, or in a repeated one."""
    joined = dict[Setting, dict[str, dict[str, Sequence[Run]]]]()
    shown = dict[Setting, Setting]()
    for setting, methods in groups.items():
        key = replace(without(setting), order="")
        shown[key] = replace(setting, order="")
        for method, runs in methods.items():
            joined.setdefault(key, {}).setdefault(method, {})[setting.order] = runs
    found = list[Orders]()
    for key, methods in joined.items():
        orders = {order for by_order in methods.values() for order in by_order}
        if len(orders) > 1 or any(one.startswith("repeated:") for one in orders):
            found.append(Orders(shown[key], _methods(board, methods)))
    return tuple(found)


def _methods(
    board: Board, methods: Mapping[str, Mapping[str, Sequence[Run]]]
) -> tuple[MethodOrders, ...]:
    scores = {
        method: {order: samples_of(runs) for order, runs in by_order.items()}
        for method, by_order in methods.items()
    }
    baseline = scores.get(board.baseline, {})
    gains = {
        method: _gain(board, baseline, by_order)
        for method, by_order in scores.items()
        if method != board.baseline
    }
    compared = {method: gain for method, gain in gains.items() if gain}
    adjusted = holm([gain.adjusted_p for gain in compared.values()])
    final = {
        method: replace(gain, adjusted_p=1.0 if p is None else p)
        for (method, gain), p in zip(compared.items(), adjusted, strict=True)
    }
    names = sorted(scores, key=lambda one: (one != board.baseline, one))
    return tuple(_method(name, scores[name], final.get(name)) for name in names)


def _method(
    method: str, orders: Mapping[str, Sequence[Sample]], gain: OrdersGain | None
) -> MethodOrders:
    means = {order: value for order, rows in orders.items() if (value := score(rows))}
    draws = [value.mean for order, value in means.items() if _shuffled(order)]
    both = pair(orders.get(HARD_EASY, ()), orders.get(EASY_HARD, ()))
    return MethodOrders(
        method=method,
        shuffled=spread(draws) if draws else None,
        gain=gain,
        named=tuple((order, value) for order, value in means.items() if not _shuffled(order)),
        robustness=change_of(both.pairs),
        second_pass=change_of(_passes(orders)),
    )


def _shuffled(order: str) -> bool:
    return order.startswith("shuffle:")


def _passes(orders: Mapping[str, Iterable[Sample]]) -> list[Pair]:
    """First and second meeting of each item, of every repeated order."""
    pairs = list[Pair]()
    for order, rows in orders.items():
        if order.startswith("repeated:"):
            passes: tuple[list[Sample], list[Sample]] = ([], [])
            for one in rows:
                if one.repeat < len(passes):
                    passes[one.repeat].append(one)
            pairs += pair(*passes).pairs
    return pairs


def _gain(
    board: Board,
    baseline: Mapping[str, Sequence[Sample]],
    method: Mapping[str, Sequence[Sample]],
) -> OrdersGain | None:
    """The gain on common shuffled orders, over items that are scored in each of them."""
    common = sorted(order for order in baseline.keys() & method.keys() if _shuffled(order))
    tables = {order: pair(baseline[order], method[order]).pairs for order in common}
    cells = {(one.sample_id, order): one for order, found in tables.items() for one in found}
    items = [
        one
        for one in dict.fromkeys(item for item, _ in cells)
        if all((one, order) in cells for order in common)
    ]
    if not items:
        return None
    rows = [(order, cells[item, order]) for item in items for order in common]
    streams = {one.stream_id for _, one in rows}
    unit = "stream" if len(streams) > 1 else "item"
    sign = 1.0 if board.higher_is_better else -1.0
    found = compare_crossed(
        [one.before for _, one in rows],
        [one.after for _, one in rows],
        [one.stream_id if unit == "stream" else one.sample_id for _, one in rows],
        [order for order, _ in rows],
        LEVEL,
    ).comparison
    wins = sum(
        sign * sum(cells[item, order].after - cells[item, order].before for item in items) > 1e-9
        for order in common
    )
    return OrdersGain(
        items=len(items),
        units=found.clusters,
        unit=unit,
        orders=len(common),
        wins=wins,
        difference=found.difference,
        low=found.low,
        high=found.high,
        adjusted_p=found.p,
    )
