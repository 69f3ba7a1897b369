"""Build boards from a results folder: which ones, their ranked tables, details and trends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from harness.errors import UsageError
from harness.results.schema import RunStatus
from harness.results.store import ResultsStore, RunSummary
from harness_leaderboards.adapt.boards import AdaptBoard
from harness_leaderboards.adapt.build import build_adapt
from harness_leaderboards.boards import (
    EVO_MEMORY,
    BoardSpec,
    board_named,
    boards_of,
    detailed,
    read_board,
)
from harness_leaderboards.boards.spec import StreamDetails
from harness_leaderboards.build import build
from harness_leaderboards.built import AnyLeaderboard, Built
from harness_leaderboards.edits.boards import EditBoard
from harness_leaderboards.edits.build import build_edits
from harness_leaderboards.export import parquet
from harness_leaderboards.history.build import trends_of
from harness_leaderboards.model import Leaderboard
from harness_leaderboards.ranking.build import build_ranked
from harness_leaderboards.ranking.export import ranking_table_of
from harness_leaderboards.render.page import page_of
from harness_leaderboards.site.model import SiteBoard
from harness_leaderboards.solve.boards import SolveBoard
from harness_leaderboards.solve.build import build_solve

MANY_SAMPLES = 1_000_000
"""Above so many samples the detailed tables, which look at each of them, are made when asked."""


def build_all(
    store: ResultsStore,
    names: Sequence[str] = (),
    *,
    details: bool | None = None,
    published: bool = False,
) -> tuple[list[Built], list[str]]:
    """Build boards.

    Args:
        store: the results folder.
        names: boards, tasks or TOML files; none: all that have finished runs.
        details: whether to make the detailed tables; None: where there are not very many samples.
        published: whether to show a paper's own numbers whatever the models.

    Returns:
        The boards, and a sentence for each registered board that cannot be loaded.

    Raises:
        UsageError: a board is unknown or broken, or no run of it is finished.
    """
    specs, broken = _chosen(names, store)
    specs = [_with_published(spec) if published else spec for spec in specs]
    return [build_one(spec, store, details=details) for spec in specs], broken


def _with_published(spec: BoardSpec) -> BoardSpec:
    """A stream board that shows published numbers; others have none to show."""
    if spec.protocol != "stream":
        return spec
    stream = (spec.stream or StreamDetails()).model_copy(update={"published": True})
    return spec.model_copy(update={"stream": stream})


def build_one(spec: BoardSpec, store: ResultsStore, *, details: bool | None = None) -> Built:
    """Build a board with its details and trends."""
    ranked = build_ranked(spec, store)
    samples = sum(
        run.n_planned
        for run in store.runs()
        if run.task == spec.task and run.status is RunStatus.COMPLETE
    )
    wanted = samples <= MANY_SAMPLES if details is None else details
    made = _details(spec, store) if wanted else None
    return Built(ranked, made, trends_of(ranked, store) if wanted else ())


def site_board(built: Built) -> SiteBoard:
    """A board as its pages show it."""
    page = page_of(built.details) if built.details else None
    return SiteBoard(built.ranked, page, built.trends, parquet(ranking_table_of(built.ranked)))


def _details(spec: BoardSpec, store: ResultsStore) -> AnyLeaderboard | None:
    made = _all_details(spec, store)
    if made is None or not spec.subsets:
        return made
    # The sections of each kind of board have a setting with a subset; their types differ.
    shown: Any = tuple(one for one in made.sections if one.setting.subset in spec.subsets)
    if isinstance(made, Leaderboard) and made.measures:
        made = replace(made, measures=made.measures.of_subsets(spec.subsets))
    return replace(made, sections=shown)


def _all_details(spec: BoardSpec, store: ResultsStore) -> AnyLeaderboard | None:
    board = detailed(spec)
    if isinstance(board, SolveBoard):
        return build_solve(board, store)
    if isinstance(board, AdaptBoard):
        return build_adapt(board, store)
    if isinstance(board, EditBoard):
        return build_edits(board, store)
    return build(board, store) if board else None


def _chosen(names: Sequence[str], store: ResultsStore) -> tuple[list[BoardSpec], list[str]]:
    """The boards to build, each with at least one finished run."""
    if not store.root.is_dir():
        raise UsageError(
            f"there is no results folder '{store.root}'; name one with --results, or make runs "
            "with: harness run --task evo-memory"
        )
    runs = store.runs()
    finished = {run.task for run in runs if run.status is RunStatus.COMPLETE}
    broken: tuple[str, ...] = ()
    if names:
        tasks = {run.task for run in runs}
        chosen = [board_named(name, tasks) for name in dict.fromkeys(names)]
    else:
        found, broken = boards_of(finished)
        chosen = list(found) or [read_board(EVO_MEMORY)]
    for board in chosen:
        if board.task not in finished:
            unfinished = sum(run.task == board.task for run in runs)
            more = f" ({unfinished} unfinished)" if unfinished else ""
            unread = f"; {'; '.join(store.problems)}" if store.problems else ""
            raise UsageError(
                f"no finished run of {board.task} in {store.root}{more}; make one with: "
                f"harness run --task {board.task}{unread}"
            )
        _refuse_unknown(board, runs)
    names_of = Counter(board.name for board in chosen)
    twice = [name for name, count in names_of.items() if count > 1]
    if twice:
        raise UsageError(f"two boards are called '{twice[0]}' and would share files; rename one.")
    return chosen, list(broken)


def _refuse_unknown(board: BoardSpec, runs: Iterable[RunSummary]) -> None:
    """Refuse a board whose subsets no finished run has.

    Raises:
        UsageError: it would be empty.
    """
    have = {
        run.subset for run in runs if run.task == board.task and run.status is RunStatus.COMPLETE
    }
    if board.subsets and not have & set(board.subsets):
        raise UsageError(
            f"no finished run of {board.task} is on a subset of board '{board.name}' "
            f"({', '.join(board.subsets)}); there are runs on: {', '.join(sorted(have))}."
        )
