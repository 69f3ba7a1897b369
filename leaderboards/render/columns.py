"""The columns a board can choose for its tables: header, alignment, and the text of a row."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from harness.errors import UnknownName
from harness_leaderboards.model import Row
from harness_leaderboards.render.numbers import (
    NOT_KNOWN,
    amount,
    interval,
    number,
    percent,
    probability,
    signed,
    signed_interval,
)


@dataclass(frozen=True)
class Column:
    """One column."""

    header: str
    cell: Callable[[Row], str]
    numeric: bool = True


def columns_named(names: Iterable[str]) -> list[Column]:
    """Look up columns.

    Raises:
        UnknownName: with the nearest names.
    """
    found = list[Column]()
    for name in names:
        if name not in COLUMNS:
            raise UnknownName("column of a board", name, COLUMNS)
        found.append(COLUMNS[name])
    return found


def phase_columns(rows: Iterable[Row]) -> list[Column]:
    """Tokens and seconds of each phase that any row has."""
    names = {phase.phase: None for row in rows for phase in row.usage.phases}
    return [Column(f"{name} in/out, s", lambda row, name=name: _phase(row, name)) for name in names]


def _score(row: Row) -> str:
    if row.score is None:
        return NOT_KNOWN
    return interval(row.score.mean, row.score.low, row.score.high)


def _gain(row: Row) -> str:
    gain = row.gain
    if gain is None:
        return "-"
    return signed_interval(gain.difference, gain.low, gain.high)


def _wins(row: Row) -> str:
    return f"{row.gain.wins}/{row.gain.losses}/{row.gain.ties}" if row.gain else "-"


def _p(row: Row) -> str:
    return probability(row.gain.adjusted_p) if row.gain else "-"


def _verdict(row: Row) -> str:
    return _words(row.gain.verdict) if row.gain else "-"


def _words(value: StrEnum) -> str:
    return value.value.replace("_", " ")


def _phase(row: Row, name: str) -> str:
    for phase in row.usage.phases:
        if phase.phase == name:
            tokens = f"{phase.input_tokens:,.0f}/{phase.output_tokens:,.0f}"
            return f"{tokens}, {phase.seconds:.2f}"
    return "0/0, 0.00"


def _from_gain(text: Callable[[float | None], str], name: str) -> Callable[[Row], str]:
    return lambda row: text(getattr(row.gain, name)) if row.gain else "-"


def _unreadable(row: Row) -> str:
    """The share of what a memory had the model write that it could not read."""
    calls, unreadable = row.memory.calls, row.memory.unreadable
    if not calls or unreadable is None:
        return "-"
    return f"{percent(unreadable / calls)} of {calls:,.0f}"


def _slope(value: float | None) -> str:
    return signed(value, 4)


COLUMNS = {
    "method": Column("method", lambda row: row.method, numeric=False),
    "n": Column("n", lambda row: f"{row.n_scored}/{row.n_planned}"),
    "streams": Column("streams", lambda row: str(row.clusters)),
    "failed": Column("failed", lambda row: str(row.n_failed)),
    "invalid": Column("invalid", lambda row: str(row.n_invalid)),
    "seeds": Column("seeds", lambda row: str(len(row.sample_seeds))),
    "score": Column("score [95 %]", _score),
    "success": Column("success", lambda row: number(row.success)),
    "progress": Column("progress", lambda row: number(row.progress)),
    "steps": Column("steps", lambda row: amount(row.steps)),
    "steps_of_successes": Column("steps, solved", lambda row: amount(row.steps_of_successes)),
    "gain": Column("gain [95 %]", _gain),
    "paired": Column("paired", _from_gain(lambda value: f"{value}", "n")),
    "left_out": Column("left out", _from_gain(lambda value: f"{value}", "left_out")),
    "unmatched": Column("unmatched", _from_gain(lambda value: f"{value}", "unmatched")),
    "changed": Column("other hash", _from_gain(lambda value: f"{value}", "changed_content")),
    "wins": Column("W/L/T", _wins),
    "p": Column("p adj.", _p),
    "p_raw": Column("p", lambda row: probability(row.gain.p) if row.gain else "-"),
    "smallest_p": Column(
        "least p adj.", lambda row: probability(row.gain.smallest_p) if row.gain else "-"
    ),
    "test": Column("test", lambda row: _words(row.gain.test) if row.gain else "-", numeric=False),
    "verdict": Column("verdict", _verdict, numeric=False),
    "slope": Column("gain per step", _from_gain(_slope, "slope")),
    "first_third": Column("gain, first third", _from_gain(signed, "first_third")),
    "last_third": Column("gain, last third", _from_gain(signed, "last_third")),
    "tokens": Column(
        "tokens",
        lambda row: f"{row.usage.input_tokens:,.0f}+{row.usage.output_tokens:,.0f}",
    ),
    "input_tokens": Column("tokens in", lambda row: amount(row.usage.input_tokens)),
    "output_tokens": Column("tokens out", lambda row: amount(row.usage.output_tokens)),
    "seconds": Column("seconds", lambda row: f"{row.usage.seconds:.2f}"),
    "invalid_outputs": Column("unreadable outputs", lambda row: percent(row.usage.invalid_outputs)),
    "invalid_actions": Column(
        "refused actions/step", lambda row: number(row.usage.invalid_actions)
    ),
    "entries": Column("entries at end", lambda row: amount(row.memory.entries)),
    "chars": Column("chars at end", lambda row: amount(row.memory.chars)),
    "retrieved": Column("shown", lambda row: amount(row.memory.retrieved)),
    "similarity": Column("similarity", lambda row: number(row.memory.similarity)),
    "pruned": Column("pruned", lambda row: percent(row.memory.pruned)),
    "added": Column("added", lambda row: number(row.memory.added)),
    "changed_entries": Column("changed", lambda row: number(row.memory.changed)),
    "removed": Column("removed", lambda row: number(row.memory.removed)),
    "unreadable": Column("unreadable", _unreadable),
}
