"""``harness score tofu`` and ``harness score muse``: every metric again, from single examples.

An evaluation log comes in (see `logs`), metrics under the log's own names go out, none of them
copied: each is computed from the values of single examples with `formulas` and `membership`. What a
log does not allow is named with the reason. Beside them stand figures that the logs do not have:
forget quality as a distance, other truth ratios, memorization score, privacy against a reference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from harness.errors import UsageError
from harness.options import Options
from harness.scoring import ScoreInterval, Scorer, Scores
from harness_tasks.unlearning import formulas, membership, uncertainty
from harness_tasks.unlearning.formulas import (
    MODEL_UTILITY_PARTS,
    TruthRatioAggregate,
    TruthRatioMean,
)
from harness_tasks.unlearning.logs import EvaluationLog, check_comparable, read_log
from harness_tasks.unlearning.recorded import (
    Figure,
    Missing,
    attacks,
    column,
    mean_figure,
    mia_scores,
    normalised,
    own_auc,
    probabilities,
    truth_losses,
    truth_ratio_name,
    truth_ratios,
)

HALF = 0.5
"""AUC that OpenUnlearning takes for PrivLeak where it has no log of a retrained model."""

_PRIVACY_ATTACKS = ("loss", "zlib", "min_k", "min_k_plus_plus")
_TRUTH_RATIOS = ("forget", "retain", "ra", "wf")
_SAME = 1e-6
"""Recorded and computed values that differ by more are pointed out."""


class LogOptions(Options):
    """What can be chosen when a log is scored."""

    entry: str | None = None
    """Which log of a file that holds several."""
    reference_entry: str | None = None
    """Which log of the reference file; without --reference, another one of the same file."""


class TofuLogOptions(LogOptions):
    """What can be chosen when a log of TOFU is scored."""

    questions_per_author: int = Field(default=20, ge=1)
    """Questions about one author, in a row: example i is about author i // this."""


@dataclass
class _Sheet:
    """The figures found so far, and why others could not be found."""

    figures: dict[str, Figure] = field(default_factory=dict[str, Figure])
    refused: dict[str, str] = field(default_factory=dict[str, str])
    notes: list[str] = field(default_factory=list[str])
    details: dict[str, Any] = field(default_factory=dict[str, Any])
    intervals: dict[str, ScoreInterval] = field(default_factory=dict[str, ScoreInterval])

    def add(self, name: str, compute: Callable[[], Figure]) -> None:
        """Compute a figure, or note why the log does not allow it."""
        try:
            self.figures[name] = compute()
        except ValueError as reason:
            self.refused[name] = str(reason)

    def derive(self, name: str, compute: Callable[[], Figure]) -> None:
        """Compute a figure that no log has; what the log lacks for it is not worth a note."""
        try:
            self.figures[name] = compute()
        except Missing:
            return
        except ValueError as reason:
            self.refused[name] = str(reason)

    def value(self, name: str) -> float:
        """A figure found before.

        Raises:
            Missing: it was not found.
        """
        if name not in self.figures:
            why = f" ({self.refused[name]})" if name in self.refused else ""
            raise Missing(f"needs {name}, which the log does not give{why}")
        return self.figures[name].value


