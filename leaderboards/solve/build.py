"""Build a board of a solve task from the published runs of a results folder.

Methods that ask a model stand beside those that ask none: a section is one set of puzzles, and a
row is a method with its model. The score is computed from the test inputs, source by source;
figures of the other rules are those of the runs, averaged over seeds.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.errors import ResultsError
from harness.protocols.solve.rules import estimate
from harness.results.schema import RunStatus, Status
from harness.results.store import ResultsStore
from harness.statistics import MeanEstimate, Verdict, compare_paired, holm, verdict
from harness.statistics.means import mean_of_contributions
from harness_leaderboards.model import LocalSetting, PairedGain
from harness_leaderboards.runs import local_setting, unranked_run
from harness_leaderboards.solve.boards import SolveBoard
from harness_leaderboards.solve.model import Cost, SolveLeaderboard, SolveRow, SolveSection

ALPHA = 0.05


@dataclass(frozen=True)
class _Run:
    run_id: str
    setting: LocalSetting
    label: str
    model: str
    key: tuple[str, ...]
    """Method, model, sampling, and what it was fitted on: what a row is."""
    seed: int
    metrics: Mapping[str, float]
    cost: float | None
    said: Mapping[str, Any]


@dataclass(frozen=True)
class _Source:
    """A puzzle's share of solved test inputs, over all seeds."""

    content: frozenset[str]
    share: float
    n: int
    """How many test inputs were scored, over all seeds."""


@dataclass
class _Read:
    """What is read of the samples of a row's runs."""

    sources: dict[str, _Source]
    n_scored: int = 0
    n_planned: int = 0
    n_failed: int = 0
    reason: str = ""
    seconds: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0


def build_solve(board: SolveBoard, store: ResultsStore) -> SolveLeaderboard:
    """Build a board."""
    summaries = [one for one in store.runs() if one.task == board.task]
    complete = {one.run_id for one in summaries if one.status is RunStatus.COMPLETE}
    runs = [
        _run(board, {str(name): value for name, value in row.items()})
        for row in store.run_rows().to_dict("records")
        if row["run_id"] in complete
    ]
    groups = defaultdict[LocalSetting, dict[tuple[str, ...], list[_Run]]](lambda: defaultdict(list))
    for run in _newest(runs):
        groups[run.setting][run.key].append(run)
    problems = list(store.problems)
    sections = [
        _section(board, store, setting, list(groups[setting].values()), problems)
        for setting in sorted(groups, key=_order)
    ]
    unranked = [
        unranked_run(one, str(one.status)) for one in summaries if one.run_id not in complete
    ]
    return SolveLeaderboard(board, tuple(sections), tuple(unranked), tuple(problems))


def _run(board: SolveBoard, row: Mapping[str, Any]) -> _Run:
    options: dict[str, Any] = json.loads(row["task_options"])
    said: dict[str, Any] = json.loads(row["protocol_settings"] or "{}")
    of_fit = {name: options.pop(name, None) for name in board.fit_options}
    if row["data_seed"]:
        options["data_seed"] = int(row["data_seed"])
    setting = local_setting(row, options)
    seed = row["train_seed"]
    if seed is None or seed != seed:
        seed = row["sample_seed"]
    return _Run(
        run_id=row["run_id"],
        # Solvers with a model and without one are compared on the same puzzles.
        setting=replace(setting, model="", model_id="", model_revision=""),
        label=row["method"],
        model=row["model"],
        key=(
            row["method_parts"],
            f"{row['model_id']}@{row['model_revision']}",
            row["sampling"],
            json.dumps(of_fit, sort_keys=True) if "fit" in said else "",
        ),
        seed=int(seed or 0),
        metrics={name: one for name, one in row["metrics"].items() if math.isfinite(one)},
        cost=row["cost"] if isinstance(row["cost"], float) and row["cost"] >= 0 else None,
        said=said,
    )


def _newest(runs: Iterable[_Run]) -> list[_Run]:
    """The newest run of each row and seed in a setting."""
    ordered = sorted(runs, key=lambda one: one.run_id)
    return list({(one.setting, one.key, one.seed): one for one in ordered}.values())


def _order(setting: LocalSetting) -> tuple[str, ...]:
    return (setting.subset, setting.task_options, str(setting.sample_limit))


def _section(
    board: SolveBoard,
    store: ResultsStore,
    setting: LocalSetting,
    methods: Sequence[Sequence[_Run]],
    problems: list[str],
) -> SolveSection:
    found = list[tuple[SolveRow, _Read]]()
    for runs in methods:
        try:
            found.append(_row(board, runs, _read(board, store, runs)))
        except ResultsError as error:
            problems.append(str(error))
    base = next((read for row, read in found if row.method == board.baseline), None)
    others = [(row, read) for row, read in found if row.method != board.baseline]
    notes = list[str]()
    if base is None:
        notes.append(
            f"no complete run of {board.baseline} here: gains cannot be computed; make one with: "
            f"harness run --task {board.task} --method {board.baseline} and the options of this "
            "section."
        )
        rest = [row for row, _ in others]
    else:
        rest = _with_gains(board, base, others)
    first = [row for row, _ in found if row.method == board.baseline]
    rest.sort(key=lambda row: (-(row.score.mean if row.score else -1.0), row.method, row.model))
    for row in (*first, *rest):
        if row.reason:
            notes.append(f"{row.method}: {row.n_failed} test inputs failed: {row.reason}")
    return SolveSection(setting, (*first, *rest), tuple(notes))


