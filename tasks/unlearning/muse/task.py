"""MUSE: forget news or books; memorisation word for word, of knowledge, and leaks of membership.

Source: Shi et al. 2024, arXiv 2407.06460; metrics as MUSE's and OpenUnlearning's code compute them,
under the latter's names. See docs/unlearning-metrics.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from functools import cached_property
from typing import Any, ClassVar, Literal

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
from harness_tasks.unlearning.answers import chunks, grouped
from harness_tasks.unlearning.muse.aggregates import aggregate
from harness_tasks.unlearning.muse.data import REQUESTS, Choice, Texts, files, published
from harness_tasks.unlearning.muse.evaluation import How, Item, by_set, evaluate, items
from harness_tasks.unlearning.muse.prompts import AnswerSpace
from harness_tasks.unlearning.muse.synthetic import synthetic
from harness_tasks.unlearning.score import MuseScorer


class Data(StrEnum):
    """Where the texts come from."""

    PUBLISHED = "published"
    """muse-bench/MUSE-News or -Books, from the local mirror or the hub."""
    SYNTHETIC = "synthetic"
    """News of invented towns in the same schema, generated here; other scores than MUSE's."""


_PASSAGE_TOKENS = {Data.PUBLISHED: 128, Data.SYNTHETIC: 24}


class MuseSettings(EditSettings):
    """Options of the task."""

    subset: Literal["news", "books"] = "news"
    """The corpus: BBC news, or novels."""
    data: Data = Data.PUBLISHED
    """published, or synthetic: invented news of the same schema, without any download."""
    scale: int | None = Field(default=None, ge=1, le=REQUESTS)
    """Scalability: forget a set of N folds (1-4) at once; news only."""
    sustain: int | None = Field(default=None, ge=1, le=REQUESTS)
    """Sustainability: N requests (1-4) one after another; news only."""
    passage_words: int = Field(default=512, ge=8)
    """Longest passage of the edit, in words; MUSE cuts at 2048 tokens, about 1500 words."""
    icl: int = Field(default=10, ge=0)
    """Solved questions before each of KnowMem's."""
    stemmer: bool = False
    """Whether ROUGE compares word stems: MUSE does not, OpenUnlearning does."""
    verbmem_tokens: int | None = Field(default=None, ge=1)
    """Tokens of a continued passage, written and true; none: 128, as MUSE, and 24 with synthetic
    data, whose passages end soon after."""
    knowmem_tokens: int = Field(default=32, ge=1)
    """Longest answer that the model may write."""
    answer_space: AnswerSpace | None = None
    """Whether the prompt or the model writes the space after ``Answer:``: given, as MUSE, or
    written; none: given with published data, written with synthetic."""
    gradient_norms: bool = False
    """Compute the GradNorm attack too, one text after another."""
    articles: int = Field(default=10, ge=3, le=17)
    """data=synthetic: articles of each set."""


