"""TOFU's aggregates from per-example rows, under the names of OpenUnlearning's logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.protocols.edit.task import Aggregates, ProbeResult
from harness_tasks.unlearning import formulas, membership
from harness_tasks.unlearning.answers import column
from harness_tasks.unlearning.formulas import TruthRatioAggregate
from harness_tasks.unlearning.uncertainty import auc_difference_interval, ks_distance_interval

Groups = Mapping[str, Sequence[ProbeResult]]

_SHORT = {"retain": "retain", "real_authors": "ra", "world_facts": "wf", "held": "held"}
_ATTACKS = ("mia_loss", "mia_zlib", "mia_min_k", "mia_min_k_plus_plus", "mia_gradnorm")
_NO_REFERENCE = (
    "no finished run of 'retrain' with the same data, model and seed; make one with "
    "--method retrain, then this run again with --fresh"
)
_NO_HOLDOUT = (
    "needs TOFU's holdout split of a forgetXX subset: put tofu/holdout01.json and so on into the "
    "mirror that HARNESS_DATA names"
)


def aggregate(groups: Groups, reference: Groups | None) -> Aggregates:
    """All aggregates that the rows allow, and why others are not there."""
    metrics, missing = dict[str, float](), dict[str, str]()
    broken = sum(row.score is None for rows in groups.values() for row in rows)
    if broken:
        reason = f"{broken} examples have no score: the model diverged"
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


def _mean(rows: Sequence[ProbeResult], name: str, key: str) -> dict[str, float]:
    values = column(rows, name)
    return {key: formulas.mean(values)} if values else {}


def _forget(rows: Sequence[ProbeResult]) -> dict[str, float]:
    found = {
        **_mean(rows, "probability", "forget_Q_A_Prob"),
        **_mean(rows, "paraphrase_probability", "forget_Q_A_PARA_Prob"),
        **_mean(rows, "rougeL_recall", "forget_Q_A_ROUGE"),
        **_mean(rows, "extraction_strength", "extraction_strength"),
        **_mean(rows, "exact_memorization", "exact_memorization"),
        **_mean(rows, "truth_probability", "forget_truth_ratio_prob_mean"),
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
        **_mean(rows, "probability", f"{short}_Q_A_Prob"),
        **_mean(rows, "normalised_probability", f"{short}_Q_A_Prob_normalised"),
        **_mean(rows, "paraphrase_probability", f"{short}_Q_A_PARA_Prob"),
        **_mean(rows, "rougeL_recall", f"{short}_Q_A_ROUGE"),
        **_mean(rows, "extraction_strength", f"{short}_extraction_strength"),
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
        missing["forget_quality"] = _NO_REFERENCE
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
    forget, holdout = groups.get("forget", ()), groups.get("holdout", ())
    if not holdout:
        missing["privleak"] = missing["mia"] = _NO_HOLDOUT
        return
    for attack in _ATTACKS:
        pair = column(forget, attack), column(holdout, attack)
        if all(pair):
            metrics[attack] = membership.auc(*pair)
    if reference is None:
        missing["privleak"] = _NO_REFERENCE
        return
    likeness = dict[str, float]()
    for attack in [one for one in _ATTACKS if one in metrics]:
        other = column(reference["forget"], attack), column(reference["holdout"], attack)
        if all(other):
            area, reference_area = metrics[attack], membership.auc(*other)
            metrics |= _difference(groups, reference, attack)
            if reference_area > 0 and attack != "mia_gradnorm":
                likeness[attack] = membership.s_mia(area, reference_area)
            if attack == "mia_min_k":
                metrics["privleak"] = membership.privleak(area, reference_area)
    metrics["mia_reference"] = membership.auc(
        _beyond(forget, reference["forget"]), _beyond(holdout, reference["holdout"])
    )
    if set(membership.PRIVACY_ATTACKS) <= likeness.keys():
        metrics["privacy"] = membership.privacy(likeness)
    else:
        missing["privacy"] = f"needs {', '.join(membership.PRIVACY_ATTACKS)} of both models"


def _difference(groups: Groups, reference: Groups, attack: str) -> dict[str, float]:
    """AUC less the reference's, with an interval over authors."""
    names = ("forget", "holdout")
    scores = [(column(groups[name], attack), column(reference[name], attack)) for name in names]
    authors = [
        [row.probe.source_id for row in groups[name] if attack in row.metrics] for name in names
    ]
    found = auc_difference_interval(scores[0], scores[1], authors[0], authors[1])
    metrics = {f"{attack}_difference": found.estimate}
    if found.low is not None and found.high is not None:
        metrics |= {
            f"{attack}_difference_low": found.low,
            f"{attack}_difference_high": found.high,
        }
    return metrics


def _beyond(rows: Sequence[ProbeResult], others: Sequence[ProbeResult]) -> list[float]:
    """Losses less those of the reference, example by example."""
    pairs = zip(column(rows, "loss"), column(others, "loss"), strict=True)
    return [membership.reference_score(own, other) for own, other in pairs]
