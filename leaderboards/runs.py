"""Which runs a board ranks, in which section, and their samples.

Only published, complete runs are ranked. Of equal work, and of one method and seed in one setting,
the newest counts. Everything else of the task is listed with its status.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from harness.errors import ResultsError
from harness.results.schema import PROBE, RunStatus, Status
from harness.results.store import ResultsStore, RunSummary
from harness_leaderboards.boards import Board
from harness_leaderboards.model import LocalSetting, Sample, Setting, Unranked


@dataclass(frozen=True)
class Probe:
    """An item asked with the memory as it was at a state of its stream."""

    state: int
    """Items that the memory had behind it."""
    sample: Sample


@dataclass(frozen=True)
class Run:
    """A complete run with its samples."""

    run_id: str
    work_key: str
    code_hash: str
    setting: Setting
    method: str
    parts: str
    sample_seed: int
    train_seed: int | None
    n_planned: int
    samples: tuple[Sample, ...] = ()
    probes: tuple[Probe, ...] = ()
    """Samples of a frozen memory, by the items behind it."""


@dataclass(frozen=True)
class Selection:
    """What a board is built from."""

    groups: Mapping[Setting, Mapping[str, tuple[Run, ...]]]
    """The runs of each method (by label) in each setting, one for each seed, oldest first."""
    unranked: tuple[Unranked, ...]
    problems: tuple[str, ...]
    subsets: Mapping[str, str] = field(default_factory=dict[str, str])
    """The subset of every published run of the task, by its id."""


def select(board: Board, store: ResultsStore) -> Selection:
    """Choose the runs of a board and read their samples."""
    summaries = [one for one in store.runs() if one.task == board.task]
    complete = {one.run_id for one in summaries if one.status is RunStatus.COMPLETE}
    rows = store.run_rows().to_dict("records")
    runs = [_run(row) for row in rows if row["run_id"] in complete]
    chosen = _newest(_labelled(runs, board.baseline))
    with_samples, problems = _read_samples(board, store, chosen)
    readable = {run.run_id for run in with_samples}
    unread = {run.run_id for run in chosen} - readable
    superseded = {run.work_key: run.run_id for run in chosen}  # the newest of equal work
    unranked = [
        unranked_run(one, "unreadable" if one.run_id in unread else str(one.status))
        for one in summaries
        if one.run_id in unread
        or (one.run_id not in complete and superseded.get(one.work_key, "") < one.run_id)
    ]
    return Selection(
        groups=_grouped(with_samples),
        unranked=tuple(unranked),
        problems=(*store.problems, *problems),
        subsets={run.run_id: run.setting.subset for run in runs},
    )


def _run(row: Mapping[str, Any]) -> Run:
    text = {name: _text(row[name]) for name in _SETTING_TEXTS}
    return Run(
        run_id=row["run_id"],
        work_key=row["work_key"],
        code_hash=_text(row["code_hash"]),
        setting=Setting(
            **text,
            data_seed=_whole(row["data_seed"]) or 0,
            sample_limit=_whole(row["sample_limit"]),
        ),
        method=_text(row["method"]),
        parts=_text(row["method_parts"]),
        sample_seed=_whole(row["sample_seed"]) or 0,
        train_seed=_whole(row["train_seed"]),
        n_planned=_whole(row["n_planned"]) or 0,
    )


_SETTING_TEXTS = (
    "task_version",
    "subset",
    "task_options",
    "model",
    "model_id",
    "model_revision",
    "embedder",
    "sampling",
    "order",
    "content_hash",
)


def _labelled(runs: Iterable[Run], baseline: str) -> list[Run]:
    """Give equal methods one label, whatever they were called: the baseline's, or the newest."""
    ordered = sorted(runs, key=lambda run: run.run_id)
    labels = dict[str, str]()
    for run in ordered:
        if run.parts and labels.get(run.parts) != baseline:
            labels[run.parts] = run.method
    return [replace(run, method=labels.get(run.parts, run.method)) for run in ordered]


def _newest(runs: Iterable[Run]) -> list[Run]:
    """The newest run of equal work, then of each method and seed in a setting."""
    by_work = {run.work_key: run for run in runs}
    by_seed = {
        (_key(run.setting), run.setting.embedder, run.method, run.sample_seed, run.train_seed): run
        for run in sorted(by_work.values(), key=lambda run: run.run_id)
    }
    return sorted(by_seed.values(), key=lambda run: run.run_id)


def _key(setting: Setting) -> Setting:
    """What has to be equal whether or not a method uses an embedder; names are not identities."""
    return replace(setting, embedder="", model="")


def _grouped(runs: Sequence[Run]) -> dict[Setting, dict[str, tuple[Run, ...]]]:
    """Sections by setting; methods without an embedder join those of every embedder."""
    embedders = dict[Setting, set[str]]()
    for run in runs:
        embedders.setdefault(_key(run.setting), set()).add(run.setting.embedder)
    groups = dict[Setting, dict[str, tuple[Run, ...]]]()
    for key, found in embedders.items():
        equal = [run for run in runs if _key(run.setting) == key]
        for embedder in sorted(found - {""}) or [""]:
            members = [run for run in equal if run.setting.embedder in ("", embedder)]
            setting = replace(key, embedder=embedder, model=members[-1].setting.model)
            methods = sorted({run.method for run in members})
            groups[setting] = {
                method: tuple(run for run in members if run.method == method) for method in methods
            }
    return dict(sorted(groups.items(), key=lambda pair: _sortable(pair[0])))