class LogScorer(Scorer):
    """What the scorers of TOFU and MUSE share."""

    Options: ClassVar[type[Options]] = LogOptions
    family: ClassVar[str]
    """Where a collection of logs keeps those of this benchmark."""
    rouge: ClassVar[str]
    """The ROUGE value that is averaged."""

    def score(self, files: Sequence[Path], reference: Path | None, options: Any) -> Scores:
        """Compute every metric of one log.

        Raises:
            UnknownName: a file has no such entry.
            UsageError: there is more than one file, a file is damaged or holds nothing known, or
                the reference was evaluated on other examples.
        """
        if len(files) != 1:
            raise UsageError(f"one {self.family} log is scored at a time; {len(files)} are given.")
        chosen: LogOptions = options
        log = read_log(files[0], self.family, chosen.entry)
        against = None
        if reference is not None or chosen.reference_entry is not None:
            against = read_log(reference or files[0], self.family, chosen.reference_entry)
            check_comparable(log, against, filter(_of_forget_set, log.metrics))
        sheet = _Sheet()
        for name in log.metrics:
            if name not in ("model_utility", "forget_quality", "privleak"):
                sheet.add(name, partial(self._recomputed, log, name))
        self._derive(sheet, log, against, chosen)
        if not sheet.figures:
            reasons = "; ".join(f"{name}: {why}" for name, why in sheet.refused.items())
            raise UsageError(
                f"{log.source} holds no {self.family} metric that can be computed ({reasons})."
            )
        return _scores(sheet, log, against)

    def _derive(
        self,
        sheet: _Sheet,
        log: EvaluationLog,
        against: EvaluationLog | None,
        options: LogOptions,
    ) -> None:
        """Add what is made of several metrics, or of two logs."""
        del options
        sheet.add("privleak", partial(_privleak, sheet, log, against))
        if against is None:
            return
        for attack in attacks(log):
            sheet.derive(f"{attack}_difference", partial(_auc_difference, log, against, attack))
        for attack in _PRIVACY_ATTACKS:
            sheet.derive(f"s_mia_{attack}", partial(_s_mia, log, against, f"mia_{attack}"))
        sheet.derive("privacy", partial(_privacy, sheet))

    def _recomputed(self, log: EvaluationLog, name: str) -> Figure:
        """A metric of the log, from its examples."""
        if name.endswith("_Q_A_Prob_normalised"):
            return mean_figure(normalised(log, name.removesuffix("_Q_A_Prob_normalised")))
        if name.endswith("_Prob"):
            return mean_figure(probabilities(log, name))
        if name.endswith("_ROUGE"):
            return mean_figure(column(log, name, self.rouge).numbers())
        if name.lower().endswith("_truth_ratio"):
            return _truth_ratio(log, name[: -len("_truth_ratio")])
        if name.startswith("mia_"):
            return Figure(own_auc(log, name), sum(map(len, mia_scores(log, name))))
        if name.endswith(("extraction_strength", "exact_memorization")):
            return mean_figure(column(log, name, "score").numbers())
        raise Missing("no metric that is known here")


class TofuScorer(LogScorer):
    """Logs of TOFU."""

    Options: ClassVar[type[Options]] = TofuLogOptions
    family: ClassVar[str] = "tofu"
    rouge: ClassVar[str] = "rougeL_recall"

    def _derive(
        self,
        sheet: _Sheet,
        log: EvaluationLog,
        against: EvaluationLog | None,
        options: LogOptions,
    ) -> None:
        for data in ("ra", "wf"):
            name = f"{data}_Q_A_Prob_normalised"
            if name not in log.metrics:
                sheet.derive(name, partial(self._recomputed, log, name))
        for data in _TRUTH_RATIOS:
            name = truth_ratio_name(log, data)
            if name not in log.metrics:
                sheet.derive(name, partial(_truth_ratio, log, data))
            sheet.derive(f"{name}_arithmetic", partial(_arithmetic_truth_ratio, log, data))
            sheet.derive(f"{name}_prob_mean", partial(_prob_mean, log, data))
        sheet.add("model_utility", partial(_model_utility, sheet, log))
        sheet.derive("model_utility_arithmetic", partial(_model_utility, sheet, log, "_arithmetic"))
        sheet.derive("memorization_score", partial(_memorization_score, sheet, log))
        sheet.add("forget_quality", partial(_forget_quality, sheet, log, against))
        super()._derive(sheet, log, against, options)
        if against is not None and isinstance(options, TofuLogOptions):
            sheet.intervals |= _intervals(log, against, options.questions_per_author)


class MuseScorer(LogScorer):
    """Logs of MUSE."""

    family: ClassVar[str] = "muse"
    rouge: ClassVar[str] = "rougeL_f1"

    def _derive(
        self,
        sheet: _Sheet,
        log: EvaluationLog,
        against: EvaluationLog | None,
        options: LogOptions,
    ) -> None:
        super()._derive(sheet, log, against, options)
        if against is not None:  # each text is its own cluster
            sheet.intervals |= _intervals(log, against, 1)


def _scores(sheet: _Sheet, log: EvaluationLog, against: EvaluationLog | None) -> Scores:
    recorded = {
        name: metric.recorded for name, metric in log.metrics.items() if metric.recorded is not None
    }
    for name, figure in sheet.figures.items():
        if name in recorded and not _agree(name, recorded[name], figure.value):
            sheet.notes.append(
                f"{name}: the log records {recorded[name]:.10g}, its examples give "
                f"{figure.value:.10g}."
            )
    missing = {name: k for name in log.metrics if (k := _nulls(log, name))}
    if missing:
        sheet.notes.append(
            "examples without a value, in no mean: "
            + ", ".join(f"{k} of {name}" for name, k in missing.items())
            + "."
        )
    return Scores(
        metrics={name: figure.value for name, figure in sheet.figures.items()},
        n={name: figure.n for name, figure in sheet.figures.items()},
        intervals=sheet.intervals,
        recorded=recorded,
        not_computed=sheet.refused,
        notes=sheet.notes,
        details={
            "log": log.source,
            "reference": against.source if against else None,
            "missing": missing,
            **sheet.details,
        },
    )


