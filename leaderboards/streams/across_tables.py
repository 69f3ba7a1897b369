"""The measures that need several settings, as headed tables of texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness_leaderboards.model import Setting
from harness_leaderboards.render.headings import distinctions
from harness_leaderboards.render.numbers import number, percent, probability, signed
from harness_leaderboards.render.numbers import signed_interval as ends
from harness_leaderboards.render.tables import TextTable
from harness_leaderboards.streams.cells import NOTHING, change, counted, table
from harness_leaderboards.streams.inherited import Inherited
from harness_leaderboards.streams.likeness import SubsetLikeness
from harness_leaderboards.streams.measures import BoardMeasures
from harness_leaderboards.streams.misled import Misled
from harness_leaderboards.streams.orders import MethodOrders, Orders

Headed = tuple[str, Setting, TextTable]
"""Heading, what was equal, and the table."""


def across_tables(measures: BoardMeasures) -> Iterator[Headed]:
    """Orders, wrong feedback, inherited memories and similarity over data sets."""
    others = [one.setting for one in measures.orders]
    for one in measures.orders:
        yield f"Across orders: {_names(one.setting, others)}", one.setting, _orders(one)
    others = [one.setting for one in measures.misled]
    for one in measures.misled:
        yield f"After wrong feedback: {_names(one.setting, others)}", one.setting, _misled(one)
    others = [one.setting for one in measures.inherited]
    for one in measures.inherited:
        heading = f"Memory from another run: {_names(one.setting, others)}"
        yield heading, one.setting, _inherited(one)
    by_setting = dict[Setting, list[SubsetLikeness]]()
    for one in measures.likenesses:
        by_setting.setdefault(one.setting, []).append(one)
    for setting, rows in by_setting.items():
        heading = f"Gain by similarity over data sets: {setting.model_id}"
        yield heading, setting, _likenesses(rows)


def _names(setting: Setting, others: Iterable[Setting]) -> str:
    """A setting in a few words, and what tells it from others of its subset."""
    alike = [one for one in others if one.subset == setting.subset]
    order = f"{setting.order} order" if setting.order else ""
    parts = (setting.subset or "all", setting.model, order, *distinctions(setting, alike))
    return ", ".join(one for one in parts if one)


def _orders(found: Orders) -> TextTable:
    named = list(dict.fromkeys(order for one in found.methods for order, _ in one.named))
    named.sort(key=lambda order: (order != "native", order))
    both = any(one.robustness for one in found.methods)
    again = any(one.second_pass for one in found.methods)
    drawn = any(one.shuffled for one in found.methods)
    headers = (
        "method",
        *(("shuffles", "mean", "sd", "range") if drawn else ()),
        *(("gain [95 %]", "ahead in", "p adj.") if drawn else ()),
        *named,
        *(("easy-hard minus hard-easy",) if both else ()),
        *(("second meeting minus first",) if again else ()),
    )
    lines = [
        (
            one.method,
            *(_shuffles(one) if drawn else ()),
            *(counted(dict(one.named).get(order)) for order in named),
            *((counted(one.robustness, signs=True),) if both else ()),
            *((counted(one.second_pass, signs=True),) if again else ()),
        )
        for one in found.methods
    ]
    return table("Scores by order", headers, lines, _orders_caption(found))


def _shuffles(one: MethodOrders) -> tuple[str, ...]:
    spread, gain = one.shuffled, one.gain
    head = ("0", *(NOTHING,) * 3)
    if spread:
        sd = "n/a (one order)" if spread.sd is None else number(spread.sd, 3)
        low_high = f"{number(spread.minimum)} to {number(spread.maximum)}"
        head = (str(spread.n), number(spread.mean), sd, low_high)
    if gain is None:
        return (*head, *(NOTHING,) * 3)
    return (
        *head,
        f"{ends(gain.difference, gain.low, gain.high)} ({gain.items:,})",
        f"{gain.wins} of {gain.orders}",
        probability(gain.adjusted_p),
    )


def _orders_caption(found: Orders) -> tuple[str, ...]:
    apart = (
        "orders with a name are no draws and stand apart, with their interval over streams and "
        "(items)."
    )
    if not any(one.shuffled for one in found.methods):
        return (apart,)
    gains = [one.gain for one in found.methods if one.gain]
    one_stream = any(gain.unit == "item" for gain in gains)
    return (
        "mean, sd and range: of the means of the shuffled orders (sd with divisor n - 1); " + apart,
        "gain: over the baseline on the shuffled orders that both ran, (items) scored in each of "
        "them. More orders of the same items are no more items: the interval has a variance "
        f"between {'items' if one_stream else 'streams'} and one between orders (Satterthwaite); "
        "p: of the same test, Holm-adjusted over the methods."
        + (" There is one stream: all of it is given this stream." if one_stream else ""),
    )


def _misled(found: Misled) -> TextTable:
    lines = [
        (
            *(one.method, percent(one.wrong)),
            counted(one.during, signs=True),
            counted(one.after, signs=True) if one.after else NOTHING,
            signed(one.repair) if one.repair is not None else NOTHING,
        )
        for one in found.methods
    ]
    return table(
        "Loss by wrong feedback",
        ("method", "told wrong", "loss meanwhile", "loss after", "repair"),
        lines,
        (
            f"Feedback was to be wrong for {percent(found.flip)} of the items in the first "
            f"{percent(found.until)} of each stream. loss: the same setting with true feedback "
            "minus this one, item by item, with its interval over streams and (items); above 0 "
            "the feedback did harm. repair: 1 - loss after / loss meanwhile, where there was one; "
            "it has no interval of its own, those of both losses say what it is worth.",
        ),
    )


def _inherited(found: Inherited) -> TextTable:
    lines = [
        (
            *(one.method, one.subset or "(not here)", one.source),
            "frozen" if one.frozen else "grows on",
            counted(one.score),
            change(one.gain),
            change(one.ahead),
        )
        for one in found.methods
    ]
    return table(
        "Memory from another subset",
        ("method", "subset", "run", "memory", "score", "gain", "begun empty"),
        lines,
        (
            "subset, run: where the memory was learned. gain: over the baseline on the same items; "
            "begun empty: over the same method that began with an empty memory. 95 % intervals "
            "over streams.",
        ),
        texts=4,
    )


def _likenesses(rows: list[SubsetLikeness]) -> TextTable:
    lines = [
        (
            *(one.method, str(len(one.points)), signed(one.correlation), probability(one.p)),
            "; ".join(f"{name} {number(x)}, {signed(y)}" for name, x, y in one.points),
        )
        for one in rows
    ]
    found = table(
        "Gain by similarity over data sets",
        ("method", "data sets", "r", "p", "subset"),
        lines,
        (
            "r: Pearson, between a data set's mean similarity of what was shown and its mean gain "
            "over the baseline; both stand after its name. p: permutation of the gains over the "
            "data sets; with n of them it is at least 2 / n!.",
            "The paper's Fig. 4 relates the gain to another figure, the distance of tasks to the "
            "centroid of their data set, whose sign is unclear there.",
        ),
    )
    return TextTable(
        found.title, found.headers, (*found.numeric[:-1], False), found.rows, found.caption
    )
