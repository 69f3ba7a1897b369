"""`mem0-additive`: facts that are only ever added (the algorithm of Mem0 2.x).

Package mem0ai 2.2.1 (``Memory._add_to_vector_store``, ``utils/scoring.py``), which has replaced
the algorithm of the paper (arXiv 2504.19413; here `mem0`). One call extracts memories from a
finished task, given the last ten messages and the ten most similar memories as context; what is
word for word (md5) among those ten or twice in the answer is dropped; nothing is ever updated or
deleted. Reading fetches max(4 k, 60) memories by similarity, drops those below 0.1, adds to each
similarity a BM25 score squeezed to [0, 1] by a sigmoid that depends on the length of the query,
and shows the k best.

Deviations: own prompt; the stream's `k` (package: 20); words are neither lemmatised nor linked as
entities, since both need spaCy, so the entity boost is left out; no dates and no expiry. The
threshold is one of cosines: with ``--embedder bm25`` it means little. A finished task is two
messages, the task and what was done; messages that are kept are cut. The window is the entry
``messages``.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

from pydantic import Field

from harness.models.search import Bm25Ranker, SimilaritySearch
from harness.options import Options
from harness.protocols.stream import (
    Entry,
    Experience,
    Hit,
    MemoryContext,
    Query,
    Retrieval,
    TieBreak,
)
from harness.registry import About
from harness_methods.memory.mem0 import FACT_CHARS, MOST_FACTS
from harness_methods.memory.model_text import json_object, listed, phrases
from harness_methods.memory.prompts import experience_text, trajectory_text
from harness_methods.memory.store import RetrievalOptions, shown_entries
from harness_methods.memory.writing import (
    WriterOptions,
    WritingMemory,
    numbered,
    shortened,
)

WINDOW = "messages"
MESSAGE_CHARS = 400
"""Of a message that is kept in the window."""
POOL_FACTOR, POOL_LEAST = 4, 60
SIGMOIDS = ((3, 5.0, 0.7), (6, 7.0, 0.6), (9, 9.0, 0.5), (15, 10.0, 0.5))
"""Most words of a query, with the middle and the steepness of its sigmoid."""
LONG_SIGMOID = (12.0, 0.5)
_WORD = re.compile(r"\w+")

EXTRACT = """\
Extract from the new record of a finished task what will help with later tasks of the same kind: \
how the task works, which approach or answer turned out right or wrong, what to avoid. Each memory \
is one or two sentences that can be understood alone. Do not repeat what is known already.

Known already:
{memories}

Earlier messages:
{messages}

New record:
{record}

Reply with JSON only: {{"memory": [{{"text": "first memory"}}, {{"text": "second memory"}}]}}. \
Without anything new: {{"memory": []}}."""


class AdditiveOptions(RetrievalOptions, WriterOptions):
    """Options of `mem0-additive`."""

    window: int = Field(default=10, ge=0)
    """Last messages that the extraction is given (package: 10)."""
    neighbours: int = Field(default=10, ge=0)
    """Most similar memories that the extraction is given (package: 10)."""
    threshold: float = 0.1
    """Least similarity of a memory that is shown (package: 0.1)."""


class Mem0Additive(WritingMemory[AdditiveOptions]):
    """Facts that are only added, found by similarity and by words."""

    about: ClassVar[About] = About(
        "Facts that a model extracts and only adds, found by similarity and words (Mem0 2.x).",
        "mem0ai 2.2.1 (its algorithm replaced that of Mem0, arXiv 2504.19413)",
    )
    Options: ClassVar[type[Options]] = AdditiveOptions
    counted: ClassVar[tuple[str, ...]] = ("facts", "added", "duplicates")

    def __init__(self, options: Options, context: MemoryContext) -> None:
        super().__init__(options, context)
        older_first = context.settings.tie_break is TieBreak.OLDER
        self._words = SimilaritySearch(Bm25Ranker(), older_first=older_first)

    @property
    def _facts(self) -> dict[str, Entry]:
        return {one: entry for one, entry in self._entries.items() if one != WINDOW}

    async def find(self, query: Query) -> Retrieval:
        """Return the k best facts by the sum of similarity and word score."""
        k = shown_entries(self.options.k, self.context)
        pool, facts = max(POOL_FACTOR * k, POOL_LEAST), self._facts
        similar = await self.context.similarity.nearest(facts, query.goal, pool)
        shared = await self._words.nearest(facts, query.goal, pool)
        squeezed = {one: _squeezed(score, query.goal) for one, score in shared if score > 0}
        most = 2.0 if squeezed else 1.0
        ranked = sorted(
            (
                Hit(one, facts[one].text, min((score + squeezed.get(one, 0.0)) / most, 1.0))
                for one, score in similar
                if score >= self.options.threshold
            ),
            key=lambda hit: -hit.score,
        )
        return Retrieval(tuple(ranked[:k]))

    async def evolve(self, experience: Experience) -> None:
        """Add what the model extracts, and move the window of messages on."""
        record = trajectory_text(experience)
        near = await self.context.similarity.nearest(self._facts, record, self.options.neighbours)
        known, messages = [self._entries[one].text for one, _ in near], self._messages()
        prompt = self.prompt(EXTRACT, memories=numbered(known), messages=messages, record=record)
        facts = _facts_in(await self.write(prompt))
        self._keep_messages([*messages, *_messages_of(experience)], experience)
        if facts is None:
            self.count("unreadable")
            return
        self.count("facts", len(facts))
        seen = {_hash(text) for text in known}
        for text in facts:
            if _hash(text) in seen:
                self.count("duplicates")
                continue
            seen.add(_hash(text))
            step = experience.step
            self.put(Entry(self.new_id(step), text, text, experience.sample_id, step))
            self.count("added")

    def _messages(self) -> list[str]:
        window = self._entries.get(WINDOW)
        return cast("list[str]", json.loads(window.text)) if window else []

    def _keep_messages(self, messages: Sequence[str], experience: Experience) -> None:
        size = self.options.window
        if size:
            text = json.dumps(messages[-size:], ensure_ascii=False)
            self.put(Entry(WINDOW, text, "", experience.sample_id, experience.step))


def _messages_of(experience: Experience) -> tuple[str, str]:
    """A finished task as a conversation of two messages."""
    task = f"{experience.goal_label}: {experience.goal}"
    done = experience_text(experience).removeprefix(task).strip()
    return shortened(task, MESSAGE_CHARS), shortened(done, MESSAGE_CHARS)


def _facts_in(answer: str) -> tuple[str, ...] | None:
    """The texts that an answer lists, as objects or as bare texts; None if there is no list."""
    found = listed((json_object(answer) or {}).get("memory"))
    if found is None:
        return None
    texts = [
        cast("Mapping[str, Any]", one).get("text") if isinstance(one, Mapping) else one
        for one in found
    ]
    return phrases(texts, MOST_FACTS, FACT_CHARS)


def _squeezed(score: float, query: str) -> float:
    """A BM25 score between 0 and 1; longer queries have larger scores."""
    words = len(_WORD.findall(query))
    middle, steepness = next(
        ((middle, steep) for most, middle, steep in SIGMOIDS if words <= most), LONG_SIGMOID
    )
    return 1.0 / (1.0 + math.exp(-steepness * (score - middle)))


def _hash(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