def _agree(name: str, recorded: float, computed: float) -> bool:
    if name == "privleak":  # says itself which reference was taken
        return True
    if name == "forget_quality" and recorded > 0 and computed > 0:
        recorded, computed = math.log10(recorded), math.log10(computed)
    return math.isclose(recorded, computed, rel_tol=_SAME, abs_tol=_SAME)


def _nulls(log: EvaluationLog, name: str) -> int:
    """Examples that a metric has no value for."""
    columns = log.metrics[name].columns.values()
    return max((sum(v is None for v in one.cells.values()) for one in columns), default=0)


def _of_forget_set(name: str) -> bool:
    """Whether a metric is of the forget set, on which log and reference have to agree."""
    return name.startswith(("forget", "mia_", "extraction_strength", "exact_memorization"))


def _truth_ratio(log: EvaluationLog, data: str) -> Figure:
    return _aggregated(list(truth_ratios(log, data).values()), data)


def _arithmetic_truth_ratio(log: EvaluationLog, data: str) -> Figure:
    arithmetic = TruthRatioMean.ARITHMETIC
    losses = truth_losses(log, data).values()
    return _aggregated([formulas.truth_ratio(*one, mean=arithmetic) for one in losses], data)


def _prob_mean(log: EvaluationLog, data: str) -> Figure:
    losses = truth_losses(log, data).values()
    shares = [formulas.truth_probability(right, wrong) for right, wrong in losses]
    return Figure(formulas.mean(shares), len(shares))


def _aggregated(ratios: list[float], data: str) -> Figure:
    if not ratios:
        raise Missing("no example has a value")
    forget = data == "forget"
    how = TruthRatioAggregate.CLOSER_TO_1_BETTER if forget else TruthRatioAggregate.TRUE_BETTER
    return Figure(formulas.aggregate_truth_ratios(ratios, how), len(ratios))


def _model_utility(sheet: _Sheet, log: EvaluationLog, variant: str = "") -> Figure:
    """Model utility; `variant` is the ending of other truth ratios."""
    names = {part: part for part in MODEL_UTILITY_PARTS}
    for data in _TRUTH_RATIOS[1:]:
        names[f"{data}_Truth_Ratio"] = truth_ratio_name(log, data) + variant
    value = formulas.model_utility({part: sheet.value(name) for part, name in names.items()})
    counts = [
        min(sheet.figures[names[part]].n for part in names if part.startswith(f"{data}_"))
        for data in _TRUTH_RATIOS[1:]
    ]
    return Figure(value, sum(counts))


def _memorization_score(sheet: _Sheet, log: EvaluationLog) -> Figure:
    names = (
        "extraction_strength",
        "exact_memorization",
        "forget_Q_A_PARA_Prob",
        f"{truth_ratio_name(log, 'forget')}_prob_mean",
    )
    value = formulas.memorization_score(*(sheet.value(name) for name in names))
    return Figure(value, min(sheet.figures[name].n for name in names))


def _forget_quality(sheet: _Sheet, log: EvaluationLog, against: EvaluationLog | None) -> Figure:
    """Forget quality; its logarithm, distance and floor go onto the sheet beside it."""
    if against is None:
        raise Missing("needs the log of a retrained model: --reference FILE")
    ours = list(truth_ratios(log, "forget").values())
    theirs = list(_of_reference(against, lambda: truth_ratios(against, "forget")).values())
    if ours == theirs:
        sheet.notes.append(
            "log and reference have the same truth ratios, so forget quality says nothing; "
            "is the reference another model?"
        )
    found = formulas.forget_quality(ours, theirs)
    n = len(ours)
    sheet.figures["forget_quality_log10"] = Figure(found.log10_p, n)
    sheet.figures["forget_quality_floor_log10"] = Figure(found.floor_log10, n)
    sheet.figures["forget_quality_ks_distance"] = Figure(found.ks_distance, n)
    return Figure(found.p_value, n)


def _reference_auc(against: EvaluationLog, name: str) -> float:
    return _of_reference(against, lambda: own_auc(against, name))


def _auc_difference(log: EvaluationLog, against: EvaluationLog, name: str) -> Figure:
    value = membership.auc_difference(own_auc(log, name), _reference_auc(against, name))
    return Figure(value, sum(map(len, mia_scores(log, name))))


