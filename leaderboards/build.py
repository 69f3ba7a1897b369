"""Build a leaderboard from the published runs of a results folder.

`runs` chooses what is compared, `measures` and `gains` compute the figures, this module joins them
into sections of rows. Nothing is printed or written here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.errors import ResultsError
from harness.results.store import ResultsStore
from harness_leaderboards import measures
from harness_leaderboards.boards import Board
from harness_leaderboards.gains import gains
from harness_leaderboards.model import Gain, Leaderboard, Row, Sample, Section, Setting
from harness_leaderboards.runs import Run, select
from harness_leaderboards.streams.measures import measures_across, measures_of
from harness_leaderboards.streams.settings import options_of


def build(board: Board, store: ResultsStore) -> Leaderboard:
    """Build a board.

    Args:
        board: which task, metric and baseline.
        store: the results folder.

    Returns:
        One section for each setting that has complete runs, and the runs that are not ranked.
    """
    chosen = select(board, store)
    sections = tuple(
        _section(board, store, setting, methods) for setting, methods in chosen.groups.items()
    )
    return Leaderboard(
        board,
        sections,
        chosen.unranked,
        chosen.problems,
        measures_across(board, chosen.groups, chosen.subsets),
        {
            source: chosen.subsets[source]
            for source in sorted({_source(one) for one in chosen.groups})
            if source in chosen.subsets
        },
    )


def _source(setting: Setting) -> str:
    """The run whose memories the streams of a setting began with; empty where they began empty."""
    return str(options_of(setting).get("memory_from", ""))


def _section(
    board: Board, store: ResultsStore, setting: Setting, methods: Mapping[str, Sequence[Run]]
) -> Section:
    samples = {name: [one for run in runs for one in run.samples] for name, runs in methods.items()}
    notes = list[str]()
    found: Mapping[str, Gain | None] = {}
    others = {name: rows for name, rows in samples.items() if name != board.baseline}
    if board.baseline in samples:
        found = gains(board, samples[board.baseline], others)
        no_gain = f"no scored item in common with {board.baseline}"
    elif _source(setting):
        no_gain = f"{board.baseline} has no memory to begin with"
        notes.append(
            f"{no_gain}: gains over it on the same items are in 'Memory from another run'."
        )
    else:
        no_gain = f"no complete run of {board.baseline} here"
        notes.append(
            f"{no_gain}: gains cannot be computed; make one with: harness run --task "
            f"{board.task} --method {board.baseline} and the settings of this section."
        )
    has_progress = any(measures.reports(rows, "progress") for rows in samples.values())
    rows = list[Row]()
    for name, runs in methods.items():
        notes += _code_note(name, runs)
        reason = "the baseline itself" if name == board.baseline else no_gain
        row = _row(name, runs, samples[name], _operations(store, runs))
        notes += [note] if (note := measures.memory_note(name, row.memory)) else []
        gain = found.get(name)
        rows.append(
            replace(
                row,
                gain=gain,
                no_gain="" if gain else reason,
                progress=measures.quality(samples[name], "progress") if has_progress else None,
            )
        )
    return Section(
        setting, tuple(_sorted(board, rows)), tuple(notes), measures_of(board, store, methods)
    )


def _row(
    name: str,
    runs: Sequence[Run],
    everything: Sequence[Sample],
    operations: Mapping[str, int] | None,
) -> Row:
    """The figures of a method that need no other method."""
    samples = measures.scored(everything)
    statuses = Counter(one.status for one in everything)
    solved = [one for one in samples if one.metrics.get("success", 0.0) > 0]
    return Row(
        method=name,
        run_ids=tuple(run.run_id for run in runs),
        sample_seeds=tuple(run.sample_seed for run in runs),
        n_scored=len(samples),
        n_planned=sum(run.n_planned for run in runs),
        n_failed=statuses["failed"],
        n_invalid=statuses["invalid"],
        clusters=len({one.stream_id for one in samples}),
        score=measures.score(samples),
        success=measures.metric(samples, "success"),
        progress=None,
        steps=measures.metric(samples, "steps"),
        steps_of_successes=measures.metric(solved, "steps"),
        usage=measures.usage(samples),
        memory=measures.memory_use(everything, samples, operations),
        curve=measures.curve(samples),
        gain=None,
        no_gain="",
    )


def _operations(store: ResultsStore, runs: Sequence[Run]) -> dict[str, int] | None:
    """How many entries the runs added, changed and removed; None if a memory table is missing."""
    import pyarrow as pa

    counts = Counter[str]()
    for run in runs:
        try:
            counts.update(store.memory(run.run_id)["op"].tolist())
        except (ResultsError, OSError, pa.ArrowException):
            return None
    return dict(counts)


def _code_note(name: str, runs: Sequence[Run]) -> list[str]:
    if len({run.code_hash for run in runs}) < 2:
        return []
    return [
        f"{name} joins seeds that ran with different code; run them again for one code: "
        f"{', '.join(run.run_id for run in runs)}."
    ]


def _sorted(board: Board, rows: Sequence[Row]) -> list[Row]:
    """Baseline first, then from best to worst; without a score last."""

    def place(row: Row) -> tuple[bool, bool, float, str]:
        value = row.score.mean if row.score else 0.0
        best_first = -value if board.higher_is_better else value
        return (row.method != board.baseline, row.score is None, best_first, row.method)

    return sorted(rows, key=place)
