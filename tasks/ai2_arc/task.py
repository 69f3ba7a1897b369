"""AI2-ARC: multiple-choice questions of school science, as lm-eval asks them.

Clark et al. 2018, "Think you have Solved Question Answering? Try ARC, the AI2 Reasoning Challenge",
arXiv 1803.05457; data allenai/ai2_arc. Prompts, choices and metrics are those of lm-eval's
``arc_challenge`` and ``arc_easy``. Not every question has four choices, so chance is not exactly
.25.

Without an edit this is a benchmark of a model. With one, some training questions are forgotten: the
test set tells what the edit costs, those questions whether it works.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from pydantic import Field

from harness.data import DataSource, MirrorFile
from harness.errors import UsageError
from harness.models.causal import Corpus
from harness.protocols.edit import EditData, Example
from harness.protocols.edit.language_model import Demand, LanguageModel
from harness.protocols.edit.task import (
    Aggregates,
    Depth,
    EditSettings,
    EditTask,
    Probe,
    ProbeResult,
    Rows,
)
from harness.protocols.task import MetricInfo
from harness.registry import About, Need
from harness.statistics import wilson
from harness_tasks.lm_eval.requests import Document, LogLikelihood, MultipleChoice
from harness_tasks.lm_eval.tokens import log_likelihoods
from harness_tasks.published import Published, Row
from harness_tasks.unlearning.answers import chunks, column, diverged, finite, grouped

AI2_ARC = Published(
    "allenai/ai2_arc", "ai2_arc", ("id", "question", "choices", "answerKey"), known={}
)
_COLUMNS = ("question", "choices", "answerKey")
TEST, FORGET = "test", "forget"


class ArcSettings(EditSettings):
    """Options of the task."""

    shots: int = Field(default=0, ge=0)
    """Solved training questions before each; the Open LLM Leaderboard took 25."""
    forget: int = Field(default=100, ge=1)
    """Training questions that an editor is to forget; the others are to be retained."""


@dataclass(frozen=True)
class _Asked:
    """A question, and where it stands in its exam."""

    probe: Probe
    exam: MultipleChoice
    document: Document


class AI2Arc(EditTask):
    """A configuration of AI2-ARC."""

    Options = ArcSettings
    default_model: ClassVar[str] = "smollm2"
    default_methods: ClassVar[tuple[str, ...]] = ("identity",)
    metrics: ClassVar[tuple[MetricInfo, ...]] = (
        MetricInfo("acc", "the right choice has the highest likelihood"),
        MetricInfo("acc_norm", "the same with likelihoods for each character"),
    )
    configuration: ClassVar[str]
    """Of the data set: ``ARC-Challenge`` or ``ARC-Easy``."""
    exam: ClassVar[str]
    """lm-eval's task."""
    options: ArcSettings

    @property
    def version(self) -> str:
        """Rules and data."""
        return f"{self.exam}-1"

    def corpus(self, seed: int) -> Corpus:
        """Training questions with their answers; no test question is in it."""
        data = self.requests(seed)[0]
        return Corpus((*data.forget, *data.retain), data.retain)

    def requests(self, seed: int) -> Sequence[EditData]:
        """One request: some training questions with their answers, and the rest.

        A training question that is a test question too is in neither.
        """
        examples = {number: self._example(number) for number in self._usable}
        forget = [examples[number] for number in self._forgotten(seed)]
        texts = {(one.question, one.answer) for one in forget}
        retain = [one for one in examples.values() if (one.question, one.answer) not in texts]
        return [EditData(tuple(forget), tuple(retain))]

    def probes(self, seed: int) -> Sequence[Probe]:
        """The test questions, then those that are forgotten."""
        return [one.probe for one in self._asked(seed).values()]

    def demands(self, depth: Depth) -> frozenset[Demand]:
        """Log-probabilities of choices; nothing is written."""
        del depth
        return frozenset({Demand.LOGPROBS})

    def evaluate(
        self, model: LanguageModel, probes: Sequence[Probe], depth: Depth
    ) -> Iterator[ProbeResult]:
        """Ask all questions, in pieces; the depth makes no difference."""
        del depth
        known = {**self._tests, **self._trained}
        for piece in chunks([one.sample_id for one in probes]):
            asked = [known[sample_id] for sample_id in piece]
            pairs = [pair for one in asked for pair in one.document.pairs]
            found = iter(list(log_likelihoods(model, pairs)))
            for one in asked:
                yield _result(one, [next(found) for _ in one.document.pairs])

    def aggregate(self, rows: Rows, reference: Rows | None) -> Aggregates:
        """lm-eval's accuracies of the test questions, and those of the forgotten ones.

        Low and high are ends of Wilson's 95 % interval.
        """
        del reference
        groups = grouped(rows)
        if reason := diverged(groups):
            return Aggregates({"score": 0.0}, {"acc": reason, "acc_norm": reason})
        metrics = dict[str, float]()
        for group, prefix in ((TEST, ""), (FORGET, "forget_")):
            for name in ("acc", "acc_norm"):
                values = column(groups.get(group, ()), name)
                if values:
                    metrics[f"{prefix}{name}"] = sum(values) / len(values)
                if values and not prefix:
                    found = wilson(round(sum(values)), len(values))
                    if found.low is not None and found.high is not None:
                        metrics |= {f"{name}_low": found.low, f"{name}_high": found.high}
        if "acc_norm" not in metrics:
            return Aggregates(metrics, {"score": "needs test questions"})
        return Aggregates({**metrics, "score": metrics["acc_norm"]})

    def data_sources(self) -> Sequence[DataSource]:
        """Both splits."""
        return [
            AI2_ARC.source(self._file(split), rows)
            for split, rows in (("test", self._test), ("train", self._train))
        ]

    @classmethod
    def needs(cls, options: Any) -> tuple[Need, ...]:
        """lm-eval, which asks the questions."""
        del options
        return (Need("lm_eval", "unlearning"),)

    @classmethod
    def mirror_files(cls, options: Any) -> tuple[MirrorFile, ...]:
        """Files of ``HARNESS_DATA`` that the questions are read from, where they are there."""
        del options
        return (
            MirrorFile(f"ai2_arc/{cls._file('test')}.jsonl", "the questions"),
            MirrorFile(f"ai2_arc/{cls._file('train')}.jsonl", "solved examples; what is forgotten"),
        )

    @classmethod
    def _file(cls, split: str) -> str:
        return f"{cls.configuration}-{split}"

    def _rows(self, split: str) -> tuple[Row, ...]:
        return AI2_ARC.rows(self._file(split), _COLUMNS, split, self.configuration)

    @cached_property
    def _test(self) -> tuple[Row, ...]:
        return self._rows("test")

    @cached_property
    def _train(self) -> tuple[Row, ...]:
        return self._rows("train")

    def _forgotten(self, seed: int) -> list[int]:
        """Numbers of the training questions that are to be forgotten.

        Raises:
            UsageError: none would be left to retain.
        """
        count, most = self.options.forget, len(self._usable) - 1
        if count > most:
            raise UsageError(
                f"forget={count} is refused: {self.exam} has {most + 1} training questions that "
                f"the test does not ask, and one at least is retained; take at most {most}."
            )
        drawn = random.Random(f"{self.exam}/forget/{seed}")
        return sorted(drawn.sample(self._usable, count))

    @cached_property
    def _usable(self) -> list[int]:
        """Numbers of the training questions that are not asked in the test."""
        asked = {str(row["question"]).strip() for row in self._test}
        return [
            number
            for number, row in enumerate(self._train)
            if str(row["question"]).strip() not in asked
        ]

    def _example(self, number: int) -> Example:
        document = self._trained[f"train/{number}"].document
        pair = document.pairs[document.gold]
        return Example(f"train/{number}", f"train/{number}", pair.context, pair.continuation)

    @cached_property
    def _tests(self) -> dict[str, _Asked]:
        """The test questions, asked after solved examples.

        Raises:
            UsageError: there are fewer training questions than solved examples are wanted.
        """
        shots, most = self.options.shots, len(self._train)
        if shots > most:
            raise UsageError(
                f"shots={shots} is refused: {self.exam} has {most} training questions to show "
                f"solved; take at most {most}."
            )
        rows = {"test": self._test, "train": self._train, "validation": self._train[:1]}
        exam = MultipleChoice(self.exam, "arc", rows, {"num_fewshot": shots})
        return _listed(exam, TEST)

    @cached_property
    def _trained(self) -> dict[str, _Asked]:
        """The training questions, asked without solved examples."""
        rows = {"test": self._train, "train": self._train[:1], "validation": self._train[:1]}
        return {
            f"train/{one.document.number}": one
            for one in _listed(MultipleChoice(self.exam, "arc", rows), FORGET).values()
        }

    def _asked(self, seed: int) -> dict[str, _Asked]:
        forgotten = {f"train/{number}" for number in self._forgotten(seed)}
        return {
            **self._tests,
            **{name: one for name, one in self._trained.items() if name in forgotten},
        }


