"""`amem`: notes that link to one another and rewrite their neighbours.

Xu et al. 2025, "A-MEM: Agentic Memory for LLM Agents", arXiv 2502.12110, section 3; reference code
WujiangXu/A-mem (of the paper) and agiresearch/A-mem (library). A finished task becomes a note: one
call gives it keywords, a context and tags. A second call is shown the note and its five nearest
neighbours and decides whether to *strengthen* (link the note to some of them, new tags for it) and
whether to *update neighbours* (a new context and new tags for each, in order). The indexed text is
content, context, keywords and tags; neighbours that were edited are found by their old text until
every `evo_threshold`-th evolution, when all are indexed anew. Reading returns the k nearest notes,
each followed by the notes that it links to, at most k of those together. Nothing is deleted.

Differences of the two codes: the library skips the first call in ``add_note``; here it is made, as
in the paper's code. The library's search returns ranks 0, 1, ... that it then uses as positions,
so that it edits and links the *oldest* notes instead of the nearest
(https://github.com/agiresearch/A-mem/issues/32); ``legacy_index_bug=true`` does so too. The first
note has no neighbours, and, as in the library, no second call.

Deviations: own prompts; neighbours are numbered from 1 for the model; JSON is read leniently and
not enforced by a schema, which not every engine can. An answer without JSON makes a note without
keywords, or no evolution, and is counted; new tags that are empty change nothing. Texts are
bounded. Temperature is the run's (there 0.7).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self, cast

from pydantic import Field

from harness.options import Options
from harness.protocols.stream import Entry, Experience, Hit, Query, Retrieval
from harness.registry import About
from harness_methods.memory.model_text import clean, json_object, listed, phrases
from harness_methods.memory.prompts import experience_text
from harness_methods.memory.store import RetrievalOptions, shown_entries
from harness_methods.memory.writing import WriterOptions, WritingMemory, numbered

MOST_WORDS = 8
"""Keywords or tags of a note."""
WORD_CHARS, CONTEXT_CHARS = 40, 300

ANALYSE = """\
Describe this record of a finished task, so that it can be found again for similar tasks.

{record}

Reply with JSON only: {{"keywords": ["3 to 6 specific terms"], "context": "one sentence: what kind \
of task it is and what it teaches", "tags": ["2 to 4 broad categories"]}}"""

PROCESS = """\
A memory of finished tasks gets a new note. Decide how the new note and its nearest notes evolve.

New note:
{note}

Nearest notes:
{neighbours}

Actions: strengthen - link the new note to related ones and give it better tags. update_neighbor - \
give the nearest notes a context and tags that take the new note into account; list them for all \
nearest notes in their order, unchanged where nothing changes.
Reply with JSON only: {{"should_evolve": true or false, "actions": ["strengthen", \
"update_neighbor"], "suggested_connections": [numbers of nearest notes], "tags_to_update": ["tags \
of the new note"], "new_context_neighborhood": ["one context for each nearest note"], \
"new_tags_neighborhood": [["tags for each nearest note"]]}}"""


class AMemOptions(RetrievalOptions, WriterOptions):
    """Options of `amem`."""

    neighbours: int = Field(default=5, ge=0)
    """Nearest notes that a new note can link to and rewrite (reference: 5)."""
    evo_threshold: int = Field(default=100, ge=1)
    """Evolutions from one new indexing of all notes to the next (reference: 100)."""
    legacy_index_bug: bool = False
    """Edit and link the oldest notes instead of the nearest, as the library does."""


@dataclass(frozen=True)
class Note:
    """One note; links are ids of other notes."""

    content: str
    context: str = ""
    keywords: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    links: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What a prompt shows."""
        lines = [self.content]
        if self.context:
            lines.append(f"Context: {self.context}")
        if self.keywords:
            lines.append(f"Keywords: {', '.join(self.keywords)}")
        if self.tags:
            lines.append(f"Tags: {', '.join(self.tags)}")
        return "\n".join(lines)

    @property
    def indexed(self) -> str:
        """What a search compares with, as the reference joins it."""
        keywords, tags = ", ".join(self.keywords), ", ".join(self.tags)
        return f"content:{self.content} context:{self.context} keywords: {keywords} tags: {tags}"

    @property
    def meta(self) -> dict[str, str]:
        """The note's parts, from which `of` builds it again."""
        words = {name: json.dumps(getattr(self, name)) for name in ("keywords", "tags", "links")}
        return {"content": self.content, "context": self.context, **words}

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """The note that an entry holds."""
        words = {
            name: tuple(cast("list[str]", json.loads(entry.meta[name])))
            for name in ("keywords", "tags", "links")
        }
        return cls(entry.meta["content"], entry.meta["context"], **words)


