"""TOFU: forget some fictitious authors, keep the others, real authors and facts about the world.

Source: Maini et al. 2024, arXiv 2401.06121; metrics as OpenUnlearning computes them (locuslab/
open-unlearning @ d3d7cf9e), under its names. See docs/unlearning-metrics.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, ClassVar, Literal, cast

from pydantic import Field

from harness.data import DataSource, MirrorFile, content_hash
from harness.errors import UsageError
from harness.models.causal import Corpus
from harness.protocols.edit import EditData, Example
from harness.protocols.edit.data import generator
from harness.protocols.edit.language_model import Demand, LanguageModel, TokenScores
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
from harness_tasks.unlearning import formulas
from harness_tasks.unlearning.answers import (
    chunks,
    finite,
    grouped,
    member,
    memorised,
    usable,
)
from harness_tasks.unlearning.formulas import TruthRatioMean
from harness_tasks.unlearning.score import TofuScorer
from harness_tasks.unlearning.tofu.aggregates import aggregate
from harness_tasks.unlearning.tofu.data import (
    FORGOTTEN_AUTHORS,
    TOFU,
    Authors,
    Question,
    published,
    refusals,
)
from harness_tasks.unlearning.tofu.generated import generated

_MULTIPLE_CHOICE = ("real_authors", "world_facts")
_MEMBERSHIP = ("forget", "holdout")
_GENERATED_AUTHORS = 30


class Data(StrEnum):
    """Where the questions come from."""

    PUBLISHED = "published"
    """locuslab/TOFU, from the local mirror or the hub."""
    GENERATED = "generated"
    """Fictitious authors of the same schema, generated here; other scores than TOFU's."""


class TofuSettings(EditSettings):
    """Options of the task."""

    subset: Literal["forget01", "forget05", "forget10", "drawn"] = "forget01"
    """What is forgotten: the last 2, 10 or 20 of 200 authors; or drawn: authors of whom a full
    perturbed set is known, drawn by the seed."""
    data: Data = Data.PUBLISHED
    """published, or generated: fictitious authors of the same schema, without any download."""
    retain_authors: int | None = Field(default=None, ge=1)
    """Retain only the first N of the other authors: a smaller world for small models."""
    drawn_forget: int = Field(default=3, ge=1)
    """subset=drawn: authors that are forgotten."""
    drawn_retain: int = Field(default=14, ge=1)
    """subset=drawn: authors of the retain set."""
    drawn_held: int = Field(default=8, ge=1)
    """subset=drawn: authors that the model knows and no editor sees; the set ``held``."""
    questions: int = Field(default=20, ge=1, le=20)
    """Questions of each author."""
    truth_ratio: TruthRatioMean = TruthRatioMean.GEOMETRIC
    """Mean over wrong answers: geometric (official code), or arithmetic (TOFU's utils.py)."""
    stemmer: bool = True
    """Whether ROUGE compares word stems."""
    max_new_tokens: int = Field(default=200, ge=1)
    """Longest answer that the model may write."""
    gradient_norms: bool = False
    """Compute the GradNorm attack too, one example after another; needs a holdout set."""


@dataclass(frozen=True, kw_only=True)
class Asked(Probe):
    """A probe with its question."""

    question: Question


