"""Aggregates of membership inference, under the names of OpenUnlearning's logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.protocols.edit.task import Aggregates, ProbeResult
from harness_tasks.unlearning import membership
from harness_tasks.unlearning.answers import NO_REFERENCE, column
from harness_tasks.unlearning.uncertainty import auc_difference_interval

Groups = Mapping[str, Sequence[ProbeResult]]

_ATTACKS = (*membership.PRIVACY_ATTACKS, "mia_gradnorm")


def privacy(groups: Groups, reference: Groups | None, inside: str, outside: str) -> Aggregates:
    """AUC of each attack; with a reference the differences, `privleak`, `privacy`, `mia_reference`.

    Args:
        groups: results by set.
        reference: those of the model that never saw the forget set.
        inside: name of the set that was to be forgotten.
        outside: name of the set that no model saw.
    """
    metrics, missing = dict[str, float](), dict[str, str]()
    for attack in _ATTACKS:
        area = _auc(groups, attack, inside, outside)
        if area is not None:
            metrics[attack] = area
    if reference is None:
        missing["privleak"] = NO_REFERENCE
        return Aggregates(metrics, missing)
    likeness = dict[str, float]()
    for attack in tuple(metrics):
        other = _auc(reference, attack, inside, outside)
        if other is None:
            continue
        area = metrics[attack]
        metrics |= _difference(groups, reference, attack, (inside, outside))
        if other > 0 and attack in membership.PRIVACY_ATTACKS:
            likeness[attack] = membership.s_mia(area, other)
        if attack == "mia_min_k":
            metrics["privleak"] = membership.privleak(area, other)
    beyond = [_beyond(groups.get(one, ()), reference.get(one, ())) for one in (inside, outside)]
    if all(beyond):
        metrics["mia_reference"] = membership.auc(*beyond)
    if set(membership.PRIVACY_ATTACKS) <= likeness.keys():
        metrics["privacy"] = membership.privacy(likeness)
    else:
        missing["privacy"] = f"needs {', '.join(membership.PRIVACY_ATTACKS)} of both models"
    return Aggregates(metrics, missing)


def _auc(groups: Groups, attack: str, inside: str, outside: str) -> float | None:
    pair = [column(groups.get(name, ()), attack) for name in (inside, outside)]
    return membership.auc(*pair) if all(pair) else None


def _difference(
    groups: Groups, reference: Groups, attack: str, names: tuple[str, str]
) -> dict[str, float]:
    """AUC less the reference's, with an interval over what examples come from."""
    scores = [(column(groups[name], attack), column(reference[name], attack)) for name in names]
    sources = [
        [row.probe.source_id for row in groups[name] if attack in row.metrics] for name in names
    ]
    found = auc_difference_interval(scores[0], scores[1], sources[0], sources[1])
    metrics = {f"{attack}_difference": found.estimate}
    if found.low is not None and found.high is not None:
        metrics[f"{attack}_difference_low"] = found.low
        metrics[f"{attack}_difference_high"] = found.high
    return metrics


def _beyond(rows: Sequence[ProbeResult], others: Sequence[ProbeResult]) -> list[float]:
    """Losses less those of the reference, example by example."""
    pairs = zip(column(rows, "loss"), column(others, "loss"), strict=True)
    return [membership.reference_score(own, other) for own, other in pairs]
