"""What must be said of a section of an edit board beside its figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from harness_leaderboards.edits.boards import EditBoard
from harness_leaderboards.edits.model import EditRow
from harness_leaderboards.edits.runs import FINAL, EditedRun
from harness_leaderboards.render.headings import HASH

_BROKEN = "_format_broken"


def notes_of(
    board: EditBoard,
    runs: Sequence[EditedRun],
    elsewhere: Sequence[EditedRun],
    references: Mapping[str, EditedRun],
    measured: bool,
) -> Iterator[str]:
    """Sentences about a section.

    Args:
        board: the board.
        runs: runs of the section.
        elsewhere: runs of the same setting on other data.
        references: run of a retrained model, by the run that was compared with it.
        measured: whether anything is compared at matched forgetting.
    """
    retrained = [run for run in runs if run.label.split(":")[0] == board.reference]
    if not retrained:
        yield (
            f"no finished run of {board.reference}: nothing says how a model looks that never saw "
            "the forget set."
        )
    elif measured:
        yield from _without_reference(board, runs, references)
    if not measured and any(run.in_steps and not run.n_failed for run in runs):
        yield (
            "nothing is compared at matched forgetting: along the edit no measure of forgetting "
            "was computed together with one of what is kept; -T trajectory=full gives them all."
        )
    yield from _other_data(runs, elsewhere)
    yield from _broken_formats(runs)


def failures_of(rows: Iterable[EditRow]) -> Iterator[str]:
    """Why runs have failed samples, each reason once for a method."""
    for row in rows:
        found = dict[tuple[bool, str], list[int]]()
        for one in row.failures:
            found.setdefault((one.diverged, one.reason), []).append(one.seed)
        for (diverged, reason), seeds in found.items():
            word = "diverged" if diverged else "failed"
            # The harness says itself that a model diverged.
            said = reason.removeprefix("diverged: ") if diverged else reason
            yield f"{row.method}, {_seeds(seeds)}: {word}: {said}"


def _without_reference(
    board: EditBoard, runs: Iterable[EditedRun], references: Mapping[str, EditedRun]
) -> Iterator[str]:
    lacking = dict[str, list[int]]()
    for run in runs:
        if run.in_steps and run.run_id not in references:
            lacking.setdefault(run.label, []).append(run.seed)
    for label, seeds in sorted(lacking.items()):
        yield (
            f"{label}, {_seeds(seeds)}: compared with no finished run of {board.reference} on the "
            f"same data, so {board.reference}'s own level is n/a."
        )


def _other_data(runs: Iterable[EditedRun], elsewhere: Iterable[EditedRun]) -> Iterator[str]:
    data = {run.seed: run.content_hash for run in runs}
    found = dict[tuple[int, str], set[str]]()
    for run in elsewhere:
        if run.seed in data:
            found.setdefault((run.seed, run.content_hash), set()).add(run.label)
    for (seed, content_hash), labels in sorted(found.items()):
        yield (
            f"seed {seed} is on data {data[seed][:HASH]}; of {', '.join(sorted(labels))} there are "
            f"runs of it on other data ({content_hash[:HASH]}), which stand in a section of their "
            "own."
        )


def _broken_formats(runs: Iterable[EditedRun]) -> Iterator[str]:
    found = dict[tuple[str, str], list[int]]()
    for run in runs:
        for metric, value in run.at(FINAL).items():
            if metric.endswith(_BROKEN) and value:
                found.setdefault((run.label, metric), []).append(run.seed)
    for (label, metric), seeds in sorted(found.items()):
        name = metric.removesuffix(_BROKEN)
        yield (
            f"{label}, {_seeds(seeds)}: {name} is at chance in letters and above it in texts "
            f"({metric} is 1): the form of the answers is broken, the knowledge is not gone."
        )


def _seeds(seeds: Iterable[int]) -> str:
    known = sorted(seeds)
    return f"seed{'s' if len(known) > 1 else ''} {', '.join(map(str, known))}"
