"""Results as pandas data frames: runs, samples, leaderboards and comparisons.

    from harness_leaderboards import compare, leaderboard, load_runs, load_samples

    runs = load_runs("results")
    board = leaderboard("results", "evo-memory")

Everything heavy is imported inside the functions.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from harness.results.store import ResultsStore


def load_runs(results: Path | str = "results", task: str | None = None) -> pd.DataFrame:
    """The published runs: a row for each, with the columns of the runs table.

    Args:
        results: a results folder.
        task: only runs of this task.

    Returns:
        Columns of the runs table, and ``metric.NAME`` for every metric that a run has.

    Warns:
        UserWarning: a file could not be read; it is named.
    """
    store = _store(results)
    frame = store.run_rows()
    if task is not None:
        frame = frame.loc[frame["task"] == task, :].reset_index(drop=True)
    _warn(store.problems)
    return _with_metrics(frame)


def load_samples(
    results: Path | str = "results", runs: str | Iterable[str] | None = None
) -> pd.DataFrame:
    """The samples of published runs: a row for each sample, repeat and checkpoint.

    Args:
        results: a results folder.
        runs: run ids, their beginnings or ends, or ``latest``; none: all published ones.

    Returns:
        Columns of the samples table, ``task`` and ``method`` of the run, and ``metric.NAME`` for
        every metric that a sample has.

    Raises:
        ResultsError: there is no such folder.
        UnknownName: a run is not there.

    Warns:
        UserWarning: a file could not be read; it is named.
    """
    import pandas as pd

    store = _store(results)
    rows = {row["run_id"]: row for row in store.rows()}
    named = [runs] if isinstance(runs, str) else runs
    wanted = list(rows) if named is None else [store.find(one).run_id for one in named]
    frames = list[Any]()
    for task in dict.fromkeys(rows[one]["task"] for one in wanted if one in rows):
        ids = [one for one in wanted if one in rows and rows[one]["task"] == task]
        frame = _samples(store, task, ids)
        frame.insert(1, "task", task)
        frame.insert(2, "method", frame["run_id"].map(lambda one: rows[one]["method"]))
        frames.append(frame)
    _warn(store.problems)
    if not frames:
        return pd.DataFrame()
    return _with_metrics(pd.concat(frames, ignore_index=True))


def leaderboard(results: Path | str = "results", board: str = "evo-memory") -> pd.DataFrame:
    """The ranked tables of a board: a row for each table, method and subset.

    Args:
        results: a results folder.
        board: a board, a task, or the path of a TOML file.

    Returns:
        The columns of the board's parquet file; the row of an average has an empty ``subset``.

    Raises:
        UsageError: the board is unknown.

    Warns:
        UserWarning: a file could not be read; it is named.
    """
    import pandas as pd

    from harness_leaderboards.boards import board_named
    from harness_leaderboards.ranking.build import build_ranked
    from harness_leaderboards.ranking.export import ranking_rows, ranking_schema

    store = _store(results)
    tasks = {run.task for run in store.runs()}
    built = build_ranked(board_named(board, tasks), store)
    _warn(built.problems)
    frame = pd.DataFrame(list(ranking_rows(built)), columns=ranking_schema().names)
    frame["figures"] = [dict(one) for one in frame["figures"]]
    frame["setting"] = [dict(one) for one in frame["setting"]]
    return frame


def compare(
    baseline: str,
    candidate: str,
    results: Path | str = "results",
    *,
    task: str = "",
    subsets: Sequence[str] = (),
    method: str = "",
    baseline_method: str = "",
    metric: str = "",
    alpha: float = 0.05,
    min_effect: float | None = None,
    policy: str = "significant",
    allow: Sequence[str] = (),
) -> pd.DataFrame:
    """A candidate against its baseline, as ``harness compare`` does it.

    Args:
        baseline: a results folder, run ids separated by commas, or a saved board.
        candidate: the same.
        results: where run ids are looked up.
        task: only this task.
        subsets: only these subsets.
        method: method of the candidate, and of the baseline unless that is named.
        baseline_method: another one of the baseline.
        metric: what is compared; empty: the board's.
        alpha: error rate of the whole report.
        min_effect: smallest difference that matters; None: the task's.
        policy: ``significant`` or ``strict``.
        allow: what is no obstacle: ``task_version``, ``data``, ``missing``.

    Returns:
        A row for each comparison (``subset`` empty) and each of its subsets, with the fields of
        `harness_leaderboards.comparing.model.Figures`; ``attrs["verdict"]`` is that of all.

    Raises:
        UsageError: the sides are not comparable, or an option is wrong.

    Warns:
        UserWarning: a file could not be read; it is named.
    """
    from dataclasses import asdict

    import pandas as pd

    from harness_leaderboards.comparing import options
    from harness_leaderboards.comparing.build import build_report
    from harness_leaderboards.comparing.matching import Choice
    from harness_leaderboards.comparing.runs import read_side

    folder = Path(results)
    report = build_report(
        read_side(baseline, folder),
        read_side(candidate, folder),
        Choice(task, tuple(subsets), method, baseline_method),
        options.rules(alpha, min_effect, policy, allow, None, 0),
        metric,
    )
    _warn(report.problems)
    rows = [
        {
            "task": one.task,
            "subset": "" if figures is one.total else figures.name,
            "baseline_method": one.baseline_method,
            "candidate_method": one.candidate_method,
            "metric": one.metric,
            **{name: value for name, value in asdict(figures).items() if name != "name"},
        }
        for one in report.comparisons
        for figures in (one.total, *one.subsets)
    ]
    frame = pd.DataFrame(rows)
    frame.attrs["verdict"] = str(report.verdict)
    return frame


def _store(results: Path | str) -> ResultsStore:
    from harness.errors import ResultsError
    from harness.results.store import ResultsStore

    store = ResultsStore(results)
    if not store.root.is_dir():
        raise ResultsError(f"there is no results folder '{store.root}'.")
    return store


def _samples(store: ResultsStore, task: str, run_ids: Sequence[str]) -> pd.DataFrame:
    """The samples of runs; those that cannot be read are named among the store's problems."""
    import pandas as pd

    from harness.errors import ResultsError

    try:
        return store.samples(task, run_ids)
    except ResultsError as error:
        if len(run_ids) == 1:
            store.problems.append(str(error))
            return store.samples(task, [])
    return pd.concat([_samples(store, task, [one]) for one in run_ids], ignore_index=True)


def _with_metrics(frame: pd.DataFrame) -> pd.DataFrame:
    """Metrics as columns in place of the column of dictionaries."""
    import pandas as pd

    metrics = pd.DataFrame(list(frame["metrics"]), index=frame.index).add_prefix("metric.")
    return pd.concat([frame.drop(columns="metrics"), metrics], axis=1)


def _warn(problems: Sequence[str]) -> None:
    for problem in problems:
        warnings.warn(problem, UserWarning, stacklevel=3)