class AMem(WritingMemory[AMemOptions]):
    """Linked notes that evolve."""

    about: ClassVar[About] = About(
        "Notes with keywords, tags and links that rewrite their neighbours (A-Mem).",
        "A-MEM, arXiv 2502.12110, section 3",
    )
    Options: ClassVar[type[Options]] = AMemOptions
    counted: ClassVar[tuple[str, ...]] = ("evolved", "linked", "updated", "refused", "reindexed")

    async def find(self, query: Query) -> Retrieval:
        """Return the nearest notes, each followed by those that it links to."""
        k = shown_entries(self.options.k, self.context)
        ranked = await self.context.similarity.nearest(self._entries, query.goal, k)
        near, linked = dict(ranked), dict[str, None]()
        hits = list[Hit]()
        for one, score in ranked:
            hits.append(Hit(one, self._entries[one].text, score))
            for link in Note.of(self._entries[one]).links:
                held = self._entries.get(link)
                if held and link not in near and link not in linked and len(linked) < k:
                    linked[link] = None
                    hits.append(Hit(link, held.text))
        return Retrieval(tuple(hits))

    async def evolve(self, experience: Experience) -> None:
        """Write a note, let it and its neighbours evolve, and index them anew when it is time."""
        note = await self._analysed(experience_text(experience))
        ranked = await self.context.similarity.nearest(
            self._entries, note.content, self.options.neighbours
        )
        nearest = [one for one, _ in ranked]
        decided = await self._decided(note, nearest) if nearest else {}
        evolved = decided.get("should_evolve") is True
        if evolved:
            actions = listed(decided.get("actions")) or []
            affected = self._affected(nearest)
            if "strengthen" in actions:
                note = self._strengthened(note, decided, affected)
            if "update_neighbor" in actions:
                self._update(decided, affected)
        self._append(note, experience, evolved=evolved)

    async def _analysed(self, content: str) -> Note:
        """The new note; one without keywords where the answer cannot be read."""
        answer = await self.write(self.prompt(ANALYSE, record=content))
        found = json_object(answer) or {}
        note = Note(
            content,
            _context(found.get("context")),
            _words(found.get("keywords")) or (),
            _words(found.get("tags")) or (),
        )
        self.count("unreadable", note == Note(content))
        return note

    async def _decided(self, note: Note, nearest: Sequence[str]) -> Mapping[str, Any]:
        """What the model decides; nothing where the answer cannot be read."""
        neighbours = numbered([self._entries[one].text for one in nearest])
        answer = await self.write(self.prompt(PROCESS, note=note.text, neighbours=neighbours))
        decided = json_object(answer)
        if decided is None or not isinstance(decided.get("should_evolve"), bool):
            self.count("unreadable")
            return {}
        return decided

    def _affected(self, nearest: Sequence[str]) -> list[str]:
        """Ids of the notes that decisions are carried out on."""
        return list(self._entries)[: len(nearest)] if self.options.legacy_index_bug else [*nearest]

    def _strengthened(
        self, note: Note, decided: Mapping[str, Any], affected: Sequence[str]
    ) -> Note:
        """The new note with its links and its new tags."""
        links = dict[str, None]()
        for number in listed(decided.get("suggested_connections")) or []:
            digits = str(number).strip(" []")
            known = digits.isascii() and digits.isdigit() and len(digits) < 4
            if known and 1 <= int(digits) <= len(affected):
                links[affected[int(digits) - 1]] = None
            else:
                self.count("refused")
        self.count("linked", len(links))
        tags = _words(decided.get("tags_to_update")) or note.tags
        return replace(note, links=tuple(links), tags=tags)

    def _update(self, decided: Mapping[str, Any], affected: Sequence[str]) -> None:
        """Rewrite neighbours, as far as tags are given; they stay indexed by their old text."""
        contexts = listed(decided.get("new_context_neighborhood")) or []
        tags = listed(decided.get("new_tags_neighborhood")) or []
        for place, (one, words) in enumerate(zip(affected, tags, strict=False)):
            entry = self._entries[one]
            note = Note.of(entry)
            context = _context(contexts[place]) if place < len(contexts) else ""
            changed = replace(
                note, context=context or note.context, tags=_words(words) or note.tags
            )
            if changed != note:
                meta = {**entry.meta, **changed.meta}
                self.put(replace(entry, text=changed.text, meta=meta))
                self.count("updated")

    def _append(self, note: Note, experience: Experience, *, evolved: bool) -> None:
        """Add the note; an evolution is numbered, so that the count is part of the entries."""
        meta = note.meta
        evolutions = max(
            (int(e.meta.get("evolution", 0)) for e in self._entries.values()), default=0
        )
        if evolved:
            self.count("evolved")
            evolutions += 1
            meta["evolution"] = str(evolutions)
        step = experience.step
        self.put(Entry(f"e{step}", note.text, note.indexed, experience.sample_id, step, meta))
        if evolved and evolutions % self.options.evo_threshold == 0:
            self._index_anew()

    def _index_anew(self) -> None:
        """Let all notes be found by what they say now."""
        for entry in list(self._entries.values()):
            key = Note.of(entry).indexed
            if key != entry.key:
                self.put(replace(entry, key=key))
                self.count("reindexed")


def _context(value: Any) -> str:
    return clean(value)[:CONTEXT_CHARS] if isinstance(value, str) else ""


def _words(value: Any) -> tuple[str, ...] | None:
    return phrases(value, MOST_WORDS, WORD_CHARS)
