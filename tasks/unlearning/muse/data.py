"""MUSE's texts: documents to forget and to retain, and what evaluation asks of them.

Source: Shi et al. 2024, "MUSE: Machine Unlearning Six-Way Evaluation for Language Models", arXiv
2407.06460; data muse-bench/MUSE-News and MUSE-Books. News are the BBC's and the books are novels
under copyright: nothing of them is shipped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from harness.data import DataSource
from harness.errors import UsageError
from harness.protocols.edit import Example
from harness_tasks.published import Published, Row

CORPORA = {"news": "muse-bench/MUSE-News", "books": "muse-bench/MUSE-Books"}
REQUESTS = 4
"""Forget sets of `scal` (each holds the one before) and of `sust` (each on its own)."""
KEPT = ("forget", "retain")
"""The two sides of KnowMem."""


@dataclass(frozen=True)
class Completion:
    """The beginning of a passage, and how it goes on."""

    prompt: str
    truth: str


@dataclass(frozen=True)
class Question:
    """A question about a text."""

    question: str
    answer: str


@dataclass(frozen=True)
class Choice:
    """Which documents are to be forgotten.

    Attributes:
        scale: a forget set of so many folds (1-4), instead of the plain one.
        sustain: so many requests one after another (1-4), instead of one.
        words: longest passage that a document is cut to.
    """

    scale: int | None
    sustain: int | None
    words: int

    def splits(self, subset: str) -> list[tuple[str, str]]:
        """Configuration and split of the forget set of each request.

        Raises:
            UsageError: both are asked for, or the corpus has none.
        """
        if self.scale is None and self.sustain is None:
            return [("raw", "forget")]
        if self.scale is not None and self.sustain is not None:
            raise UsageError(
                "scale and sustain are two experiments: one larger forget set, or several requests "
                "in sequence; leave one of them out."
            )
        if subset != "news":
            raise UsageError(
                f"MUSE has no larger or sequential forget sets of {subset}; take -T subset=news, "
                "or leave scale and sustain out."
            )
        if self.scale is not None:
            return [("scal", f"forget_{self.scale}")]
        return [("sust", f"forget_{n + 1}") for n in range(self.sustain or 0)]


@dataclass(frozen=True)
class Texts:
    """All texts of a run.

    Attributes:
        forget: passages of each request.
        retain: passages that an edit may see (``retain1``).
        unseen: passages that the model knows and no edit sees (``retain2``).
        verbmem: beginnings of the forget set's passages.
        knowmem: questions about both sides.
        solved: questions with answers that stand in the prompt, of both sides.
        privleak: texts of the forget set, and of a holdout set that no model was taught.
        taught: what a model that is taught from nothing shall know beside the passages: of the
            forget set, and of the rest.
        sources: where they are from.
    """

    forget: tuple[tuple[Example, ...], ...]
    retain: tuple[Example, ...]
    unseen: tuple[Example, ...]
    verbmem: tuple[Completion, ...]
    knowmem: Mapping[str, tuple[Question, ...]]
    solved: Mapping[str, tuple[Question, ...]]
    privleak: Mapping[str, tuple[str, ...]]
    taught: tuple[tuple[Example, ...], tuple[Example, ...]] = ((), ())
    sources: tuple[DataSource, ...] = ()


class _Reader:
    """Splits of one corpus, from the mirror or the hub."""

    def __init__(self, subset: str) -> None:
        fields = ("text", "prompt", "gt", "question", "answer")
        self._place = Published(CORPORA[subset], f"muse/{subset}", fields, known={})
        self.sources: list[DataSource] = []

    def rows(self, configuration: str, split: str, *columns: str) -> tuple[Row, ...]:
        """Rows of a split; it is ``CONFIGURATION_SPLIT.json`` (or .jsonl) in the mirror."""
        name = f"{configuration}_{split}"
        found = self._place.rows(name, columns, split, configuration)
        self.sources.append(self._place.source(name, found))
        return found

    def passages(self, configuration: str, split: str, words: int) -> tuple[Example, ...]:
        """Documents of a split, cut to passages."""
        rows = self.rows(configuration, split, "text")
        return passages(f"{configuration}_{split}", [row["text"] for row in rows], words)

    def questions(self, split: str) -> tuple[Question, ...]:
        """Questions with their answers."""
        rows = self.rows("knowmem", split, "question", "answer")
        return tuple(Question(row["question"], row["answer"]) for row in rows)


def published(subset: str, choice: Choice) -> Texts:
    """The published texts.

    Raises:
        MissingData: they are not at hand.
        UsageError: they are damaged, or the choice is none.
    """
    splits, read = choice.splits(subset), _Reader(subset)
    texts = Texts(
        forget=tuple(read.passages(*one, choice.words) for one in splits),
        retain=read.passages("raw", "retain1", choice.words),
        unseen=read.passages("raw", "retain2", choice.words),
        verbmem=tuple(
            Completion(row["prompt"], row["gt"])
            for row in read.rows("verbmem", "forget", "prompt", "gt")
        ),
        knowmem={side: read.questions(f"{side}_qa") for side in KEPT},
        solved={side: read.questions(f"{side}_qa_icl") for side in KEPT},
        privleak={
            name: tuple(row["text"] for row in read.rows("privleak", name, "text"))
            for name in ("forget", "holdout")
        },
    )
    return replace(texts, sources=tuple(read.sources))


def files(subset: str, choice: Choice) -> list[str]:
    """Files that are read of a mirror."""
    pairs = [*choice.splits(subset), ("raw", "retain1"), ("raw", "retain2"), ("verbmem", "forget")]
    pairs += [("knowmem", f"{side}_{kind}") for side in KEPT for kind in ("qa", "qa_icl")]
    pairs += [("privleak", name) for name in ("forget", "holdout")]
    return [f"muse/{subset}/{one}_{two}.json" for one, two in pairs]


def passages(name: str, documents: Sequence[str], words: int) -> tuple[Example, ...]:
    """Documents cut after every so many words; white space between passages is left out."""
    found = list[Example]()
    for number, document in enumerate(documents):
        for place, text in enumerate(_pieces(document, words)):
            source = f"{name}/{number}"
            found.append(Example(f"{source}/{place}", source, "", text))
    return tuple(found)


def _pieces(document: str, words: int) -> list[str]:
    """A document in pieces of so many words, each with its own white space kept."""
    starts = [match.start() for match in re.finditer(r"\S+", document)]
    cuts = [*starts[::words], len(document)]
    return [document[a:b].strip() for a, b in pairwise(cuts)]
