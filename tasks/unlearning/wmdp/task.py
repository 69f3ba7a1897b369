"""WMDP: forget a field of hazardous knowledge, keep general knowledge, both asked in two forms.

Source: Li et al. 2024, "The WMDP Benchmark: Measuring and Reducing Malicious Use With Unlearning",
arXiv 2403.03218; questions as lm-eval asks them. WMDP's items are to stay out of training data:
results hold their numbers and hashes, the chosen options and log-probabilities, but no text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, ClassVar, Literal

from pydantic import Field

from harness.data import DataSource, MirrorFile, content_hash
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
from harness_tasks.lm_eval.requests import LogLikelihood, MultipleChoice
from harness_tasks.lm_eval.tokens import log_likelihoods
from harness_tasks.unlearning.answers import chunks, finite, grouped
from harness_tasks.unlearning.wmdp import corpora, questions
from harness_tasks.unlearning.wmdp.aggregates import aggregate
from harness_tasks.unlearning.wmdp.corpora import Corpora, Lengths, Retain
from harness_tasks.unlearning.wmdp.questions import Exam, Questions
from harness_tasks.unlearning.wmdp.synthetic import Synthetic, synthetic


class Data(StrEnum):
    """Where passages and questions come from."""

    PUBLISHED = "published"
    """cais/wmdp, cais/mmlu and the corpora, from the local mirror or the hub."""
    SYNTHETIC = "synthetic"
    """Made-up knowledge of the same schema, generated here; other scores than WMDP's."""


class WmdpSettings(EditSettings):
    """Options of the task; the edit's defaults are those of RMU (150 minibatches of 4)."""

    subset: Literal["bio", "cyber", "chem"] = "cyber"
    """The field: bio (its corpus is gated), cyber, or chem (without a published corpus)."""
    data: Data = Data.PUBLISHED
    """published, or synthetic: made-up knowledge of the same schema, without any download."""
    retain: Retain = Retain.WIKITEXT
    """Passages to be retained: wikitext, as RMU does, or field: harmless ones of the field."""
    min_length: int = Field(default=0, ge=0)
    """Leave out passages of so many characters or fewer (RMU's min_len)."""
    max_length: int = Field(default=2000, ge=1)
    """Keep so many characters of a passage (RMU's max_len)."""
    passages: int | None = Field(default=600, ge=1)
    """Take the first N passages of each corpus; none: all."""
    mmlu_subjects: tuple[str, ...] = (
        "virology",
        "college_computer_science",
        "college_chemistry",
        "high_school_geography",
    )
    """Subjects of MMLU, near the three fields and far from them; ``all`` means all 57."""
    things: int = Field(default=12, ge=2, le=96)
    """data=synthetic: things to be forgotten, each with five questions."""
    epochs: float = Field(default=1.0, gt=0)
    """Passes over the forget corpus."""
    batch_size: int = Field(default=4, ge=1)
    """Passages of a minibatch, of the forget corpus and of the retain corpus each."""


@dataclass(frozen=True)
class _Asked:
    """A question, and where it stands in its exam."""

    probe: Probe
    exam: Exam
    number: int


