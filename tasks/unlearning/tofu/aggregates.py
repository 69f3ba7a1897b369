"""TOFU's aggregates from per-example rows, under the names of OpenUnlearning's logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.protocols.edit.task import Aggregates, ProbeResult
from harness_tasks.unlearning import formulas
from harness_tasks.unlearning.answers import NO_REFERENCE, column, diverged, mean
from harness_tasks.unlearning.formulas import TruthRatioAggregate
from harness_tasks.unlearning.privacy import Groups, privacy
from harness_tasks.unlearning.uncertainty import ks_distance_interval

_SHORT = {"retain": "retain", "real_authors": "ra", "world_facts": "wf", "held": "held"}
_NO_HOLDOUT = (
    "needs TOFU's holdout split of a forgetXX subset: put tofu/holdout01.json and so on into the "
    "mirror that HARNESS_DATA names"
)


def aggregate(groups: Groups, reference: Groups | None) -> Aggregates:
    """All aggregates that the rows allow, and why others are not there."""
    metrics, missing = dict[str, float](), dict[str, str]()
    if reason := diverged(groups):
        # A diverged model has no utility; what it has forgotten cannot be told from noise.
        return Aggregates({"model_utility": 0.0, "score": 0.0}, {"forget_quality": reason})
    forget = groups.get("forget", ())
    metrics |= _forget(forget)
    for name, short in _SHORT.items():
        if groups.get(name):
            metrics |= _kept(groups[name], short)
    metrics |= _utility(metrics, missing)
    _forget_quality(forget, reference, metrics, missing)
    _membership(groups, reference, metrics, missing)
    if "memorization_score" in metrics and "model_utility" in metrics:
        pair = (metrics["memorization_score"], metrics["model_utility"])
        metrics["score"] = formulas.harmonic_mean(pair)
    return Aggregates(metrics, missing)


def _forget(rows: Sequence[ProbeResult]) -> dict[str, float]:
    found = {
        **mean(rows, "probability", "forget_Q_A_Prob"),
        **mean(rows, "paraphrase_probability", "forget_Q_A_PARA_Prob"),
        **mean(rows, "rougeL_recall", "forget_Q_A_ROUGE"),
        **mean(rows, "extraction_strength", "extraction_strength"),
        **mean(rows, "exact_memorization", "exact_memorization"),
        **mean(rows, "truth_probability", "forget_truth_ratio_prob_mean"),
    }
    ratios = column(rows, "truth_ratio")
    if ratios:
        found["forget_truth_ratio"] = formulas.aggregate_truth_ratios(
            ratios, TruthRatioAggregate.CLOSER_TO_1_BETTER
        )
    names = ("extraction_strength", "exact_memorization", "forget_Q_A_PARA_Prob")
    if all(name in found for name in (*names, "forget_truth_ratio_prob_mean")):
        found["memorization_score"] = formulas.memorization_score(
            found["extraction_strength"],
            found["exact_memorization"],
            found["forget_Q_A_PARA_Prob"],
            found["forget_truth_ratio_prob_mean"],
        )
    return found


def _kept(rows: Sequence[ProbeResult], short: str) -> dict[str, float]:
    found = {
        **mean(rows, "probability", f"{short}_Q_A_Prob"),
        **mean(rows, "normalised_probability", f"{short}_Q_A_Prob_normalised"),
        **mean(rows, "paraphrase_probability", f"{short}_Q_A_PARA_Prob"),
        **mean(rows, "rougeL_recall", f"{short}_Q_A_ROUGE"),
        **mean(rows, "extraction_strength", f"{short}_extraction_strength"),
    }
    ratios = column(rows, "truth_ratio")
    if ratios:
        found[f"{short}_Truth_Ratio"] = formulas.aggregate_truth_ratios(
            ratios, TruthRatioAggregate.TRUE_BETTER
        )
    return found


def _utility(found: Mapping[str, float], missing: dict[str, str]) -> dict[str, float]:
    """Harmonic mean of nine; the names are those of `formulas.MODEL_UTILITY_PARTS`."""
    parts = {name: found[name] for name in formulas.MODEL_UTILITY_PARTS if name in found}
    if len(parts) < len(formulas.MODEL_UTILITY_PARTS):
        lacking = sorted(set(formulas.MODEL_UTILITY_PARTS) - set(parts))
        missing["model_utility"] = f"needs {', '.join(lacking)}"
        return {}
    return {"model_utility": formulas.model_utility(parts)}


def _forget_quality(
    forget: Sequence[ProbeResult],
    reference: Groups | None,
    metrics: dict[str, float],
    missing: dict[str, str],
) -> None:
    ratios = column(forget, "truth_ratio")
    if not ratios:
        missing["forget_quality"] = "no truth ratio of the forget set"
        return
    if reference is None or not column(reference.get("forget", ()), "truth_ratio"):
        missing["forget_quality"] = NO_REFERENCE
        return
    others = column(reference["forget"], "truth_ratio")
    found = formulas.forget_quality(ratios, others)
    metrics["forget_quality"] = found.p_value
    metrics["forget_quality_log10"] = found.log10_p
    metrics["forget_quality_floor_log10"] = found.floor_log10
    metrics["forget_quality_ks_distance"] = found.ks_distance
    authors = [row.probe.source_id for row in forget if "truth_ratio" in row.metrics]
    interval = ks_distance_interval(ratios, others, authors)
    if interval.low is not None and interval.high is not None:
        metrics["forget_quality_ks_distance_low"] = interval.low
        metrics["forget_quality_ks_distance_high"] = interval.high


def _membership(
    groups: Groups,
    reference: Groups | None,
    metrics: dict[str, float],
    missing: dict[str, str],
) -> None:
    if not groups.get("holdout"):
        missing["privleak"] = missing["mia"] = _NO_HOLDOUT
        return
    found = privacy(groups, reference, "forget", "holdout")
    metrics |= found.metrics
    missing |= found.missing
