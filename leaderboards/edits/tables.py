"""The tables of an edit board: at the end, at matched forgetting, costs and attacks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness_leaderboards.edits.boards import EditBoard, Forgetting
from harness_leaderboards.edits.model import (
    AtLevel,
    EditLeaderboard,
    EditRow,
    EditSection,
    Over,
)
from harness_leaderboards.edits.names import ShortNames
from harness_leaderboards.render.headings import HASH, local_heading
from harness_leaderboards.render.numbers import (
    NOT_KNOWN,
    amount,
    interval,
    number,
    signed_interval,
)
from harness_leaderboards.render.tables import TextTable


def heading_of(board: EditLeaderboard, section: EditSection) -> str:
    """What tells a section from the others of its board."""
    settings = [one.setting for one in board.sections]
    alike = [other for other in board.sections if other.setting == section.setting]
    heading = local_heading(section.setting, settings, "first {} of each set")
    return ", ".join([heading, *_differing_data(section, alike)])


def _differing_data(section: EditSection, others: Sequence[EditSection]) -> list[str]:
    """The data of the first seed that has others too; nothing else tells such sections apart."""
    for seed, content_hash in sorted(section.data.items()):
        if any(other.data.get(seed, content_hash) != content_hash for other in others):
            return [f"seed {seed} on data {content_hash[:HASH]}"]
    return []


def main_tables(board: EditLeaderboard, section: EditSection) -> Iterable[TextTable]:
    """At the end, and at matched forgetting by the main measure."""
    names = ShortNames.of(board.board, section)
    yield _end(board, section, names)
    for measure in board.board.forgetting:
        if measure.metric == section.main and _is_measured(measure, section):
            yield _matched(board.board, section, measure, names)


def more_tables(board: EditBoard, section: EditSection) -> Iterable[TextTable]:
    """Matched forgetting by the other measures, trajectories, costs, attacks."""
    names = ShortNames.of(board, section)
    for measure in board.forgetting:
        if measure.metric != section.main and _is_measured(measure, section):
            yield _matched(board, section, measure, names)
    for measure in board.forgetting:
        if measure.metric == section.main:
            yield _curves(measure, section, names)
    yield _costs(section, names)
    if any(row.attacks for row in section.rows):
        yield _attacked(board, section, names)


def _is_measured(measure: Forgetting, section: EditSection) -> bool:
    return any(one.measure == measure.metric for row in section.rows for one in row.levels)


def _end(built: EditLeaderboard, section: EditSection, names: ShortNames) -> TextTable:
    board = built.board
    shown = [
        (metric, header)
        for metric, header in board.end
        if any(metric in row.end for row in section.rows)
    ]
    rows = [
        (
            names.name(row.method),
            _seeds(row),
            *(_figure(row.end.get(metric), row) for metric, _ in shown),
        )
        for row in section.rows
    ]
    if section.reference_spread:
        cells = (number(section.reference_spread.get(metric)) for metric, _ in shown)
        rows.append((f"spread of {board.reference}", "", *cells))
    reasons = {f"{n}: {why}" for row in section.rows for n, why in row.missing.items()}
    return TextTable(
        title=f"{heading_of(built, section)}: at the end of the edit",
        headers=("method", "seeds", *(header for _, header in shown)),
        numeric=(False, False, *(True for _ in shown)),
        rows=tuple(rows),
        caption=(
            "Mean over seeds with a 95 % t interval where there are several. A seed varies the "
            "target's training, the drawn sets and the minibatches. Intervals are not cut to the "
            "range of the figure.",
            *names.caption(),
            *_examples(section),
            *(
                [
                    "Forget quality's p cannot fall below a floor that the number of examples "
                    "sets; KS is the distance it tests."
                ]
                if any(metric == "forget_quality_log10" for metric, _ in shown)
                else []
            ),
            *_about_spread(board, section, shown),
            *sorted(reasons),
            *section.notes,
        ),
    )


def _examples(section: EditSection) -> list[str]:
    """How many examples stand behind a figure of one seed."""
    if not section.examples:
        return []
    counts = [
        f"{name} {least}" if least == most else f"{name} {least} to {most}"
        for name, (least, most) in section.examples.items()
    ]
    limit = section.setting.sample_limit
    cut = "" if limit is None else f" (--limit {limit})"
    return [f"Evaluated examples of each set{cut}: {', '.join(counts)}."]


def _about_spread(
    board: EditBoard, section: EditSection, shown: Sequence[tuple[str, str]]
) -> Iterable[str]:
    spread, headers = section.reference_spread, dict(shown)
    if not spread:
        return
    yield (
        f"spread of {board.reference}: largest less smallest over seeds; differences within it "
        "say nothing."
    )
    own = [metric for metric in board.against_reference if metric in headers]
    pairwise = [headers[metric] for metric in own if metric in spread]
    empty = [headers[metric] for metric in own if metric not in spread]
    if pairwise:
        yield (
            f"Under {', '.join(pairwise)} it is the largest distance between two retrained models "
            "of different seeds on the same data."
        )
    if empty:
        yield (
            f"n/a under {', '.join(empty)}: these compare with the retrained model of the same "
            "seed, which is compared with itself."
        )


def _matched(
    board: EditBoard, section: EditSection, measure: Forgetting, names: ShortNames
) -> TextTable:
    metric, main = measure.metric, measure.metric == section.main
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
        lines.append((names.name(row.method), *cells, *([_figure(row.area, row)] if main else [])))
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
            *_below(board, rows, measure, names),
            *([_AREA] if main else []),
        ),
    )


_AREA = (
    "area: mean of what is kept over the preset levels; n/a unless every seed starts above the "
    "highest and reaches the lowest."
)


def _below(
    board: EditBoard, rows: Sequence[EditRow], measure: Forgetting, names: ShortNames
) -> Iterable[str]:
    """Where seeds are at a level or below before the edit."""
    found = dict[tuple[float | None, int, int], list[str]]()
    for row in rows:
        for one in row.levels:
            if one.measure == measure.metric and one.below:
                key = (one.level, len(one.below), one.seeds)
                found.setdefault(key, []).append(names.name(row.method))
    alike = dict[tuple[str, int, int], list[str]]()
    for (level, below, seeds), methods in found.items():
        name = f"{board.reference}'s" if level is None else number(level)
        alike.setdefault((", ".join(methods), below, seeds), []).append(name)
    for (methods, below, seeds), levels in alike.items():
        yield (
            f"at {', '.join(levels)} ({methods}): {below} of {seeds} seeds start below this level: "
            "the target does not know its forget set well enough. They enter no mean and no gain."
        )


def _level_cells(row: EditRow, found: AtLevel | None) -> tuple[str, str, str]:
    if found is None:
        return (NOT_KNOWN, NOT_KNOWN, NOT_KNOWN)
    kept = _figure(found.over, row) if found.over else f"{found.reached} of {found.seeds}"
    if found.below:
        kept = NOT_KNOWN
    gain = "" if not row.base else NOT_KNOWN
    if found.gain is not None:
        gain = signed_interval(found.gain.mean, found.gain.low, found.gain.high)
        gain += _how_many(found.gain, row)
    return (kept, gain, NOT_KNOWN if found.steps is None else amount(found.steps))


def _curves(measure: Forgetting, section: EditSection, names: ShortNames) -> TextTable:
    rows = [row for row in section.rows if len(row.curve) > 1]
    steps = sorted({step for row in rows for step, _, _ in row.curve})
    lines = list[tuple[str, ...]]()
    for row in rows:
        found = {step: f"{number(one)} | {number(other)}" for step, one, other in row.curve}
        lines.append((names.name(row.method), *(found.get(step, NOT_KNOWN) for step in steps)))
    return TextTable(
        title=f"Trade-off along the edit: {measure.name} | {section.kept_name}",
        headers=("method", *(f"step {step:g}" for step in steps)),
        numeric=(False, *(True for _ in steps)),
        rows=tuple(lines),
        caption=("Means over seeds.",),
    )


def _costs(section: EditSection, names: ShortNames) -> TextTable:
    return TextTable(
        title="Cost of the edit",
        headers=("method", "seconds a step", "peak memory MB", "preserved"),
        numeric=(False, True, True, True),
        rows=tuple(
            (
                names.name(row.method),
                number(row.step_seconds, 3),
                NOT_KNOWN if row.peak_memory_bytes is None else amount(row.peak_memory_bytes / 1e6),
                number(row.preserved),
            )
            for row in section.rows
        ),
        caption=(
            "peak memory: most in use during the run, of the GPU where there is one, else of the "
            "process. preserved: share of the forget gradient's length that the surgery leaves.",
        ),
    )


def _attacked(board: EditBoard, section: EditSection, names: ShortNames) -> TextTable:
    headers = dict(board.end)
    measures = [
        *((one.metric, headers.get(one.metric, one.name)) for one in board.forgetting),
        (section.kept_metric, headers.get(section.kept_metric, section.kept_name)),
    ]
    after = [metrics for row in section.rows for metrics in row.attacks.values()]
    shown = [(metric, name) for metric, name in measures if any(metric in one for one in after)]
    lines = list[tuple[str, ...]]()
    for row in section.rows:
        for attack, metrics in row.attacks.items():
            before = row.unattacked.get(attack, {})
            cells = (f"{number(before.get(m))} -> {number(metrics.get(m))}" for m, _ in shown)
            lines.append((names.name(row.method), attack, *cells))
    return TextTable(
        title="Attacks on the edited model",
        headers=("method", "attack", *(name for _, name in shown)),
        numeric=(False, False, *(True for _ in shown)),
        rows=tuple(lines),
        caption=(
            "Before -> after the attack, means over seeds: of each the newest run with the attack, "
            "both figures of the same runs.",
        ),
    )


def _seeds(row: EditRow) -> str:
    diverged = sum(one.diverged for one in row.failures)
    failed = len(row.failures) - diverged
    parts = [str(len(row.seeds))]
    parts += [f"{diverged} diverged"] if diverged else []
    parts += [f"{failed} failed"] if failed else []
    return ", ".join(parts)


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
