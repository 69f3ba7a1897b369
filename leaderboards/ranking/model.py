"""What a ranked board is: frozen dataclasses of plain values, ready to be rendered.

A board has a table for each setting (model, sampling, data, ...) and group of subsets; a table has
a row for each method, with a cell for each subset and one for their average. None stands where a
figure cannot be known; it is never a zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness_leaderboards.boards import BoardSpec
from harness_leaderboards.model import Unranked


@dataclass(frozen=True)
class Cost:
    """What a method spent, in the units of the names; None where no run says it.

    Attributes:
        input_tokens: tokens read by the model, per sample.
        output_tokens: tokens written by the model, per sample.
        seconds: wall time per sample.
        memory_bytes: most memory in use during a run.
        money: in the currency of the model's prices, per sample.
    """

    input_tokens: float | None = None
    output_tokens: float | None = None
    seconds: float | None = None
    memory_bytes: float | None = None
    money: float | None = None


@dataclass(frozen=True)
class Cell:
    """One method on one subset, or on the average of its subsets.

    Attributes:
        subset: empty for the average.
        value: the primary metric; None where nothing was scored, and of an average that lacks a
            subset.
        low: lower end of its 95 % interval; None where units are too few for one.
        high: upper end.
        n: scored samples (failed ones count with the worst score).
        n_planned: samples that were to be scored.
        n_failed: samples the method broke on.
        n_invalid: samples the data made unanswerable.
        clusters: independent units that the interval rests on.
        seeds: sample or training seeds, whichever the method has.
        spread: the value of each seed, in their order.
        present: subsets with a value; 1 or 0 for a subset.
        expected: subsets of the table; 1 for a subset.
        figures: secondary figures by the name of their column, means over seeds and subsets.
        cost: what it took.
        run_ids: the runs behind the cell, which have everything else.
    """

    subset: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    n_planned: int
    n_failed: int
    n_invalid: int
    clusters: int
    seeds: tuple[int, ...]
    spread: tuple[float, ...]
    present: int
    expected: int
    figures: Mapping[str, float]
    cost: Cost
    run_ids: tuple[str, ...]


@dataclass(frozen=True)
class RankedRow:
    """One method of a table.

    Attributes:
        method: its label, as users type it.
        model: where methods with different models stand side by side (solvers); else empty.
        average: over the subsets of the table; the cell of the subset itself where there is one.
        cells: one for each subset of the table, in its order.
        rank_low: best rank that the data allow, from 1; None if it is not ranked.
        rank_high: worst rank that they allow.
        unranked: why it is not ranked, as a clause; empty if it is.
    """

    method: str
    model: str
    average: Cell
    cells: tuple[Cell, ...]
    rank_low: int | None
    rank_high: int | None
    unranked: str


@dataclass(frozen=True)
class Pair:
    """Two ranked methods compared on the average.

    Attributes:
        row: position of the method among the rows of the table.
        column: position of the one it is compared with; greater than `row`.
        difference: `row` - `column`, in the unit of the metric.
        low: lower end of its simultaneous 95 % interval; None where units are too few.
        high: upper end.
        p: adjusted for all pairs of the table.
        better: 1 if `row` is better, -1 if worse (adjusted p below .05), else 0.
    """

    row: int
    column: int
    difference: float
    low: float | None
    high: float | None
    p: float
    better: int


@dataclass(frozen=True)
class RankedTable:
    """Methods that can be compared: best value first, those without a rank last.

    Attributes:
        group: the name of the group of subsets; empty for all.
        subsets: in the order of the board, then by name.
        setting: what is equal for all rows, by name (model, sampling, order, ...), in words.
        title: the setting in a few words.
        units: how many independent units all ranked methods share.
        smallest_p: smallest adjusted p that so many units can give.
        notes: what a reader has to know, as sentences.
    """

    group: str
    subsets: tuple[str, ...]
    setting: Mapping[str, str]
    title: str
    rows: tuple[RankedRow, ...]
    pairs: tuple[Pair, ...]
    units: int
    smallest_p: float
    notes: tuple[str, ...]


@dataclass(frozen=True)
class RankedBoard:
    """A built board.

    Attributes:
        board: what it is about.
        tables: one for each setting and group of subsets.
        unfinished: runs that are not complete, listed with their status.
        problems: files of the results folder that could not be read, as sentences.
    """

    board: BoardSpec
    tables: tuple[RankedTable, ...]
    unfinished: tuple[Unranked, ...]
    problems: tuple[str, ...]
