"""Which tables a leaderboard is shown as: plain cells, headers and sentences, not yet escaped.

Both renderers write exactly these tables, so that terminal and markdown cannot differ in a figure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness_leaderboards.boards import Board
from harness_leaderboards.gains import ALPHA
from harness_leaderboards.measures import ROLLING_WINDOW
from harness_leaderboards.model import CurvePoint, Leaderboard, Row, Section, Setting, Unranked
from harness_leaderboards.render.columns import COLUMNS, Column, columns_named, phase_columns
from harness_leaderboards.render.headings import distinctions
from harness_leaderboards.render.numbers import NOT_KNOWN, number, probability

SHOWN_STEPS = 8
"""Most steps of a learning curve in a table; parquet and JSON hold all."""

FOREIGN = ("method", "run", "subset", "model", "order")
"""Headers of the columns that hold names; they may be long, and are not ours."""

_COUNTS = ("method", "seeds", "n", "streams", "failed", "invalid", "paired", "left_out")
_TESTS = ("unmatched", "changed", "test", "p_raw", "p", "smallest_p")
_COSTS = ("method", "input_tokens", "output_tokens", "seconds")
_OUTPUTS = ("method", "steps", "steps_of_successes", "invalid_outputs", "invalid_actions")
_MEMORY = ("method", "entries", "chars", "retrieved", "similarity", "pruned", "added")
_MEMORY_TOO = ("changed_entries", "removed", "unreadable")
_TREND = ("method", "slope", "first_third", "last_third")


@dataclass(frozen=True)
class TextTable:
    """A table of plain texts."""

    title: str
    headers: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: tuple[str, ...] = ()


def heading(
    setting: Setting,
    others: Iterable[Setting] = (),
    subsets: Mapping[str, str] | None = None,
) -> str:
    """The setting in a few words, and what tells it from others of the same subset."""
    parts = [setting.subset or "all", setting.model, f"{setting.order} order"]
    if setting.sample_limit is not None:
        parts.append(f"first {setting.sample_limit} samples")
    alike = [other for other in others if other.subset == setting.subset]
    return ", ".join([*parts, *distinctions(setting, alike, subsets)])


def heading_of(board: Leaderboard, section: Section) -> str:
    """The heading of a section among those of its board."""
    others = [other.setting for other in board.sections]
    return heading(section.setting, others, board.subsets)


def main_table(board: Leaderboard, section: Section) -> TextTable:
    """The table everybody sees."""
    columns = columns_named(board.board.columns)
    shown = [one for one in columns if _says_something(one, section.rows)]
    caption = _caption(board.board, section)
    return _table(heading_of(board, section), shown, section.rows, caption)


def detail_tables(section: Section) -> list[TextTable]:
    """Counts, costs, memory and learning curves."""
    rows = section.rows
    costs = [*columns_named(_COSTS), *phase_columns(rows)]
    trend = ("Slope: change of the gain per step. Thirds: of each stream.",)
    wall = (
        "seconds: wall time of a sample, its wait for a place in a batch included; those of a "
        "phase are its share of computing.",
    )
    return [
        _table("Counts and tests", columns_named((*_COUNTS, *_TESTS)), rows, ()),
        _table("Cost per sample: tokens and seconds, by phase", costs, rows, wall),
        _table("Outputs", columns_named(_OUTPUTS), rows, ()),
        _table(
            "Memory: size after the last step (mean over streams), entries per sample",
            columns_named((*_MEMORY, *_MEMORY_TOO)),
            rows,
            (
                "unreadable: share of the answers that the memory asked the model for, in all "
                "samples, that held nothing it could use; '-' of a memory that asks for none.",
            ),
        ),
        _table("Gain over the stream", columns_named(_TREND), rows, trend),
        curve_table(rows),
    ]


def curve_table(rows: Sequence[Row]) -> TextTable:
    """Cumulative and rolling mean at some steps, counted from 1."""
    steps = _some(sorted({point.step for row in rows for point in row.curve}))
    lines = list[tuple[str, ...]]()
    for row in rows:
        points = {point.step: point for point in row.curve}
        lines.append((row.method, *(_point(points.get(step)) for step in steps)))
    return TextTable(
        title="Learning curves at some steps: cumulative | rolling mean",
        headers=("method", *(f"step {step + 1}" for step in steps)),
        numeric=(False, *(True for _ in steps)),
        rows=tuple(lines),
        caption=(
            f"Mean over streams; the rolling mean is over {ROLLING_WINDOW} scored samples. "
            "All steps are in the parquet and JSON output.",
        ),
    )


def unranked_table(runs: Sequence[Unranked]) -> TextTable | None:
    """The runs that are not ranked."""
    if not runs:
        return None
    return TextTable(
        title="Not ranked: unfinished runs",
        headers=("run", "method", "subset", "model", "order", "seed", "status", "done"),
        numeric=(False, False, False, False, False, True, False, True),
        rows=tuple(
            (
                one.run_id,
                one.method,
                one.subset,
                one.model,
                one.order,
                str(one.sample_seed),
                one.status + (f", {_count(one.n_error, 'error')}" if one.n_error else ""),
                f"{one.n_done} of {one.n_planned}",
            )
            for one in runs
        ),
    )


def _table(
    title: str, columns: Iterable[Column], rows: Sequence[Row], caption: tuple[str, ...]
) -> TextTable:
    chosen = list(columns)
    return TextTable(
        title=title,
        headers=tuple(one.header for one in chosen),
        numeric=tuple(one.numeric for one in chosen),
        rows=tuple(tuple(one.cell(row) for one in chosen) for row in rows),
        caption=caption,
    )


def _says_something(column: Column, rows: Sequence[Row]) -> bool:
    """Whether a column tells methods apart or is the task's own; the caption says the rest."""
    cells = {column.cell(row) for row in rows}
    if column is COLUMNS["failed"]:
        return cells != {"0"}
    return column is not COLUMNS["progress"] or cells != {NOT_KNOWN}


