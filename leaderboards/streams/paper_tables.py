"""The paper's tables of our runs, and its own numbers, as tables of texts."""

from __future__ import annotations

from collections.abc import Sequence

from harness_leaderboards.render.numbers import NOT_KNOWN, number
from harness_leaderboards.render.tables import TextTable
from harness_leaderboards.streams.cells import table
from harness_leaderboards.streams.paper import (
    METHODS,
    MULTI,
    SINGLE,
    Cell,
    PaperRow,
    PaperTable,
    multi_averages,
    single_average,
)
from harness_leaderboards.streams.published import (
    DEFECTS,
    Published,
    PublishedRow,
    published,
    published_of,
)


def tables_of(found: PaperTable, *, show_published: bool) -> list[TextTable]:
    """Single-turn and multi-turn, where there are runs, and what was published beside them."""
    known = published_of(f"{found.setting.model} {found.setting.model_id}")
    beside = [known] if known else []
    if show_published:
        beside += [one for one in published() if one is not known]
    parts = (
        ("Single-turn", SINGLE, _single_row, "avg"),
        ("Multi-turn", {k: f"{v} S/P" for k, v in MULTI.items()}, _multi_row, "avg S/P"),
    )
    tables = list[TextTable]()
    for title, subsets, row, average in parts:
        rows = [one for one in found.rows if _in(one, subsets)]
        if rows:
            headers = ("method", *subsets.values(), average)
            title = f"{title} data sets as the paper shows them: {found.setting.model}"
            tables.append(table(title, headers, [row(one) for one in rows], _caption(found, rows)))
    for one in beside:
        tables += _published(one)
    return tables


def _in(row: PaperRow, subsets: Sequence[str] | dict[str, str]) -> bool:
    return any(one.subset in subsets for one in row.cells)


def _cells(row: PaperRow, subsets: Sequence[str]) -> tuple[str, ...]:
    found = {one.subset: one for one in row.cells}
    return tuple(_cell(found.get(subset)) for subset in subsets)


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return NOT_KNOWN
    pair = cell.subset in MULTI or cell.subset == "toolbench"
    figures = (cell.first, cell.second) if pair else (cell.first,)
    return f"{'/'.join(map(number, figures))} ({cell.n:,})"


def _single_row(row: PaperRow) -> tuple[str, ...]:
    average = single_average(row.cells)
    there = sum(one.subset in SINGLE for one in row.cells)
    return (
        METHODS[row.method],
        *_cells(row, list(SINGLE)),
        f"{there} of {len(SINGLE)}" if average is None else number(average),
    )


def _multi_row(row: PaperRow) -> tuple[str, ...]:
    cells = [one for one in row.cells if one.subset in MULTI]

    def text(average: float | None, there: int) -> str:
        return f"{there} of {len(MULTI)}" if average is None else number(average)

    success, progress = multi_averages(cells)
    return (
        METHODS[row.method],
        *_cells(row, list(MULTI)),
        f"{text(success, len(cells))}"
        f"/{text(progress, sum(one.second is not None for one in cells))}",
    )


def _caption(found: PaperTable, rows: Sequence[PaperRow]) -> tuple[str, ...]:
    orders = sorted({one.orders for row in rows for one in row.cells})
    several = orders[-1] > 1
    sentences = [
        "In parentheses the scored items; their intervals are in the tables of each data set. An "
        "average stands only where every cell does, else how many there are: nothing missing "
        "counts as 0. Single-turn: (6 exact matches + mean(API, Acc)) / 7.",
        (
            f"Cells are means over {' or '.join(map(str, orders))} orders."
            if several
            else "One order each."
        ),
        "Names are the paper's; ours: "
        + ", ".join(f"{METHODS[row.method]} {row.method}" for row in rows)
        + ".",
    ]
    if found.left_out:
        sentences.append(
            f"{found.left_out} more settings of these data sets have fewer items and are not here."
        )
    return tuple(sentences)


def _figures(pair: tuple[float, ...] | None) -> str:
    return "/".join(map(number, pair)) if pair else NOT_KNOWN


def _published(one: Published) -> list[TextTable]:
    found = list[TextTable]()
    parts: tuple[tuple[str, dict[str, str], Sequence[PublishedRow], str], ...] = (
        ("Table 1", SINGLE, one.single, "avg"),
        ("Table 2", {k: f"{v} S/P" for k, v in MULTI.items()}, one.multi, "avg S/P"),
    )
    for number_of, subsets, rows, average in parts:
        shown = [name for name in subsets if any(name in row.cells for row in rows)]
        lines = [
            (
                METHODS[row.method],
                *(_figures(row.cells.get(name)) for name in shown),
                _figures(row.average),
            )
            for row in rows
        ]
        if lines:
            found.append(
                table(
                    f"Published, {one.backbone}: arXiv 2511.20857 v1, {number_of}",
                    ("method", *(subsets[name] for name in shown), average),
                    lines,
                    (
                        "As printed; other prompts and settings than here, no interval and one "
                        "order, so it is no baseline of these runs.",
                        *DEFECTS,
                    ),
                )
            )
    return found
