"""Values of single examples out of a recorded log, and what is derived from them one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness_tasks.unlearning import formulas, membership
from harness_tasks.unlearning.logs import Column, EvaluationLog


@dataclass(frozen=True)
class Figure:
    """A metric and the number of examples behind it."""

    value: float
    n: int


class Missing(ValueError):
    """The log lacks what a metric is computed from."""


def column(log: EvaluationLog, metric: str, *names: str) -> Column:
    """The first of some columns that a metric has.

    Raises:
        Missing: it has none of them.
    """
    if metric not in log.metrics:
        raise Missing(f"needs {metric}, which the log does not have")
    for name in names:
        if name in log.metrics[metric].columns:
            return log.metrics[metric].columns[name]
    raise Missing(f"needs {' or '.join(names)} of single examples in {metric}")


def mean_figure(values: Mapping[str, float]) -> Figure:
    """Mean over examples."""
    if not values:
        raise Missing("no example has a value")
    return Figure(formulas.mean(values.values()), len(values))


def probabilities(log: EvaluationLog, name: str) -> dict[str, float]:
    """Probability by example; over several wrong answers, their mean."""
    answers = answer_probabilities(log, name)
    return {index: formulas.mean(values) for index, values in answers.items()}


def answer_probabilities(log: EvaluationLog, name: str) -> dict[str, list[float]]:
    """Probabilities by example, one for each answer.

    The recorded ones come first: they were rounded to single precision on the device that computed
    them, which their losses cannot bring back (about 1e-8 in a mean).
    """
    found = column(log, name, "prob", "avg_loss")
    if found is log.metrics[name].columns.get("prob"):
        return found.lists()
    return {i: [formulas.probability(one) for one in ls] for i, ls in found.lists().items()}


def normalised(log: EvaluationLog, data: str) -> dict[str, float]:
    """Probability among the options, by example."""
    own = log.column(f"{data}_Q_A_Prob_normalised", "prob", "score")
    if own is not None:
        return own.numbers()
    answers = probabilities(log, f"{data}_Q_A_Prob")
    wrong = answer_probabilities(log, f"{data}_Q_A_PERT_Prob")
    check_indices(f"{data}_Q_A_Prob", f"{data}_Q_A_PERT_Prob", log)
    return {
        index: formulas.normalised_probability(answer, wrong[index])
        for index, answer in answers.items()
        if index in wrong
    }


def truth_ratio_name(log: EvaluationLog, data: str) -> str:
    """The forget set's truth ratio has had two names."""
    old = f"{data}_truth_ratio"
    return old if old in log.metrics or data == "forget" else f"{data}_Truth_Ratio"


def truth_ratios(log: EvaluationLog, data: str) -> dict[str, float]:
    """Truth ratio by example, from the log's own values, or else from the losses."""
    for name in (f"{data}_truth_ratio", f"{data}_Truth_Ratio"):
        own = log.column(name, "score")
        if own is not None:
            return own.numbers()
    losses = truth_losses(log, data)
    return {index: formulas.truth_ratio(right, wrong) for index, (right, wrong) in losses.items()}


def truth_losses(log: EvaluationLog, data: str) -> dict[str, tuple[float, list[float]]]:
    """Losses of the right and of the wrong answers, by example."""
    # Real authors and world facts have no paraphrase: the answer itself is the right one.
    right_name = f"{data}_Q_A_PARA_Prob" if data in ("forget", "retain") else f"{data}_Q_A_Prob"
    wrong_name = f"{data}_Q_A_PERT_Prob"
    right = column(log, right_name, "avg_loss").numbers()
    wrong = column(log, wrong_name, "avg_loss").lists()
    check_indices(right_name, wrong_name, log)
    both = {index: (loss, wrong[index]) for index, loss in right.items() if index in wrong}
    if not both:
        raise Missing("no example has a value")
    return both


def check_indices(one: str, other: str, log: EvaluationLog) -> None:
    """Refuse two metrics of different examples."""
    first, second = (next(iter(log.metrics[name].columns.values())) for name in (one, other))
    if first.cells.keys() != second.cells.keys():
        raise ValueError(f"{one} and {other} are of different examples")


def attacks(log: EvaluationLog) -> list[str]:
    """Names of the membership inference attacks in a log."""
    return [name for name in log.metrics if name.startswith("mia_")]


def mia_scores(log: EvaluationLog, name: str) -> tuple[dict[str, float], dict[str, float]]:
    """Scores of the forget set and of the holdout set, by example."""
    return column(log, name, "forget").numbers(), column(log, name, "holdout").numbers()


def own_auc(log: EvaluationLog, name: str) -> float:
    """AUC of an attack on the log's own model."""
    forget, holdout = mia_scores(log, name)
    return membership.auc(forget.values(), holdout.values())