def _caption(board: Board, section: Section) -> tuple[str, ...]:
    better = "higher" if board.higher_is_better else "lower"
    clusters = sorted({row.clusters for row in section.rows})
    streams = " or ".join(str(one) for one in clusters)
    unit = "stream is the independent unit" if clusters == [1] else "streams are independent units"
    sentences = [
        f"{board.metric}: mean over scored samples, {better} is better; failed samples count "
        f"{number(board.worst)}, invalid ones are left out (n: scored of planned).",
        f"The {streams} {unit}: intervals are cluster-robust t intervals over streams"
        + ("; one stream has none (n/a)." if 1 in clusters else "."),
        "tokens: read and written for a sample, on average.",
        *_gain_sentences(board, section),
    ]
    sentences += [f"{row.method}: no gain, {row.no_gain}." for row in section.rows if _odd(row)]
    return (*sentences, *section.notes)


def _odd(row: Row) -> bool:
    return row.gain is None and row.no_gain.startswith("no scored item")


def _gain_sentences(board: Board, section: Section) -> list[str]:
    gains = [row.gain for row in section.rows if row.gain]
    if not gains:
        return []
    hardest = max(gains, key=lambda gain: gain.smallest_p)
    sentences = [
        f"gain: method - {board.baseline} on the same items; W/L/T: items won, lost, tied. p: "
        "two-sided permutation test that swaps the two methods within whole streams, Holm-adjusted "
        f"over {_count(hardest.comparisons, 'comparison')}.",
        f"improved, regressed: adjusted p below {number(ALPHA)} and a difference beyond "
        f"{number(board.min_effect)}; not worse: the interval excludes a loss beyond it, and "
        f"enough streams differ for p below {number(ALPHA)} or so many were run that even the "
        "exact upper bound of the share that lose stays within it.",
        "inconclusive: these streams show neither a difference beyond "
        f"{number(board.min_effect)} nor its absence; the smallest attainable adjusted p with "
        f"{_count(hardest.clusters, 'stream')} is {probability(hardest.smallest_p)}"
        + (
            f", not below {number(ALPHA)}, so no result could have been conclusive."
            if hardest.smallest_p >= ALPHA
            else f" (below {number(ALPHA)})."
        ),
    ]
    missing = [
        f"{row.method} {row.gain.left_out + row.gain.unmatched + row.gain.changed_content}"
        for row in section.rows
        if row.gain and row.gain.left_out + row.gain.unmatched + row.gain.changed_content
    ]
    if missing:
        sentences.append(f"Items not paired with {board.baseline}: {', '.join(missing)}.")
    return sentences


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _some(steps: Sequence[int]) -> list[int]:
    """At most `SHOWN_STEPS` steps, evenly spread, first and last among them."""
    if len(steps) <= SHOWN_STEPS:
        return list(steps)
    last = len(steps) - 1
    return [steps[round(last * place / (SHOWN_STEPS - 1))] for place in range(SHOWN_STEPS)]


def _point(point: CurvePoint | None) -> str:
    if point is None:
        return NOT_KNOWN
    rolling = "" if point.rolling is None else number(point.rolling)
    return f"{number(point.cumulative)} | {rolling or '-'}"
