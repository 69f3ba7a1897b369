"""Build the ranked tables of a board from the published runs of a results folder.

`runs` says which run stands in which table, `samples` sums them by independent unit, `figures`
makes cells and ranks; this module joins them. Nothing is printed or written here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from harness.results.schema import RunStatus
from harness.results.store import ResultsStore
from harness.results.writer import settle_arrow
from harness_leaderboards.boards import BoardSpec
from harness_leaderboards.boards.spec import Source
from harness_leaderboards.ranking.figures import Member, table_of
from harness_leaderboards.ranking.model import RankedBoard, RankedTable
from harness_leaderboards.ranking.runs import Chosen, Setting, choose
from harness_leaderboards.ranking.samples import RunSums, sums_of
from harness_leaderboards.render.headings import (
    HASH,
    differing,
    differing_options,
    plain_options,
    special_words,
)
from harness_leaderboards.runs import unranked_run


def build_ranked(spec: BoardSpec, store: ResultsStore) -> RankedBoard:
    """Build a board.

    Args:
        spec: which task, metric and average.
        store: the results folder.

    Returns:
        A table for each setting and group of subsets that has complete runs, then one for each
        subset; unfinished runs; and what could not be read.
    """
    settle_arrow()
    summaries = [one for one in store.runs() if one.task == spec.task]
    complete = {one.run_id for one in summaries if one.status is RunStatus.COMPLETE}
    runs = choose(spec, (row for row in store.rows() if row["run_id"] in complete))
    problems = list(store.problems)
    sums: dict[str, RunSums] = {}
    if spec.metric.of is Source.SAMPLES:
        sums, more = sums_of(spec, store, {run.run_id: run.n_planned for run in runs})
        problems += more
        runs = [run for run in runs if run.run_id in sums]
    settings = defaultdict[Setting, list[Chosen]](list)
    for run in runs:
        settings[run.setting].append(run)
    told = _told_apart(settings)
    tables = [
        table
        for setting in sorted(settings)
        for table in _tables(spec, settings[setting], sums, setting, told[setting])
    ]
    newest = {one.work_key: one.run_id for one in summaries if one.run_id in complete}
    return RankedBoard(
        board=spec,
        tables=tuple(tables),
        unfinished=tuple(
            unranked_run(one, str(one.status))
            for one in summaries
            if one.run_id not in complete and newest.get(one.work_key, "") < one.run_id
        ),
        problems=tuple(dict.fromkeys(problems)),
    )


def _tables(
    spec: BoardSpec,
    runs: Sequence[Chosen],
    sums: Mapping[str, RunSums],
    setting: Setting,
    told: str,
) -> Iterable[RankedTable]:
    """Tables of groups that have several subsets here, then one for each subset."""
    present = {run.subset for run in runs}
    order = [one for one in _order(spec) if one in present]
    subsets = (*order, *sorted(present - set(order)))
    groups = {one.name: [s for s in one.subsets if s in present] for one in spec.groups}
    shown = list((groups or {"": list(subsets)}).items())
    shown = [(name, tuple(members)) for name, members in shown if len(members) > 1]
    for name, members in [*shown, *((one, (one,)) for one in subsets)]:
        words = ", ".join(part for part in (name or "all", told) if part)
        table = table_of(spec, members, _members(runs, members, sums))
        yield replace(table, group=name, setting=dict(setting), title=words)


def _order(spec: BoardSpec) -> tuple[str, ...]:
    return spec.subsets or tuple(dict.fromkeys(s for group in spec.groups for s in group.subsets))


def _members(
    runs: Iterable[Chosen], subsets: Sequence[str], sums: Mapping[str, RunSums]
) -> list[Member]:
    """The methods that have a run on one of the subsets."""
    found = defaultdict[tuple[str, ...], dict[str, list[tuple[Chosen, RunSums | None]]]](dict)
    for run in sorted(runs, key=lambda one: (one.seed, one.run_id)):
        if run.subset in subsets:
            found[run.key].setdefault(run.subset, []).append((run, sums.get(run.run_id)))
    return [Member(by_subset) for by_subset in found.values()]


def _told_apart(settings: Iterable[Setting]) -> dict[Setting, str]:
    """A setting in a few words: the model, and whatever differs between tables."""
    every = [dict(one) for one in settings]
    return {one: ", ".join(_words(dict(one), every)) for one in settings}


def _words(setting: Mapping[str, str], every: Sequence[Mapping[str, str]]) -> list[str]:
    model, _, revision = setting.get("model", "").partition("@")
    words = [model] if model else []
    alike = [one for one in every if one.get("model", "").partition("@")[0] == model]
    words += differing("revision", revision[:HASH], [_revision(one) for one in alike])
    for name in sorted({name for one in every for name in one} - {"model"}):
        value, others = setting.get(name, ""), [one.get(name, "") for one in every]
        if name == "task options":
            words += special_words(value, {})
            words += differing_options(plain_options(value), [plain_options(one) for one in others])
        elif name == "sampling":
            words += differing_options(value, others)
        elif name == "order" and set(others) - {value}:
            words.append(f"{value} order")
        elif name == "sample limit" and set(others) - {value}:
            words.append(f"first {value} samples" if value else "all samples")
        elif name == "data":
            words += [value] if value else []
        else:
            words += differing(name, value, others)
    return words


def _revision(setting: Mapping[str, str]) -> str:
    return setting.get("model", "").partition("@")[2][:HASH]