def _s_mia(log: EvaluationLog, against: EvaluationLog, name: str) -> Figure:
    value = membership.s_mia(own_auc(log, name), _reference_auc(against, name))
    return Figure(value, sum(map(len, mia_scores(log, name))))


def _privacy(sheet: _Sheet) -> Figure:
    names = [f"s_mia_{attack}" for attack in _PRIVACY_ATTACKS]
    value = membership.privacy({name: sheet.value(name) for name in names})
    return Figure(value, min(sheet.figures[name].n for name in names))


def _privleak(sheet: _Sheet, log: EvaluationLog, against: EvaluationLog | None) -> Figure:
    """PrivLeak, with a sentence on the reference that the log's own value had."""
    ours = own_auc(log, "mia_min_k")
    n = sum(map(len, mia_scores(log, "mia_min_k")))
    metric = log.metrics.get("privleak")
    recorded = metric.recorded if metric else None
    implied = None if recorded is None else 1 - (1 - ours) / (1 + recorded / 100 or math.inf)
    if against is not None:
        theirs = _reference_auc(against, "mia_min_k")
        if recorded is not None and not _same(recorded, membership.privleak(ours, theirs)):
            sheet.notes.append(
                f"privleak: taken against the reference's AUC {theirs:.6g}; the log's own "
                f"{recorded:.6g} was taken against {implied:.6g}."
            )
        sheet.details["privleak_reference_auc"] = theirs
        return Figure(membership.privleak(ours, theirs), n)
    half = membership.privleak(ours, HALF)
    if recorded is not None and not _same(recorded, half):
        sheet.figures["privleak_against_half"] = Figure(half, n)
        raise Missing(
            f"the log's own {recorded:.6g} was taken against a retrained model with AUC "
            f"{implied:.6g}, not against {HALF}: give its log with --reference FILE"
        )
    sheet.notes.append(
        f"privleak: taken against AUC {HALF}, as OpenUnlearning does without a retrained model"
        + ("; so was the value in the log." if recorded is not None else ".")
    )
    sheet.details["privleak_reference_auc"] = HALF
    return Figure(half, n)


def _same(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=_SAME, abs_tol=_SAME)


def _of_reference(against: EvaluationLog, compute: Callable[[], Any]) -> Any:
    """Compute something of the reference; what it lacks is said of it, not of the log."""
    try:
        return compute()
    except ValueError as reason:
        raise Missing(f"the reference {against.source}: {reason}") from reason


def _intervals(
    log: EvaluationLog, against: EvaluationLog, per_author: int
) -> dict[str, ScoreInterval]:
    """Intervals over authors, from the examples that have a value in both logs."""
    found = dict[str, ScoreInterval]()
    for name, compute in (
        ("forget_quality_ks_distance", _ks_interval),
        *((f"{attack}_difference", partial(_auc_interval, name=attack)) for attack in attacks(log)),
    ):
        try:
            one = compute(log, against, per_author)
        except ValueError:  # the figure itself says why
            continue
        if one.low is not None and one.high is not None:
            found[name] = ScoreInterval(one.low, one.high, one.clusters, one.level)
    return found


def _ks_interval(
    log: EvaluationLog, against: EvaluationLog, per_author: int
) -> uncertainty.Interval:
    ours, theirs = (truth_ratios(one, "forget") for one in (log, against))
    kept = [index for index in ours if index in theirs]
    return uncertainty.ks_distance_interval(
        [ours[index] for index in kept],
        [theirs[index] for index in kept],
        _authors(kept, per_author),
    )


def _auc_interval(
    log: EvaluationLog, against: EvaluationLog, per_author: int, name: str
) -> uncertainty.Interval:
    forget, holdout = zip(mia_scores(log, name), mia_scores(against, name), strict=True)
    kept_forget = [index for index in forget[0] if index in forget[1]]
    kept_holdout = [index for index in holdout[0] if index in holdout[1]]
    return uncertainty.auc_difference_interval(
        (
            [forget[0][index] for index in kept_forget],
            [forget[1][index] for index in kept_forget],
        ),
        (
            [holdout[0][index] for index in kept_holdout],
            [holdout[1][index] for index in kept_holdout],
        ),
        _authors(kept_forget, per_author),
        _authors(kept_holdout, per_author),
    )


def _authors(indices: Sequence[str], per_author: int) -> list[int]:
    # int() of an index that is no number is a ValueError: no author is known.
    return [int(index) // per_author for index in indices]
