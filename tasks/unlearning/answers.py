"""What an answer's token scores say: probability, memorisation, membership. Used by all tasks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from harness.protocols.edit.language_model import TokenScores
from harness.protocols.edit.task import ProbeResult
from harness_tasks.unlearning import formulas, membership

NO_REFERENCE = (
    "no finished run of 'retrain' with the same data, model and seed; make one with "
    "--method retrain, and this is filled in"
)

T = TypeVar("T")

CHUNK = 100
"""Probes that are evaluated together: few enough to lose little at a kill."""


def memorised(scores: TokenScores, *, ends: bool) -> dict[str, float]:
    """Extraction strength and exact memorisation of an answer.

    Args:
        scores: of the answer's tokens under teacher forcing.
        ends: whether the last token is the end of sequence, which both leave out.
    """
    hits = scores.greedy[:-1] if ends else scores.greedy
    labels = list(range(len(hits)))
    predicted = [label if hit else -1 for label, hit in zip(labels, hits, strict=True)]
    found = {"extraction_strength": formulas.extraction_strength(predicted, labels)}
    exact = formulas.exact_memorization(predicted, labels)
    return found if exact is None else {**found, "exact_memorization": exact}


def member(scores: TokenScores, text: str, *, ends: bool) -> dict[str, float]:
    """Scores of membership inference attacks that token scores suffice for."""
    last = len(scores.logprobs) - 1 if ends else len(scores.logprobs)
    logprobs = scores.logprobs[:last].tolist()
    found = {
        "mia_loss": membership.loss_score(scores.loss),
        "mia_zlib": membership.zlib_score(scores.loss, text),
        "mia_min_k": membership.min_k(logprobs),
    }
    if scores.means is not None and scores.variances is not None:
        found["mia_min_k_plus_plus"] = membership.min_k_plus_plus(
            logprobs, scores.means[:last].tolist(), scores.variances[:last].tolist()
        )
    return found


def usable(scores: Iterable[TokenScores]) -> bool:
    """Whether all log-probabilities are numbers; those of a diverged model are not."""
    return all(math.isfinite(one.loss) for one in scores)


def finite(metrics: Mapping[str, float]) -> dict[str, float]:
    """The metrics that are finite: NaN never becomes a score."""
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def column(rows: Iterable[ProbeResult], name: str) -> list[float]:
    """A metric of all rows that have it."""
    return [row.metrics[name] for row in rows if name in row.metrics]


def mean(rows: Iterable[ProbeResult], name: str, key: str) -> dict[str, float]:
    """The mean of a metric over the rows that have it, under another name; empty if none has."""
    values = column(rows, name)
    return {key: formulas.mean(values)} if values else {}


def diverged(groups: Mapping[str, Iterable[ProbeResult]]) -> str:
    """Why an evaluation has no metrics; empty if all its examples have a score."""
    broken = [row for rows in groups.values() for row in rows if row.score is None]
    return f"{len(broken)} examples have no score: {broken[0].problem}" if broken else ""


def grouped(rows: Iterable[ProbeResult]) -> dict[str, list[ProbeResult]]:
    """Rows by the set they belong to, each in one order, so that two evaluations pair."""
    found = dict[str, list[ProbeResult]]()
    for row in sorted(rows, key=lambda one: one.probe.sample_id):
        found.setdefault(row.probe.group, []).append(row)
    return found


def chunks(members: Sequence[T]) -> Iterable[Sequence[T]]:
    """Pieces of a list that are evaluated together."""
    for start in range(0, len(members), CHUNK):
        yield members[start : start + CHUNK]
