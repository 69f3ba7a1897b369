"""Build a regression report: match runs, refuse what is not comparable, join, test, decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import UsageError
from harness.results.store import RunSummary
from harness.statistics import PairedTest
from harness_leaderboards.boards.spec import Weight
from harness_leaderboards.comparing import deciding
from harness_leaderboards.comparing.changes import changes_of, flips_of, performance
from harness_leaderboards.comparing.deciding import Case, Decision
from harness_leaderboards.comparing.differences import differences, refuse, refuse_changed
from harness_leaderboards.comparing.functions import of_runs, recomputable
from harness_leaderboards.comparing.items import Frame, Items, read_items
from harness_leaderboards.comparing.matching import Choice, Match, RunPair, match
from harness_leaderboards.comparing.metrics import Direction, Of, Plan, plan_of
from harness_leaderboards.comparing.model import Comparison, Figures, Report, Rules
from harness_leaderboards.comparing.runs import Side
from harness_leaderboards.comparing.testing import TESTS, Tested, test_items, test_rows, test_seeds


@dataclass(frozen=True)
class _Work:
    """A comparison on its way: its items and tests."""

    match: Match
    plan: Plan
    items: Items
    pairs: tuple[RunPair, ...]
    total: Tested | None
    subsets: Mapping[str, Tested | None]
    missing: Mapping[str, int]
    same_runs: Mapping[str, bool]
    notes: tuple[str, ...]


def build_report(
    baseline: Side,
    candidate: Side,
    choice: Choice,
    rules: Rules,
    metric: str = "",
    direction: Direction | None = None,
) -> Report:
    """Compare two sides.

    Raises:
        UsageError: they have nothing in common, or are not comparable.
    """
    matches = match(baseline.runs, candidate.runs, choice)
    refuse(matches, rules)
    works = list[_Work]()
    for one in matches:
        if not one.baseline_method:
            continue  # only the candidate has it: nothing can have become worse
        runs = [run for pair in one.pairs for run in (pair.baseline, pair.candidate)]
        plan = plan_of(one.task, runs or one.missing, metric, direction, rules.min_effect)
        works.append(_work(one, plan, rules))
    if not any(work.total for work in works) and not any(work.items.problems for work in works):
        raise UsageError(_nothing_paired(works))
    decisions = deciding.decide_tasks([_case(work, "") for work in works], rules)
    comparisons = [
        _comparison(work, decision, rules) for work, decision in zip(works, decisions, strict=True)
    ]
    problems = (*baseline.problems, *candidate.problems)
    problems += tuple(problem for work in works for problem in work.items.problems)
    return Report(
        verdict=deciding.overall(
            (one.total.verdict for one in comparisons),
            (some.verdict for one in comparisons for some in one.subsets),
        ),
        baseline=baseline.name,
        candidate=candidate.name,
        rules=rules,
        comparisons=tuple(comparisons),
        unfinished=(
            *(_unfinished(one, "baseline") for one in _of_choice(baseline.unfinished, choice)),
            *(_unfinished(one, "candidate") for one in _of_choice(candidate.unfinished, choice)),
        ),
        problems=tuple(dict.fromkeys(problems)),
    )


def _work(match: Match, plan: Plan, rules: Rules) -> _Work:
    items = read_items(match, plan.wanted)
    refuse_changed(match.task, items.changed, rules)
    pairs = tuple(pair for pair in match.pairs if pair not in items.unread)
    subsets = sorted({pair.baseline.text("subset") for pair in match.pairs})
    subsets += sorted({run.text("subset") for run in match.missing} - {*subsets})
    missing = dict(items.missing)
    for run in (*match.missing, *(pair.baseline for pair in items.unread)):
        name = run.text("subset")
        missing[name] = missing.get(name, 0) + max(1, run.whole("n_planned") or 0)
    same = {
        name: _same([one for one in pairs if not name or one.baseline.text("subset") == name])
        for name in ("", *subsets)
    }
    by_subset = dict[str, Tested | None]()
    if plan.of is Of.RUN:
        total, notes = _test_function(pairs, plan, rules)
        for name in subsets if len(subsets) > 1 else ():
            some = [pair for pair in pairs if pair.baseline.text("subset") == name]
            by_subset[name] = _test_function(some, plan, rules)[0]
    else:
        total, notes = _test_table(items.table, pairs, plan, rules, weigh=True), ()
        for name in subsets if len(subsets) > 1 else ():
            some = items.table[items.table["subset"] == name]
            by_subset[name] = _test_table(some, pairs, plan, rules, weigh=False)
    notes = (*match.notes, *notes, *(() if total is None else total.notes))
    return _Work(match, plan, items, pairs, total, by_subset, missing, same, notes)


def _same(pairs: Sequence[RunPair]) -> bool:
    """Whether all paired runs are one and the same."""
    return bool(pairs) and all(
        one.baseline.run_id == one.candidate.run_id
        and one.baseline.store.root.resolve() == one.candidate.store.root.resolve()
        for one in pairs
    )


def _test_table(
    table: Frame, pairs: Sequence[RunPair], plan: Plan, rules: Rules, *, weigh: bool
) -> Tested | None:
    if table.empty:
        return None
    trained = any(pair.trained for pair in pairs)
    return test_items(table, plan, rules, trained=trained, weigh_subsets=weigh)


def _test_function(
    pairs: Sequence[RunPair], plan: Plan, rules: Rules
) -> tuple[Tested | None, tuple[str, ...]]:
    """Test a figure of runs: computed again from swapped rows, else over seeds."""
    if not pairs:
        return None, ()
    trained = any(pair.trained for pair in pairs)
    found = recomputable(pairs, plan)
    if not isinstance(found, str):
        try:
            return test_rows(
                found.columns, found.clusters, found.statistic, rules, trained=trained
            ), ()
        except ValueError as error:
            found = f"{plan.name} cannot be computed again ({error})"
    before, after = of_runs(pairs, plan.name)
    if not before:
        return None, (found,)
    sign = 1.0 if plan.higher_is_better else -1.0
    return test_seeds(before, after, sign, rules.alpha), (f"{found}: compared over seeds",)


def _case(work: _Work, subset: str) -> Case:
    missing = work.missing.get(subset, 0) if subset else sum(work.missing.values())
    tested = work.subsets[subset] if subset else work.total
    return Case(tested, missing, work.same_runs[subset], work.plan.min_effect)


def _comparison(work: _Work, decision: Decision, rules: Rules) -> Comparison:
    cases = {name: _case(work, name) for name in work.subsets}
    decided = deciding.decide_subsets(cases, decision.adjusted_p, rules)
    listed, more = changes_of(work.items.table, work.plan, rules.flips)
    runs = work.pairs
    return Comparison(
        task=work.match.task,
        baseline_method=work.match.baseline_method,
        candidate_method=work.match.candidate_method,
        setting=work.match.setting,
        metric=work.plan.label,
        higher_is_better=work.plan.higher_is_better,
        min_effect=work.plan.min_effect,
        total=_figures(work, "", work.total, decision),
        subsets=tuple(
            _figures(work, name, work.subsets[name], one) for name, one in decided.items()
        ),
        differences=differences(runs),
        performance=performance(work.items, runs),
        changes=listed,
        more_changes=more,
        extra=work.items.extra,
        changed_content=work.items.changed,
        left_out=work.items.left_out,
        failed=work.items.failed,
        notes=work.notes,
        baseline_runs=tuple(dict.fromkeys(pair.baseline.run_id for pair in runs)),
        candidate_runs=tuple(dict.fromkeys(pair.candidate.run_id for pair in runs)),
        candidate_results=str(runs[0].candidate.store.root) if runs else "",
    )


def _figures(work: _Work, name: str, tested: Tested | None, decision: Decision) -> Figures:
    table: Any = work.items.table
    if name:
        table = table[table["subset"] == name]
    sign = 1.0 if work.plan.higher_is_better else -1.0
    one = None if tested is None else tested.comparison
    low, high = (None, None) if one is None else (one.low, one.high)
    if sign < 0:
        low, high = _turned(high), _turned(low)
    counts = flips_of(table, work.plan)
    means = _means_without_failed(table, work.plan, weigh=not name)
    return Figures(
        name=name,
        n=0 if one is None else one.n,
        clusters=0 if one is None else one.clusters,
        baseline=None if one is None else sign * one.baseline + 0.0,
        candidate=None if one is None else sign * one.candidate + 0.0,
        difference=None if one is None else sign * one.difference + 0.0,
        low=low,
        high=high,
        p=None if one is None else one.p,
        adjusted_p=decision.adjusted_p,
        smallest_p=decision.smallest_p,
        detectable=decision.detectable,
        better=counts.better,
        same=counts.same,
        worse=counts.worse,
        fixed=counts.fixed,
        broken=counts.broken,
        missing=work.missing.get(name, 0) if name else sum(work.missing.values()),
        baseline_ok=means[0],
        candidate_ok=means[1],
        test="" if one is None else TESTS[PairedTest(one.test)],
        verdict=decision.verdict,
        reason=decision.reason,
    )


def _means_without_failed(
    table: Frame, plan: Plan, *, weigh: bool
) -> tuple[float | None, float | None]:
    """The means of both sides over items that have not failed on either; None for other metrics."""
    if plan.of is not Of.MEAN or table.empty:
        return None, None
    sides = ["baseline_ok", "candidate_ok"]
    kept = table.dropna(subset=sides)
    if kept.empty:
        return None, None
    if plan.equal_sources:
        kept = kept.groupby(["subset", "source"])[sides].mean().reset_index()
    if weigh and plan.average is Weight.SUBSETS:
        kept = kept.groupby("subset")[sides].mean()
    return float(kept["baseline_ok"].mean()), float(kept["candidate_ok"].mean())


def _turned(value: float | None) -> float | None:
    return None if value is None else -value + 0.0


def _of_choice(runs: Sequence[RunSummary], choice: Choice) -> list[RunSummary]:
    return [
        one
        for one in runs
        if (not choice.task or one.task == choice.task)
        and (not choice.subsets or one.subset in choice.subsets)
    ]


def _unfinished(one: RunSummary, side: str) -> str:
    return (
        f"run {one.run_id} of the {side} ({one.task}/{one.subset} {one.method}) is {one.status}, "
        f"{one.n_done} of {one.n_planned} samples: it does not count"
    )


def _nothing_paired(works: Sequence[_Work]) -> str:
    changed = sum(work.items.changed for work in works)
    missing = sum(sum(work.missing.values()) for work in works)
    without = next((work for work in works if work.plan.of is Of.RUN and work.pairs), None)
    if changed:
        why = f"{changed} items have another content"
    elif without is not None:
        why = f"no seed has {without.plan.name} on both sides"
    else:
        why = f"{missing} items are on the baseline only"
    return f"nothing of the two sides could be paired: {why}; compare runs of the same work."
