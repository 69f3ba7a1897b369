"""Which samples changed, how many of them, and what the runs cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness_leaderboards.comparing.differences import equal_machines
from harness_leaderboards.comparing.items import Frame, Items
from harness_leaderboards.comparing.matching import RunPair
from harness_leaderboards.comparing.metrics import Plan
from harness_leaderboards.comparing.model import Change, Ratio

_ROUNDING = 1e-12


@dataclass(frozen=True)
class Flips:
    """Items by what became of them; `fixed` and `broken` cross one half."""

    better: int
    same: int
    worse: int
    fixed: int | None
    broken: int | None


def flips_of(table: Frame, plan: Plan) -> Flips:
    """Count items (over their orders and seeds) by what became of them."""
    if table.empty or not plan.items_are_told:
        return Flips(0, 0, 0, None, None)
    items = table.groupby("item")[["baseline", "candidate"]].mean()
    sign = 1.0 if plan.wanted.higher_is_better else -1.0
    change = sign * (items["candidate"] - items["baseline"])
    least = _ROUNDING * (items["candidate"].abs() + items["baseline"].abs())
    better, worse = int((change > least).sum()), int((change < -least).sum())
    fixed = broken = None
    if items.min().min() >= 0 and items.max().max() <= 1:
        right_before, right_after = items["baseline"] > 0.5, items["candidate"] > 0.5
        gained = int((~right_before & right_after).sum())
        lost = int((right_before & ~right_after).sum())
        fixed, broken = (gained, lost) if sign > 0 else (lost, gained)
    return Flips(better, len(items) - better - worse, worse, fixed, broken)


def changes_of(table: Frame, plan: Plan, most: int) -> tuple[tuple[Change, ...], int]:
    """Samples whose score changed, worst first, and how many more there are."""
    if table.empty or not plan.items_are_told:
        return (), 0
    sign = 1.0 if plan.wanted.higher_is_better else -1.0
    change = sign * table["candidate"] - table["baseline"]
    least = _ROUNDING * (table["candidate"].abs() + table["baseline"].abs())
    changed = table.assign(change=change)[change.abs() > least]
    # Losses first, the largest at the top; gains follow, the largest first too.
    ordered = changed.assign(gain=changed["change"] > 0, size=-changed["change"].abs())
    ordered = ordered.sort_values(["gain", "size", "subset", "sample_id"], kind="stable")
    rows = ordered.head(most).to_dict("records")
    listed = tuple(
        Change(
            subset=str(row["subset"]),
            sample_id=str(row["sample_id"]),
            column=str(row["column"]),
            baseline=float(row["baseline"]),
            candidate=float(row["candidate"]),
            baseline_run=str(row["baseline_run"]),
            candidate_run=str(row["candidate_run"]),
        )
        for row in rows
    )
    return listed, len(changed) - len(listed)


def performance(items: Items, pairs: Sequence[RunPair]) -> tuple[Ratio, ...]:
    """Medians per sample of both sides; times are compared between equal machines only."""
    reason = equal_machines(pairs) if pairs else "no runs"
    names = ("seconds per sample", "input tokens per sample", "output tokens per sample")
    return tuple(
        _ratio(name, before, after, reason if name.startswith("seconds") else "")
        for name, before, after in zip(names, *items.medians, strict=True)
    )


def _ratio(name: str, before: float | None, after: float | None, reason: str) -> Ratio:
    if not reason and (before is None or after is None or not before):
        reason = "nothing to compare"
    if reason or before is None or after is None:
        return Ratio(name, before, after, None, reason)
    return Ratio(name, before, after, after / before)