class ArcChallenge(AI2Arc):
    """``arc-challenge``."""

    about: ClassVar[About] = About(
        "School science questions that retrieval and word counts fail on; asked by lm-eval.",
        "Clark et al. 2018, arXiv 1803.05457; data allenai/ai2_arc; lm-eval's arc_challenge",
        "CC BY-SA 4.0 (questions)",
    )
    configuration: ClassVar[str] = "ARC-Challenge"
    exam: ClassVar[str] = "arc_challenge"


class ArcEasy(AI2Arc):
    """``arc-easy``."""

    about: ClassVar[About] = About(
        "The other school science questions of AI2-ARC; asked by lm-eval.",
        "Clark et al. 2018, arXiv 1803.05457; data allenai/ai2_arc; lm-eval's arc_easy",
        "CC BY-SA 4.0 (questions)",
    )
    configuration: ClassVar[str] = "ARC-Easy"
    exam: ClassVar[str] = "arc_easy"


def _listed(exam: MultipleChoice, group: str) -> dict[str, _Asked]:
    """Questions of an exam by sample id; each is its own source."""
    prefix, found = "train" if group == FORGET else TEST, dict[str, _Asked]()
    for document in exam.documents:
        name = f"{prefix}/{document.number}"
        found[name] = _Asked(Probe(name, group, name, document.content_hash), exam, document)
    return found


def _result(one: _Asked, found: Sequence[LogLikelihood]) -> ProbeResult:
    totals = [each.total for each in found]
    metrics = {
        **one.exam.metrics(one.document.number, found),
        "choice": float(max(range(len(totals)), key=totals.__getitem__)),
        "gold": float(one.document.gold),
        **{f"logprob_{place}": total for place, total in enumerate(totals)},
    }
    usable = finite(metrics)
    if len(usable) < len(metrics):
        return ProbeResult(one.probe, None, problem="the model's log-probabilities are no numbers")
    pair = one.document.pairs[one.document.gold]
    return ProbeResult(one.probe, metrics["acc_norm"], usable, prompt=pair.context)
