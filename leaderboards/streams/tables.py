"""The measures of streams as tables of texts."""

from __future__ import annotations

from collections.abc import Sequence

from harness.statistics import MeanEstimate
from harness_leaderboards.render.numbers import interval, number, signed, signed_interval
from harness_leaderboards.render.tables import TextTable
from harness_leaderboards.streams.measures import StreamMeasures
from harness_leaderboards.streams.transfer import Transfer


def stream_tables(measures: StreamMeasures | None) -> list[TextTable]:
    """The tables that there are."""
    found = list[TextTable]()
    if measures is None:
        return found
    if measures.transfers:
        found.append(_transfer(measures.transfers))
        if any(one.holdout for one in measures.transfers):
            found.append(_holdout(measures.transfers))
    return found


def _transfer(rows: Sequence[Transfer]) -> TextTable:
    lines = [
        (
            one.method,
            *(
                change(value)
                for value in (one.forward, one.backward, one.forgetting, one.holdout_gain)
            ),
            *(signed(value) for value in one.summed_gains),
        )
        for one in rows
    ]
    return TextTable(
        title="Transfer",
        headers=("method", "forward", "backward", "forgetting", "hold-out gain", "B(1)", "B(2)"),
        numeric=(False, *(True,) * 6),
        rows=tuple(lines),
        caption=(
            "forward: score along the stream minus the score with the empty memory, from the "
            "second item on; backward: score at the end minus the score right behind the item; "
            "forgetting: best earlier score behind it minus the one at the end; hold-out gain: "
            "items that the stream never meets, full memory minus empty one. 95 % intervals over "
            "streams.",
            "B(t): SeqMem-Eval's summed gain t states later, mean over streams, where every state "
            "was probed. A method without a state has only the empty one.",
        ),
    )


def _holdout(rows: Sequence[Transfer]) -> TextTable:
    parts = sorted({point.part for one in rows for point in one.holdout})
    lines = list[tuple[str, ...]]()
    for one in rows:
        points = {point.part: point.score for point in one.holdout}
        lines.append(
            (
                one.method,
                *(level(points.get(part)) for part in parts),
                signed(one.holdout_trend),
                signed(one.holdout_loss),
            )
        )
    return TextTable(
        title="Hold-out accuracy by share of the stream behind the memory",
        headers=("method", *(f"{100 * part:.0f} %" for part in parts), "trend", "loss"),
        numeric=(False, *(True for _ in parts), True, True),
        rows=tuple(lines),
        caption=(
            "trend: least-squares change from one checkpoint to the next; loss: the best earlier "
            "checkpoint minus the last.",
        ),
    )


def level(value: MeanEstimate | None) -> str:
    """A mean with its interval."""
    return interval(value.mean, value.low, value.high) if value else number(None)


def change(value: MeanEstimate | None) -> str:
    """A mean difference with its interval."""
    return signed_interval(value.mean, value.low, value.high) if value else number(None)