class Muse(EditTask):
    """``muse``."""

    about: ClassVar[About] = About(
        "forget news or books: verbatim and knowledge memorisation, and privacy",
        "Shi et al. 2024, MUSE, arXiv 2407.06460; data muse-bench/MUSE-News and -Books",
    )
    Options = MuseSettings
    subsets = ("news", "books")
    scorer = MuseScorer
    metrics: ClassVar[tuple[MetricInfo, ...]] = (
        MetricInfo("probability", "probability of the truth, the n-th root for n tokens"),
        MetricInfo("rougeL_f1", "ROUGE-L F1 of the written text"),
        MetricInfo("extraction_strength", "share of the truth that its beginning brings out"),
        MetricInfo("exact_memorization", "share of the truth's tokens that come first"),
        MetricInfo("mia_min_k", "negative mean of the lowest 40 % log-probabilities", False),
    )
    options: MuseSettings

    @property
    def version(self) -> str:
        """Rules and data."""
        return "muse-1" if self.options.data is Data.PUBLISHED else "muse-1-synthetic"

    @cached_property
    def _texts(self) -> Texts:
        chosen = self.options
        choice = Choice(chosen.scale, chosen.sustain, chosen.passage_words)
        if chosen.data is Data.PUBLISHED:
            return published(chosen.subset, choice)
        if chosen.icl >= 5 * chosen.articles:
            raise UsageError(
                f"icl={chosen.icl} leaves no question of {5 * chosen.articles}; take a smaller "
                "icl or more articles."
            )
        return synthetic(choice, chosen.subset, chosen.articles, chosen.icl)

    @cached_property
    def _items(self) -> dict[str, Item]:
        chosen = self.options
        usual = AnswerSpace.GIVEN if chosen.data is Data.PUBLISHED else AnswerSpace.WRITTEN
        found = items(self._texts, chosen.icl, chosen.answer_space or usual)
        return {one.probe.sample_id: one for one in found}

    def corpus(self, seed: int) -> Corpus:
        """Passages of the edits, ``retain1`` and ``retain2``; of made-up texts questions too."""
        del seed
        texts = self._texts
        taught, known = texts.taught
        forget = dict.fromkeys(one.answer for members in texts.forget for one in members)
        passages = [
            Example(f"forget/{n}", f"forget/{n}", "", text) for n, text in enumerate(forget)
        ]
        retained = (*texts.retain, *texts.unseen, *known)
        return Corpus((*passages, *taught, *retained), retained)

    def requests(self, seed: int) -> Sequence[EditData]:
        """One request; with `sustain` several."""
        del seed
        texts = self._texts
        return [
            EditData(forget=members, retain=texts.retain, name=f"request-{number}")
            for number, members in enumerate(texts.forget, 1)
        ]

    def probes(self, seed: int) -> Sequence[Probe]:
        """Passages, questions of both sides, texts of PrivLeak."""
        del seed
        return [one.probe for one in self._items.values()]

    def demands(self, depth: Depth) -> frozenset[Demand]:
        """Text for ROUGE; whole distributions and gradients for attacks, where they are made."""
        wanted = {Demand.LOGPROBS}
        if depth is Depth.FULL:
            wanted |= {Demand.TEXT, Demand.DISTRIBUTIONS}
            if self.options.gradient_norms:
                wanted.add(Demand.GRADIENTS)
        return frozenset(wanted)

    def evaluate(
        self, model: LanguageModel, probes: Sequence[Probe], depth: Depth
    ) -> Iterator[ProbeResult]:
        """Evaluate set by set, in pieces."""
        chosen = self.options
        usual = _PASSAGE_TOKENS[chosen.data]
        how = How(
            chosen.verbmem_tokens or usual,
            chosen.knowmem_tokens,
            chosen.stemmer,
            chosen.gradient_norms,
        )
        for members in by_set(probes).values():
            for piece in chunks(members):
                yield from evaluate(model, [self._items[one] for one in piece], depth, how)

    def aggregate(self, rows: Rows, reference: Rows | None) -> Aggregates:
        """OpenUnlearning's aggregates, by its names, and ours beside them."""
        return aggregate(grouped(rows), None if reference is None else grouped(reference))

    def data_sources(self) -> Sequence[DataSource]:
        """Every split that was read."""
        return self._texts.sources

    @classmethod
    def needs(cls, options: Any) -> tuple[Need, ...]:
        """ROUGE; the rest is the model's."""
        del options
        return (Need("rouge_score", "unlearning"),)

    @classmethod
    def mirror_files(cls, options: Any) -> tuple[MirrorFile, ...]:
        """Files of ``HARNESS_DATA`` that the published data are read from, where they are there."""
        if options.data is Data.SYNTHETIC:
            return ()
        choice = Choice(options.scale, options.sustain, options.passage_words)
        return tuple(
            MirrorFile(path, f"texts of MUSE-{options.subset.title()}")
            for path in files(options.subset, choice)
        )
