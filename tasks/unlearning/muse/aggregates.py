"""MUSE's aggregates from per-example rows, under the names of OpenUnlearning's logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.protocols.edit.task import Aggregates, ProbeResult
from harness_tasks.unlearning import formulas, membership
from harness_tasks.unlearning.answers import column
from harness_tasks.unlearning.muse.evaluation import Group

Groups = Mapping[str, Sequence[ProbeResult]]

NO_REFERENCE_AUC = 0.5
"""What OpenUnlearning takes PrivLeak against where there is no retrained model."""

_ATTACKS = ("mia_loss", "mia_zlib", "mia_min_k", "mia_min_k_plus_plus", "mia_gradnorm")
_KNOWLEDGE = {
    Group.VERBMEM: "forget_verbmem",
    Group.FORGET_KNOWMEM: "forget_knowmem",
    Group.RETAIN_KNOWMEM: "retain_knowmem",
}
_NO_REFERENCE = (
    "no finished run of 'retrain' with the same data, model and seed: privleak is taken against "
    f"an AUC of {NO_REFERENCE_AUC}; make one with --method retrain"
)


def aggregate(groups: Groups, reference: Groups | None) -> Aggregates:
    """All aggregates that the rows allow, and why others are not there.

    ``score`` is the harmonic mean of four figures in [0, 1], 1 being ideal: ``1 -
    forget_verbmem_ROUGE``, ``1 - forget_knowmem_ROUGE``, ``retain_knowmem_ROUGE``, and ``1 -
    |privleak| / 100``, which is 0 beyond 100 on either side. It is ours: MUSE gives no one number.
    """
    broken = [row for rows in groups.values() for row in rows if row.score is None]
    if broken:
        # A diverged model has no utility; what it has forgotten cannot be told from noise.
        reason = f"{len(broken)} examples have no score: {broken[0].problem}"
        return Aggregates({"score": 0.0}, {"privleak": reason, "retain_knowmem_ROUGE": reason})
    metrics, missing = dict[str, float](), dict[str, str]()
    for group, name in _KNOWLEDGE.items():
        rows = groups.get(group, ())
        metrics |= _mean(rows, "rougeL_f1", f"{name}_ROUGE")
        metrics |= _mean(rows, "probability", f"{name}_Prob")
    passages = groups.get(Group.VERBMEM, ())
    for name in ("extraction_strength", "exact_memorization"):
        metrics |= _mean(passages, name, name)
    _membership(groups, reference, metrics, missing)
    _score(metrics, missing)
    return Aggregates(metrics, missing)


def _mean(rows: Sequence[ProbeResult], name: str, key: str) -> dict[str, float]:
    values = column(rows, name)
    return {key: formulas.mean(values)} if values else {}


def _membership(
    groups: Groups, reference: Groups | None, metrics: dict[str, float], missing: dict[str, str]
) -> None:
    likeness = dict[str, float]()
    for attack in _ATTACKS:
        area = _auc(groups, attack)
        if area is None:
            continue
        metrics[attack] = area
        other = None if reference is None else _auc(reference, attack)
        if other is not None:
            metrics[f"{attack}_difference"] = membership.auc_difference(area, other)
            if other > 0 and attack != "mia_gradnorm":
                likeness[attack] = membership.s_mia(area, other)
        if attack == "mia_min_k":
            if other is None:
                half = membership.privleak(area, NO_REFERENCE_AUC)
                metrics["privleak_against_half"] = half
            else:
                metrics["privleak"] = membership.privleak(area, other)
    if reference is None:
        missing["privleak"] = _NO_REFERENCE
        return
    metrics |= _against_losses(groups, reference)
    if set(membership.PRIVACY_ATTACKS) <= likeness.keys():
        metrics["privacy"] = membership.privacy(likeness)
    else:
        missing["privacy"] = f"needs {', '.join(membership.PRIVACY_ATTACKS)} of both models"


def _auc(groups: Groups, attack: str) -> float | None:
    pair = [column(groups.get(name, ()), attack) for name in (Group.MEMBERS, Group.OUTSIDERS)]
    return membership.auc(*pair) if all(pair) else None


def _against_losses(groups: Groups, reference: Groups) -> dict[str, float]:
    """The Reference attack: the loss less the retrained model's."""
    found = list[list[float]]()
    for name in (Group.MEMBERS, Group.OUTSIDERS):
        pairs = zip(
            column(groups.get(name, ()), "loss"),
            column(reference.get(name, ()), "loss"),
            strict=True,
        )
        found.append([membership.reference_score(own, other) for own, other in pairs])
    return {"mia_reference": membership.auc(*found)} if all(found) else {}


def _score(metrics: dict[str, float], missing: dict[str, str]) -> None:
    names = ("forget_verbmem_ROUGE", "forget_knowmem_ROUGE", "retain_knowmem_ROUGE", "privleak")
    lacking = [name for name in names if name not in metrics]
    if lacking:
        missing["score"] = f"needs {', '.join(lacking)}"
        return
    verbatim, forgotten, retained, leak = (metrics[name] for name in names)
    parts = (1 - verbatim, 1 - forgotten, retained, max(0.0, 1 - abs(leak) / 100))
    metrics["score"] = formulas.harmonic_mean(parts)
