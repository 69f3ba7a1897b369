"""The tables of an edit board: at the end, at matched forgetting, costs and attacks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness_leaderboards.edits.boards import EditBoard
from harness_leaderboards.edits.model import (
    AtLevel,
    EditLeaderboard,
    EditRow,
    EditSection,
    EditSetting,
    Over,
)
from harness_leaderboards.render.numbers import (
    NOT_KNOWN,
    amount,
    interval,
    number,
    signed_interval,
)
from harness_leaderboards.render.tables import TextTable


def heading_of(board: EditLeaderboard, section: EditSection) -> str:
    """The setting in a few words; options are told where others of the subset exist."""
    setting = section.setting
    parts = [setting.subset, setting.model]
    if setting.sample_limit is not None:
        parts.append(f"first {setting.sample_limit} of each set")
    alike = [
        other.setting
        for other in board.sections
        if other.setting.subset == setting.subset and other is not section
    ]
    if any(other.task_options != setting.task_options for other in alike):
        parts.append(setting.task_options)
    if any(other.model_revision != setting.model_revision for other in alike):
        parts.append(setting.model_revision)
    if any(other.task_version != setting.task_version for other in alike):
        parts.append(setting.task_version)
    return ", ".join(parts)


def details_of(setting: EditSetting) -> str:
    """What had to be equal, in full."""
    parts = {
        "model": f"{setting.model_id}@{setting.model_revision}",
        "task version": setting.task_version,
        "task options": setting.task_options,
    }
    return "; ".join(f"{name} {value}" for name, value in parts.items() if value)


def main_tables(board: EditBoard, section: EditSection) -> Iterable[TextTable]:
    """At the end, and at matched forgetting by the main measure."""
    yield _end(board, section)
    if any(row.levels for row in section.rows):
        yield _matched(board, section, board.forgetting[0].metric)


def more_tables(board: EditBoard, section: EditSection) -> Iterable[TextTable]:
    """Matched forgetting by the other measures, trajectories, costs, attacks."""
    for measure in board.forgetting[1:]:
        if any(one.measure == measure.metric for row in section.rows for one in row.levels):
            yield _matched(board, section, measure.metric)
    if any(len(row.curve) > 1 for row in section.rows):
        yield _curves(board, section)
    yield _costs(section)
    if any(row.attacks for row in section.rows):
        yield _attacked(board, section)


def _end(board: EditBoard, section: EditSection) -> TextTable:
    shown = [
        (metric, header)
        for metric, header in board.end
        if any(metric in row.end for row in section.rows)
    ]
    rows = [
        (row.method, _seeds(row), *(_figure(row.end.get(metric), row) for metric, _ in shown))
        for row in section.rows
    ]
    if section.reference_spread:
        cells = (number(section.reference_spread.get(metric)) for metric, _ in shown)
        rows.append((f"spread of {board.reference}", "", *cells))
    reasons = {f"{n}: {why}" for row in section.rows for n, why in row.missing.items()}
    return TextTable(
        title=f"{section.setting.subset}, {section.setting.model}: at the end of the edit",
        headers=("method", "seeds", *(header for _, header in shown)),
        numeric=(False, False, *(True for _ in shown)),
        rows=tuple(rows),
        caption=(
            "Mean over seeds with a 95 % t interval where there are several. A seed varies the "
            "target's training, the drawn sets and the minibatches.",
            *(
                [
                    "Forget quality's p cannot fall below a floor that the number of examples "
                    "sets; KS is the distance it tests."
                ]
                if any(metric == "forget_quality_log10" for metric, _ in shown)
                else []
            ),
            *(
                [
                    f"spread of {board.reference}: largest less smallest over seeds; differences "
                    "within it say nothing."
                ]
                if section.reference_spread
                else []
            ),
            *sorted(reasons),
            *section.notes,
        ),
    )


def _matched(board: EditBoard, section: EditSection, metric: str) -> TextTable:
    measure = next(one for one in board.forgetting if one.metric == metric)
    main = metric == board.forgetting[0].metric
    rows = [row for row in section.rows if any(one.measure == metric for one in row.levels)]
    levels = list(
        dict.fromkeys(one.level for row in rows for one in row.levels if one.measure == metric)
    )
    headers = list[str]()
    for level in levels:
        name = f"at {board.reference}'s" if level is None else f"at {number(level)}"
        headers += [name, "gain", "steps"]
    lines = list[tuple[str, ...]]()
    for row in rows:
        found = {one.level: one for one in row.levels if one.measure == metric}
        cells = [cell for level in levels for cell in _level_cells(row, found.get(level))]
        lines.append((row.method, *cells, *([_figure(row.area, row)] if main else [])))
    return TextTable(
        title=f"{section.kept_name} at matched {measure.name}",
        headers=("method", *headers, *(["area"] if main else [])),
        numeric=(False, *(True for _ in headers), *([True] if main else [])),
        rows=tuple(lines),
        caption=(
            f"What is kept where the {measure.name} first falls to a level, linear between "
            f"evaluations; {board.reference}'s level is that of the retrained model of each seed.",
            "k of n: only so many seeds reach the level; such a cell is censored, and no mean over "
            "the others is shown. gain: paired difference to the same editor without surgery, on "
            "the same minibatches. steps: optimiser steps to the level.",
            *(["area: mean of what is kept over the preset levels."] if main else []),
        ),
    )


def _level_cells(row: EditRow, found: AtLevel | None) -> tuple[str, str, str]:
    if found is None:
        return (NOT_KNOWN, NOT_KNOWN, NOT_KNOWN)
    kept = _figure(found.over, row) if found.over else f"{found.reached} of {found.seeds}"
    gain = "" if not row.base else NOT_KNOWN
    if found.gain is not None:
        gain = signed_interval(found.gain.mean, found.gain.low, found.gain.high)
        gain += _how_many(found.gain, row)
    return (kept, gain, NOT_KNOWN if found.steps is None else amount(found.steps))


def _curves(board: EditBoard, section: EditSection) -> TextTable:
    rows = [row for row in section.rows if len(row.curve) > 1]
    steps = sorted({step for row in rows for step, _, _ in row.curve})
    lines = list[tuple[str, ...]]()
    for row in rows:
        found = {step: f"{number(one)} | {number(other)}" for step, one, other in row.curve}
        lines.append((row.method, *(found.get(step, NOT_KNOWN) for step in steps)))
    return TextTable(
        title=f"Trade-off along the edit: {board.forgetting[0].name} | {section.kept_name}",
        headers=("method", *(f"step {step:g}" for step in steps)),
        numeric=(False, *(True for _ in steps)),
        rows=tuple(lines),
        caption=("Means over seeds.",),
    )


def _costs(section: EditSection) -> TextTable:
    return TextTable(
        title="Cost of the edit",
        headers=("method", "seconds a step", "peak memory MB", "preserved"),
        numeric=(False, True, True, True),
        rows=tuple(
            (
                row.method,
                number(row.step_seconds, 3),
                NOT_KNOWN if row.peak_memory_bytes is None else amount(row.peak_memory_bytes / 1e6),
                number(row.preserved),
            )
            for row in section.rows
        ),
        caption=(
            "peak memory: of the GPU where there is one, else of the whole process. preserved: "
            "share of the forget gradient's length that the surgery leaves.",
        ),
    )


def _attacked(board: EditBoard, section: EditSection) -> TextTable:
    shown: Sequence[tuple[str, str]] = [
        *((one.metric, one.name) for one in board.forgetting),
        (section.kept_metric, section.kept_name),
    ]
    lines = list[tuple[str, ...]]()
    for row in section.rows:
        before = {metric: row.end[metric].mean for metric in row.end}
        for attack, metrics in row.attacks.items():
            cells = (f"{number(before.get(m))} -> {number(metrics.get(m))}" for m, _ in shown)
            lines.append((row.method, attack, *cells))
    return TextTable(
        title="Attacks on the edited model",
        headers=("method", "attack", *(name for _, name in shown)),
        numeric=(False, False, *(True for _ in shown)),
        rows=tuple(lines),
        caption=("Before -> after the attack, means over seeds.",),
    )


def _seeds(row: EditRow) -> str:
    text = str(len(row.seeds))
    return f"{text}, {row.diverged} diverged" if row.diverged else text


def _figure(found: Over | None, row: EditRow) -> str:
    if found is None:
        return NOT_KNOWN
    if found.seeds == 1:
        return number(found.mean) + _how_many(found, row)
    return interval(found.mean, found.low, found.high) + _how_many(found, row)


def _how_many(found: Over, row: EditRow) -> str:
    """Said where a figure is not of all seeds: those that diverged have none."""
    count = len(row.seeds)
    return "" if found.seeds == count else f" ({found.seeds} of {count})"