def _sortable(setting: Setting) -> tuple[str | int, ...]:
    limit = -1 if setting.sample_limit is None else setting.sample_limit
    texts = (setting.subset, setting.model_id, setting.model_revision, setting.order)
    rest = (setting.embedder, setting.task_version, setting.task_options, setting.sampling)
    return (*texts, *rest, setting.data_seed, setting.content_hash, limit)


def _read_samples(
    board: Board, store: ResultsStore, runs: Sequence[Run]
) -> tuple[list[Run], list[str]]:
    """Read all runs at once; one by one only where that fails, to name the broken one."""
    try:
        return _with_samples(board, store, runs), []
    except _unreadable():
        pass
    readable, problems = list[Run](), list[str]()
    for run in runs:
        try:
            readable += _with_samples(board, store, [run])
        except _unreadable() as error:
            reason = str(error).splitlines()[0]
            problems.append(f"skipped the samples of run {run.run_id}: {reason}")
    return readable, problems


def _unreadable() -> tuple[type[Exception], ...]:
    import duckdb

    return (ResultsError, duckdb.Error)


def _with_samples(board: Board, store: ResultsStore, runs: Sequence[Run]) -> list[Run]:
    frame = store.samples(board.task, [run.run_id for run in runs])
    samples, probes = dict[str, list[Sample]](), dict[str, list[Probe]]()
    for row in frame.to_dict("records"):
        if not row["checkpoint"]:  # what was measured at checkpoints is not the online score
            samples.setdefault(row["run_id"], []).append(_sample(board, row))
        elif row["checkpoint"].startswith(PROBE):
            state = int(row["checkpoint"].removeprefix(PROBE))
            probes.setdefault(row["run_id"], []).append(Probe(state, _sample(board, row)))
    return [
        replace(
            run,
            samples=tuple(samples.get(run.run_id, ())),
            probes=tuple(probes.get(run.run_id, ())),
        )
        for run in runs
    ]


def _sample(board: Board, row: Mapping[str, Any]) -> Sample:
    metrics = {name: float(value) for name, value in row["metrics"].items() if _finite(value)}
    return Sample(
        run_id=row["run_id"],
        sample_id=row["sample_id"],
        sample_hash=row["sample_hash"],
        repeat=_whole(row["repeat"]) or 0,
        stream_id=row["stream_id"],
        step=_whole(row["step"]) or 0,
        status=row["status"],
        value=_value(board, row, metrics),
        metrics=metrics,
        input_tokens=_whole(row["input_tokens"]) or 0,
        output_tokens=_whole(row["output_tokens"]) or 0,
        seconds=float(row["latency_s"]) if _finite(row["latency_s"]) else 0.0,
        answer=_answer(_text(row["extra"])),
    )


def _answer(extra: str) -> str:
    """The answer as the task read it; few different ones are kept of very many samples."""
    if '"answer"' not in extra:
        return ""
    try:
        found: Any = json.loads(extra)
    except ValueError:
        return ""
    return sys.intern(str(found.get("answer", ""))) if isinstance(found, dict) else ""


def _value(board: Board, row: Mapping[str, Any], metrics: Mapping[str, float]) -> float | None:
    if row["status"] == Status.FAILED:
        return board.worst
    if row["status"] != Status.OK:
        return None
    if board.metric == "score":
        return float(row["score"]) if _finite(row["score"]) else None
    return metrics.get(board.metric)


def local_setting(
    row: Mapping[str, Any], options: Mapping[str, Any], content_hash: str = ""
) -> LocalSetting:
    """The setting of a run of an edit or adapt task, of whose options these decide."""
    return LocalSetting(
        task_version=row["task_version"],
        subset=row["subset"],
        task_options=json.dumps(options, sort_keys=True),
        model=row["model"],
        model_id=row["model_id"],
        model_revision=row["model_revision"],
        sample_limit=_whole(row["sample_limit"]),
        content_hash=content_hash,
    )


def unranked_run(one: RunSummary, status: str) -> Unranked:
    """What is shown of a run that is not ranked."""
    return Unranked(
        run_id=one.run_id,
        method=one.method,
        subset=one.subset,
        model=one.model,
        order=one.order,
        sample_seed=one.sample_seed,
        status=status,
        n_done=one.n_done,
        n_planned=one.n_planned,
        n_error=one.n_error,
    )


def _finite(value: Any) -> bool:
    """Whether a value is there; pandas writes NaN, None and NA for what is missing."""
    return isinstance(value, int | float) and math.isfinite(value)


def _whole(value: Any) -> int | None:
    return int(value) if _finite(value) else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