def _read(board: SolveBoard, store: ResultsStore, runs: Sequence[_Run]) -> _Read:
    found = _Read({})
    frame = store.samples(board.task, [run.run_id for run in runs])
    shares = defaultdict[str, list[float]](list)
    content = defaultdict[str, set[str]](set)
    columns = ["source_id", "sample_hash", "status", "score", "error", "latency_s"]
    for row in frame[[*columns, "input_tokens", "output_tokens"]].itertuples(index=False):
        one: Any = row
        found.n_planned += 1
        found.seconds += float(one.latency_s)
        found.input_tokens += int(one.input_tokens)
        found.output_tokens += int(one.output_tokens)
        if one.status == Status.FAILED:
            found.n_failed += 1
            found.reason = found.reason or one.error
        if one.score is None or one.score != one.score:
            continue
        found.n_scored += 1
        shares[one.source_id].append(float(one.score))
        content[one.source_id].add(one.sample_hash)
    found.sources = {
        name: _Source(frozenset(content[name]), sum(scores) / len(scores), len(scores))
        for name, scores in shares.items()
    }
    return found


def _score(board: SolveBoard, sources: Sequence[_Source]) -> MeanEstimate:
    """The mean over sources or over their test inputs, with its interval over sources."""
    if board.equal_sources:
        return estimate([one.share for one in sources])
    n = sum(one.n for one in sources)
    return mean_of_contributions(
        [one.share * one.n / n for one in sources], [one.n / n for one in sources]
    )


def _row(board: SolveBoard, runs: Sequence[_Run], read: _Read) -> tuple[SolveRow, _Read]:
    names = dict.fromkeys(name for run in runs for name in run.metrics)
    means = dict[str, float]()
    for name in names:
        values = [run.metrics[name] for run in runs if name in run.metrics]
        if len(values) == len(runs):  # a mean over some seeds only is of something else
            means[name] = math.fsum(values) / len(values)
    score = None
    if read.sources:
        score = _score(board, list(read.sources.values()))
    asked = max(1, len(runs) * len(read.sources))
    costs = [run.cost for run in runs if run.cost is not None]
    said = runs[-1].said
    row = SolveRow(
        method=runs[-1].label,
        model=runs[-1].model,
        run_ids=tuple(run.run_id for run in runs),
        seeds=tuple(sorted(run.seed for run in runs)),
        n_scored=read.n_scored,
        n_planned=read.n_planned,
        n_failed=read.n_failed,
        score=score,
        spread=tuple(
            run.metrics["score"]
            for run in sorted(runs, key=lambda one: one.seed)
            if "score" in run.metrics
        ),
        figures=means,
        cost=Cost(
            read.seconds / asked,
            read.input_tokens / asked,
            read.output_tokens / asked,
            math.fsum(costs) / asked if len(costs) == len(runs) else None,
            means.get("fit_seconds"),
        ),
        gain=None,
        reason=read.reason,
        fitted="fit" in said,
        setting=str(said.get("setting", "")),
        exposure=_exposure(said),
        missing=dict(said.get("missing", {})),
    )
    return row, read


def _exposure(said: Mapping[str, Any]) -> str:
    """What a solver has seen of public puzzles; answers that leaked before all."""
    given = said.get("exposed", {})
    parts = [str(said.get("exposure", ""))]
    if given.get("fit_on"):
        parts.append(f"fitted on {', '.join(given['fit_on'])}")
    if given.get("leaked"):
        parts.append(f"KNOWS {given['leaked']} ANSWERS")
    return "; ".join(parts)


def _with_gains(
    board: SolveBoard, base: _Read, others: Sequence[tuple[SolveRow, _Read]]
) -> list[SolveRow]:
    """Every method against the floor, source by source; Holm over those that can be compared."""
    found = list[tuple[SolveRow, Any, int]]()
    for row, read in others:
        both = [
            name
            for name, one in read.sources.items()
            if name in base.sources and base.sources[name].content == one.content
        ]
        compared = None
        if both:
            compared = compare_paired(
                [base.sources[name].share for name in both],
                [read.sources[name].share for name in both],
                both,
                weights=None if board.equal_sources else [read.sources[n].n for n in both],
            )
        found.append((row, compared, len({*base.sources, *read.sources}) - len(both)))
    tested = [compared for _, compared, _ in found if compared is not None]
    adjusted = iter(holm([one.p for one in tested]))
    rows = list[SolveRow]()
    for row, compared, unpaired in found:
        if compared is None:
            rows.append(row)
            continue
        p = next(adjusted)
        p = compared.p if p is None else p
        told = verdict(compared, p, ALPHA, board.min_effect, len(tested))
        if row.fitted and len(row.seeds) == 1:
            told = Verdict.INCONCLUSIVE  # another seed is another fit
        gain = PairedGain(
            n=compared.n,
            clusters=compared.clusters,
            unpaired=unpaired,
            difference=compared.difference,
            low=compared.low,
            high=compared.high,
            p=p,
            verdict=told,
        )
        rows.append(replace(row, gain=gain))
    return rows