class Tofu(EditTask):
    """``tofu``."""

    about: ClassVar[About] = About(
        "forget fictitious authors: forget quality against model utility",
        "Maini et al. 2024, TOFU, arXiv 2401.06121; data locuslab/TOFU",
        "MIT (data)",
    )
    Options = TofuSettings
    subsets = ("forget01", "forget05", "forget10", "drawn")
    scorer = TofuScorer
    metrics: ClassVar[tuple[MetricInfo, ...]] = (
        MetricInfo("probability", "probability of the answer, the n-th root for n tokens"),
        MetricInfo("truth_ratio", "wrong answers' probability over the paraphrase's", False),
        MetricInfo("rougeL_recall", "ROUGE-L recall of the written answer"),
        MetricInfo("extraction_strength", "share of the answer that its beginning brings out"),
        MetricInfo("exact_memorization", "share of the answer's tokens that come first"),
    )
    options: TofuSettings

    @property
    def version(self) -> str:
        """Rules and data."""
        return "tofu-1" if self.options.data is Data.PUBLISHED else "tofu-1-generated"

    @cached_property
    def _authors(self) -> Authors:
        if self.options.data is Data.GENERATED:
            return generated(_GENERATED_AUTHORS, self.options.questions, 0)
        return published(self.options.subset)

    def _split(self, seed: int) -> dict[str, tuple[str, ...]]:
        """Names of the authors to forget, to retain, and held out of the edit."""
        chosen, every = self.options, list(self._authors.by_author)
        if chosen.subset != "drawn":
            count = FORGOTTEN_AUTHORS[chosen.subset]
            if count >= len(every):
                raise UsageError(
                    f"subset {chosen.subset} forgets {count} authors, and the data have "
                    f"{len(every)}; take a smaller subset."
                )
            retained = every[: len(every) - count][: chosen.retain_authors]
            return {"forget": tuple(every[-count:]), "retain": tuple(retained), "held": ()}
        known = self._authors.with_perturbed_set()
        sizes = (chosen.drawn_forget, chosen.drawn_retain, chosen.drawn_held)
        if sum(sizes) > len(known):
            raise UsageError(
                f"drawn_forget, drawn_retain and drawn_held add up to {sum(sizes)} authors, and "
                f"only {len(known)} have a full perturbed set; ask for fewer."
            )
        drawn = generator(f"authors/{seed}").sample(known, sum(sizes))
        first, second = sizes[0], sizes[0] + sizes[1]
        return {
            "forget": tuple(drawn[:first]),
            "retain": tuple(drawn[first:second]),
            "held": tuple(drawn[second:]),
        }

    def _questions(self, seed: int) -> dict[str, list[Question]]:
        """Questions of all sets, in order."""
        authors = self._authors
        sets: dict[str, list[Question]] = {
            name: [
                question
                for author in members
                for question in authors.by_author[author][: self.options.questions]
            ]
            for name, members in self._split(seed).items()
        }
        sets["real_authors"] = list(authors.real_authors)
        sets["world_facts"] = list(authors.world_facts)
        sets["holdout"] = list(authors.holdout)
        return sets

    def corpus(self, seed: int) -> Corpus:
        """All authors of the edit, and what the model shall know of the real world."""
        sets = self._questions(seed)
        forget, retain, held, *world = (
            tuple(one.example for one in sets[name])
            for name in ("forget", "retain", "held", *_MULTIPLE_CHOICE)
        )
        knowledge = tuple(one for members in world for one in members)
        return Corpus((*forget, *retain, *held), (*retain, *held), knowledge)

    def requests(self, seed: int) -> Sequence[EditData]:
        """One request."""
        sets = self._questions(seed)
        return [
            EditData(
                forget=tuple(one.example for one in sets["forget"]),
                retain=tuple(one.example for one in sets["retain"]),
                refusals=refusals(),
            )
        ]

    def probes(self, seed: int) -> Sequence[Asked]:
        """Every question of which enough is known, set by set."""
        return [
            _asked(group, one)
            for group, members in self._questions(seed).items()
            for one in members
            # Evaluated are those with a perturbed set, as in TOFU.
            if one.wrong or group not in ("retain", "held")
        ]

    def demands(self, depth: Depth) -> frozenset[Demand]:
        """Text for ROUGE; whole distributions and gradients for attacks, where they are made."""
        wanted = {Demand.LOGPROBS}
        if depth is Depth.FULL:
            wanted.add(Demand.TEXT)
            if self._authors.holdout:
                wanted.add(Demand.DISTRIBUTIONS)
                if self.options.gradient_norms:
                    wanted.add(Demand.GRADIENTS)
        return frozenset(wanted)

    def evaluate(
        self, model: LanguageModel, probes: Sequence[Probe], depth: Depth
    ) -> Iterator[ProbeResult]:
        """Evaluate set by set, in pieces."""
        groups = dict[str, list[Asked]]()
        for one in cast("Sequence[Asked]", probes):
            groups.setdefault(one.group, []).append(one)
        for members in groups.values():
            for piece in chunks(members):
                yield from self._piece(model, piece, depth)

    def _piece(
        self, model: LanguageModel, members: Sequence[Asked], depth: Depth
    ) -> Iterator[ProbeResult]:
        examples = [one.question.example for one in members]
        answers = [_answers(one.question, depth) for one in members]
        encoded = [
            model.codec.encode(example, text)
            for example, texts in zip(examples, answers, strict=True)
            for text in texts
        ]
        attacked = (
            depth is Depth.FULL and bool(self._authors.holdout) and members[0].group in _MEMBERSHIP
        )
        distributions = attacked and Demand.DISTRIBUTIONS in model.serves
        scores = iter(list(model.score(encoded, distributions=distributions)))
        prompts = [model.codec.prompt(example.question) for example in examples]
        written: Sequence[str] = [""] * len(members)
        if depth is Depth.FULL:
            written = list(model.generate(prompts, self.options.max_new_tokens))
        norms: Sequence[float | None] = [None] * len(members)
        if attacked and self.options.gradient_norms and Demand.GRADIENTS in model.serves:
            norms = list(model.gradient_norms([model.codec.encode(one) for one in examples]))
        for probe, texts, prompt, text, norm in zip(
            members, answers, prompts, written, norms, strict=True
        ):
            mine = [next(scores) for _ in texts]
            if not usable(mine):
                yield ProbeResult(
                    probe, None, problem="the model's log-probabilities are no numbers"
                )
                continue
            metrics = self._metrics(probe, mine, attacked=attacked)
            if depth is Depth.FULL:
                rouge = formulas.rouge_l(text, probe.question.example.answer, self.options.stemmer)
                metrics |= {"rougeL_recall": rouge.recall, "rougeL_f1": rouge.f1}
            if norm is not None:
                metrics["mia_gradnorm"] = norm
            score = metrics.get("normalised_probability", metrics["probability"])
            yield ProbeResult(
                probe, score, finite(metrics), text.strip(), model.codec.decode(prompt)
            )

    def _metrics(
        self, probe: Asked, scores: Sequence[TokenScores], *, attacked: bool
    ) -> dict[str, float]:
        question = probe.question
        answer, *others = scores
        metrics = {
            "loss": answer.loss,
            "probability": formulas.probability(answer.loss),
            "tokens": float(len(answer.logprobs)),
            **memorised(answer, ends=True),
        }
        if attacked:
            metrics |= member(answer, question.example.answer, ends=True)
        right = answer
        if question.paraphrase:
            right, *others = others
            metrics["paraphrase_loss"] = right.loss
            metrics["paraphrase_probability"] = formulas.probability(right.loss)
        if not others:
            return metrics
        losses = [one.loss for one in others]
        metrics["wrong_loss"] = sum(losses) / len(losses)
        metrics["truth_ratio"] = formulas.truth_ratio(right.loss, losses, self.options.truth_ratio)
        metrics["truth_probability"] = formulas.truth_probability(right.loss, losses)
        if probe.group in _MULTIPLE_CHOICE:
            metrics["normalised_probability"] = formulas.normalised_probability(
                metrics["probability"], [formulas.probability(loss) for loss in losses]
            )
        return metrics

    def aggregate(self, rows: Rows, reference: Rows | None) -> Aggregates:
        """OpenUnlearning's aggregates, by its names, and ours beside them."""
        return aggregate(grouped(rows), None if reference is None else grouped(reference))

    def data_sources(self) -> Sequence[DataSource]:
        """Every configuration that was read."""
        return self._authors.sources

    @classmethod
    def needs(cls, options: Any) -> tuple[Need, ...]:
        """ROUGE; the rest is the model's."""
        del options
        return (Need("rouge_score", "unlearning"),)

    @classmethod
    def mirror_files(cls, options: Any) -> tuple[MirrorFile, ...]:
        """Files of ``HARNESS_DATA`` that the published data are read from, where they are there."""
        if options.data is Data.GENERATED:
            return ()
        names: Mapping[str, str] = {
            "full": "all questions",
            "retain_perturbed": "evaluation of the retain set",
            "forget10_perturbed": "evaluation of the forget set",
            "real_authors_perturbed": "evaluation",
            "world_facts_perturbed": "evaluation",
        }
        return tuple(
            MirrorFile(f"{TOFU.folder}/{name}.json", purpose) for name, purpose in names.items()
        )


def _asked(group: str, one: Question) -> Asked:
    example = one.example
    texts = (example.question, example.answer, one.paraphrase, *one.wrong)
    return Asked(
        sample_id=f"{group}/{example.example_id}",
        group=group,
        source_id=example.source_id,
        content_hash=content_hash(*texts),
        question=one,
    )


def _answers(question: Question, depth: Depth) -> list[str]:
    """The answer, its paraphrase if there is one, and at the end the wrong answers.

    Wrong answers are five of seven texts; along the edit they are left out.
    """
    example: Example = question.example
    paraphrase = [question.paraphrase] if question.paraphrase else []
    return [example.answer, *paraphrase, *(question.wrong if depth is Depth.FULL else ())]
