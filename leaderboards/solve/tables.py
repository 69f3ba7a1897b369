"""The tables of a solve board: scores and gain, what it took, curves over votes and steps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from harness_leaderboards.render.headings import local_heading
from harness_leaderboards.render.numbers import (
    NOT_KNOWN,
    amount,
    interval,
    number,
    probability,
    signed_interval,
)
from harness_leaderboards.render.tables import TextTable
from harness_leaderboards.solve.boards import SolveBoard
from harness_leaderboards.solve.model import SolveLeaderboard, SolveRow, SolveSection

_NO_MODEL = "none"
_CURVE = re.compile(r"(solved|first)@(.+?)_?(\d+)")
_DEPTH = "accuracy/depth-"


def heading_of(board: SolveLeaderboard, section: SolveSection) -> str:
    """What tells a section from the others of its board."""
    settings = [one.setting for one in board.sections]
    return local_heading(section.setting, settings, "first {} puzzles")


def main_tables(board: SolveLeaderboard, section: SolveSection) -> Iterable[TextTable]:
    """Score, gain, the other rules, and what a solver has seen."""
    shown = [
        pair for pair in board.board.figures if any(pair[0] in row.figures for row in section.rows)
    ]
    yield TextTable(
        title=heading_of(board, section),
        headers=(
            *("method", "model", "n", "score", "gain", "p", "verdict"),
            *(name for _, name in shown),
            "setting",
        ),
        numeric=(False, False, True, True, True, True, False, *(True for _ in shown), False),
        rows=tuple(_main(row, [metric for metric, _ in shown]) for row in section.rows),
        caption=tuple(_caption(board.board, section)),
    )


def more_tables(board: SolveBoard, section: SolveSection) -> Iterable[TextTable]:
    """Costs, exposure, curves, and accuracy by depth."""
    yield _costs(board, section)
    yield TextTable(
        title="What solvers have seen",
        headers=("method", "model", "setting", "public puzzles"),
        numeric=(False, False, False, False),
        rows=tuple((row.method, row.model, row.setting, row.exposure) for row in section.rows),
        caption=(
            "transductive: fitted on the demonstrations of the puzzles that it was asked; "
            "inductive: not.",
        ),
    )
    yield from _curves(section)
    yield from _depths(section)


def _main(row: SolveRow, shown: Sequence[str]) -> tuple[str, ...]:
    score, gain = row.score, row.gain
    return (
        row.method,
        "" if row.model == _NO_MODEL else row.model,
        f"{row.n_scored:,}/{row.n_planned:,}",
        NOT_KNOWN if score is None else interval(score.mean, score.low, score.high),
        "" if gain is None else signed_interval(gain.difference, gain.low, gain.high),
        NOT_KNOWN if gain is None else probability(gain.p),
        "" if gain is None else str(gain.verdict),
        *(number(row.figures.get(metric)) for metric in shown),
        row.setting,
    )


def _costs(board: SolveBoard, section: SolveSection) -> TextTable:
    unit = board.unit.removesuffix("s")
    return TextTable(
        title=f"What a {unit} takes",
        headers=("method", "model", "seconds", "read", "written", "cost", "fit s", "steps"),
        numeric=(False, False, *(True for _ in range(6))),
        rows=tuple(
            (
                row.method,
                row.model,
                number(row.cost.seconds, 3),
                amount(row.cost.input_tokens),
                amount(row.cost.output_tokens),
                NOT_KNOWN if row.cost.money is None else f"{row.cost.money:.4f}",
                NOT_KNOWN if row.cost.fit_seconds is None else amount(row.cost.fit_seconds),
                amount(row.figures.get("recursion_steps")),
            )
            for row in section.rows
        ),
        caption=(
            f"means for a {unit}: seconds of solving, tokens read and written, cost by --prices; "
            "fit s: of the fit, which all share; steps: recursion steps, over all votes.",
        ),
    )


def _curves(section: SolveSection) -> Iterable[TextTable]:
    """Scores that a run would have had with fewer votes, or after fewer steps."""
    found = dict[str, set[int]]()
    for row in section.rows:
        for name in row.figures:
            if match := _CURVE.fullmatch(name):
                found.setdefault(match[2], set()).add(int(match[3]))
    for over, points in sorted(found.items()):
        columns = sorted(points)
        for metric, words in (("first", "the first answer"), ("solved", "one of the attempts")):
            rows = [
                row
                for row in section.rows
                if any(f"{metric}@{over}_{point}" in row.figures for point in columns)
            ]
            yield TextTable(
                title=f"Solved by {words}, over {over.replace('_', ' ')}",
                headers=("method", "model", *map(str, columns)),
                numeric=(False, False, *(True for _ in columns)),
                rows=tuple(
                    (
                        row.method,
                        row.model,
                        *(number(row.figures.get(f"{metric}@{over}_{one}")) for one in columns),
                    )
                    for row in rows
                ),
                caption=("Task means over everything that was asked, out of the same runs.",),
            )


def _depths(section: SolveSection) -> Iterable[TextTable]:
    names = sorted(
        {name for row in section.rows for name in row.figures if name.startswith(_DEPTH)}
    )
    if names:
        yield TextTable(
            title="Accuracy by depth",
            headers=("method", *(str(int(name.removeprefix(_DEPTH))) for name in names)),
            numeric=(False, *(True for _ in names)),
            rows=tuple(
                (row.method, *(number(row.figures.get(name)) for name in names))
                for row in section.rows
            ),
        )


def _caption(board: SolveBoard, section: SolveSection) -> Iterable[str]:
    clusters = max((row.score.clusters for row in section.rows if row.score), default=0)
    seeds = sorted({seed for row in section.rows for seed in row.seeds})
    given = f"given the seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}."
    if board.equal_sources:
        yield (
            f"score: mean over {clusters} {board.unit} of the share that one of the attempts "
            f"solves; failed ones count as unsolved; 95 % interval over {board.unit}, Wilson's "
            f"where each is solved or not, else a t interval, {given}"
        )
    else:
        yield (
            f"score: share of {board.unit} that one of the attempts solves; failed ones count as "
            f"unsolved; 95 % t interval over {clusters} sources, {given}"
        )
    yield (
        f"gain: method - {board.baseline} on the same {board.unit}. p: two-sided test that swaps "
        "the two, adjusted after Holm."
    )
    if any(row.fitted and len(row.seeds) == 1 for row in section.rows):
        yield "What was fitted under one seed gets no verdict: another seed is another solver."
    for row in section.rows:
        if len(row.spread) > 1:
            yield f"{row.method}: {', '.join(number(one, 3) for one in row.spread)} by seed."
    yield from sorted(
        {f"{name}: {why}" for row in section.rows for name, why in row.missing.items()}
    )
    for row in section.rows:
        if row.gain and row.gain.unpaired:
            yield f"{row.method}: {row.gain.unpaired} {board.unit} cannot be paired."
    yield from section.notes