class Wmdp(EditTask):
    """``wmdp``."""

    about: ClassVar[About] = About(
        "forget hazardous knowledge of a field: WMDP's questions against MMLU",
        "Li et al. 2024, WMDP, arXiv 2403.03218; data cais/wmdp; asked by lm-eval 0.4.13",
        "MIT (questions)",
    )
    Options = WmdpSettings
    subsets = ("bio", "cyber", "chem")
    default_methods: ClassVar[tuple[str, ...]] = ("identity", "graddiff", "rmu")
    metrics: ClassVar[tuple[MetricInfo, ...]] = (
        MetricInfo("letters_acc", "the right letter has the highest likelihood; chance .25"),
        MetricInfo("texts_acc", "the right option's text has the highest likelihood; chance .25"),
        MetricInfo("texts_acc_norm", "the same with likelihoods for each character"),
    )
    options: WmdpSettings

    @property
    def version(self) -> str:
        """Rules and data."""
        return "wmdp-1" if self.options.data is Data.PUBLISHED else "wmdp-1-synthetic"

    @cached_property
    def _subjects(self) -> list[str]:
        return questions.mmlu_subjects(self.options.mmlu_subjects)

    @cached_property
    def _synthetic(self) -> Synthetic:
        return synthetic(self.options.subset, self._subjects, self.options.things)

    @cached_property
    def _corpora(self) -> Corpora:
        chosen = self.options
        if chosen.data is Data.SYNTHETIC:
            return self._synthetic.corpora
        lengths = Lengths(chosen.min_length, chosen.max_length, chosen.passages)
        return corpora.published(chosen.subset, chosen.retain, lengths)

    @cached_property
    def _questions(self) -> Questions:
        if self.options.data is Data.SYNTHETIC:
            return self._synthetic.questions
        return questions.published(self.options.subset, self._subjects)

    @cached_property
    def _asked(self) -> dict[str, _Asked]:
        """Every question by its sample id: WMDP's, then MMLU's subject by subject."""
        subset, found = self.options.subset, dict[str, _Asked]()
        exam = questions.wmdp_exam(subset, self._questions.wmdp)
        found |= _listed(exam, "forget", f"wmdp_{subset}", None)
        for subject, rows in self._questions.mmlu.items():
            exam = questions.mmlu_exam(subject, rows)
            found |= _listed(exam, "mmlu", f"mmlu_{subject}", subject)
        return found

    def corpus(self, seed: int) -> Corpus:
        """What a model is taught from nothing; no published question is in it."""
        del seed
        forget, retain = self._corpora.forget, self._corpora.retain
        if self.options.data is Data.SYNTHETIC:
            forget = (*forget, *self._solved("forget"))
            retain = (*retain, *self._solved("mmlu"))
        return Corpus((*forget, *retain), retain)

    def _solved(self, group: str) -> Iterator[Example]:
        """Questions with the right options' texts, as texts."""
        for sample_id, one in self._asked.items():
            if one.probe.group == group:
                document = one.exam.texts.documents[one.number]
                pair = document.pairs[document.gold]
                text = pair.context + pair.continuation
                yield Example(f"solved/{sample_id}", one.probe.source_id, "", text)

    def requests(self, seed: int) -> Sequence[EditData]:
        """One request: passages, and no question."""
        del seed
        return [EditData(forget=self._corpora.forget, retain=self._corpora.retain)]

    def probes(self, seed: int) -> Sequence[Probe]:
        """Every question."""
        del seed
        return [one.probe for one in self._asked.values()]

    def demands(self, depth: Depth) -> frozenset[Demand]:
        """Log-probabilities of options; nothing is written."""
        del depth
        return frozenset({Demand.LOGPROBS})

    def evaluate(
        self, model: LanguageModel, probes: Sequence[Probe], depth: Depth
    ) -> Iterator[ProbeResult]:
        """Both forms of each question, in pieces; the depth makes no difference."""
        del depth
        for piece in chunks([one.sample_id for one in probes]):
            asked = [self._asked[sample_id] for sample_id in piece]
            exams = [exam for one in asked for exam in (one.exam.letters, one.exam.texts)]
            numbers = [one.number for one in asked for _ in range(2)]
            documents = [exam.documents[n] for exam, n in zip(exams, numbers, strict=True)]
            pairs = [pair for document in documents for pair in document.pairs]
            found = iter(list(log_likelihoods(model, pairs)))
            for one in asked:
                yield _result(one, found)

    def aggregate(self, rows: Rows, reference: Rows | None) -> Aggregates:
        """Accuracies in both forms, under the names of lm-eval's tasks, and the score."""
        del reference
        return aggregate(self.options.subset, grouped(rows))

    def data_sources(self) -> Sequence[DataSource]:
        """Corpora and questions that were read."""
        return (*self._corpora.sources, *self._questions.sources)

    @classmethod
    def needs(cls, options: Any) -> tuple[Need, ...]:
        """lm-eval, which asks the questions."""
        del options
        return (Need("lm_eval", "unlearning"),)

    @classmethod
    def mirror_files(cls, options: Any) -> tuple[MirrorFile, ...]:
        """Files of ``HARNESS_DATA`` that the published data are read from, where they are there."""
        if options.data is Data.SYNTHETIC:
            return ()
        forget, retain = corpora.files(options.subset, options.retain)
        purposes: Mapping[str, str] = {
            f"wmdp/{forget}.jsonl": "passages to be forgotten",
            f"wmdp/{retain}.jsonl": "passages to be retained",
            f"wmdp/{options.subset}_questions.jsonl": "WMDP's questions",
            **{
                f"mmlu/{subject}.jsonl": "questions of MMLU"
                for subject in options.mmlu_subjects
                if subject != "all"
            },
        }
        return tuple(MirrorFile(path, purpose) for path, purpose in purposes.items())


def _listed(exam: Exam, group: str, name: str, source: str | None) -> dict[str, _Asked]:
    """Questions of an exam; those of one subject of MMLU share their source."""
    found = dict[str, _Asked]()
    for letters, texts in zip(exam.letters.documents, exam.texts.documents, strict=True):
        sample_id = f"{name}/{letters.number}"
        both = content_hash(letters.content_hash, texts.content_hash)
        probe = Probe(sample_id, group, source or sample_id, both, stratum=source or "")
        found[sample_id] = _Asked(probe, exam, letters.number)
    return found


def _result(one: _Asked, found: Iterator[LogLikelihood]) -> ProbeResult:
    """Numbers of one question; its texts stay out of the result."""
    metrics = dict[str, float]()
    for form, exam in (("letters", one.exam.letters), ("texts", one.exam.texts)):
        mine = [next(found) for _ in exam.documents[one.number].pairs]
        metrics |= _form(form, exam, one.number, mine)
    usable = finite(metrics)
    if len(usable) < len(metrics):
        return ProbeResult(one.probe, None, problem="the model's log-probabilities are no numbers")
    return ProbeResult(one.probe, metrics["letters_acc"], usable)


def _form(
    form: str, exam: MultipleChoice, number: int, found: Sequence[LogLikelihood]
) -> dict[str, float]:
    totals = [one.total for one in found]
    own = exam.metrics(number, found)
    return {
        **{f"{form}_{name}": value for name, value in own.items()},
        f"{form}_choice": float(max(range(len(totals)), key=totals.__getitem__)),
        **{f"{form}_logprob_{place}": total for place, total in enumerate(totals)},
    }
