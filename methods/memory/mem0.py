"""`mem0`: facts that a model extracts, adds, updates and deletes (the algorithm of versions 1.x).

Chhikara et al. 2025, "Mem0: Building Production-Ready AI Agents with Scalable Long-Term Memory",
arXiv 2504.19413, section 2.1; followed as package mem0ai 1.0.1 has it, the newest when Evo-Memory
was written. One call extracts facts from a finished task. For each fact the five most similar
memories are found; their ids are shown as small numbers, because models misspell long ones. One
more call decides for all facts at once: ADD, UPDATE, DELETE or NONE. Without facts there is no
second call. Reading is plain similarity search.

Deviations: own prompts, which ask for what helps with later tasks, where the package asks for a
user's preferences and would find none in a task; the stream's `k` memories are shown (package:
100); ids are numbered by task; facts are bounded in number and length. A DELETE needs no text.
What the package drops silently is counted: answers that are no JSON (`unreadable`), and operations
that name no memory or no known event (`refused`). A version 2.x memory is `mem0-additive`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import Field

from harness.options import Options
from harness.protocols.stream import Entry, Experience, Hit, Query, Retrieval
from harness.registry import About
from harness_methods.memory.model_text import clean, json_object, listed, phrases
from harness_methods.memory.prompts import trajectory_text
from harness_methods.memory.store import RetrievalOptions, shown_entries
from harness_methods.memory.writing import WriterOptions, WritingMemory, numbered

MOST_FACTS = 10
"""Facts of one task; more are dropped."""
FACT_CHARS = 400
"""Of one fact; what is longer is cut."""

EXTRACT = """\
Extract from this record of a finished task the facts that will help with later tasks of the same \
kind: how the task works, which approach or answer turned out right or wrong, what to avoid. Each \
fact is one short sentence that can be understood alone.

{record}

Reply with JSON only: {{"facts": ["first fact", "second fact"]}}. Without any such fact: \
{{"facts": []}}."""

DECIDE = """\
You keep a memory of facts. Decide what each new fact changes in it.

Memory:
{memories}

New facts:
{facts}

Events: ADD - the fact is new. UPDATE - it says more than, or corrects, the memory with this id; \
text is the whole new text. DELETE - it contradicts the memory with this id. NONE - nothing \
changes.
Reply with JSON only: {{"memory": [{{"id": "number of the memory, or new", "text": "the text", \
"event": "ADD, UPDATE, DELETE or NONE"}}]}}"""


class Mem0Options(RetrievalOptions, WriterOptions):
    """Options of `mem0`."""

    neighbours: int = Field(default=5, ge=0)
    """Existing memories that are looked up for each fact (package: 5)."""


class Mem0(WritingMemory[Mem0Options]):
    """Facts, kept up to date by the model's decisions."""

    about: ClassVar[About] = About(
        "Facts that a model extracts, then adds, updates or deletes (Mem0 1.x).",
        "Mem0, arXiv 2504.19413, section 2.1; mem0ai 1.0.1",
    )
    Options: ClassVar[type[Options]] = Mem0Options
    counted: ClassVar[tuple[str, ...]] = ("facts", "added", "updated", "deleted", "refused")

    async def find(self, query: Query) -> Retrieval:
        """Return the most similar facts."""
        k = shown_entries(self.options.k, self.context)
        ranked = await self.context.similarity.nearest(self._entries, query.goal, k)
        return Retrieval(tuple(Hit(one, self._entries[one].text, score) for one, score in ranked))

    async def evolve(self, experience: Experience) -> None:
        """Extract facts and carry out what is decided about them."""
        answer = await self.write(self.prompt(EXTRACT, record=trajectory_text(experience)))
        facts = phrases((json_object(answer) or {}).get("facts"), MOST_FACTS, FACT_CHARS)
        if facts is None:
            self.count("unreadable")
            return
        self.count("facts", len(facts))
        if not facts:
            return
        shown = await self._neighbours(facts)
        memories = numbered([self._entries[one].text for one in shown], first=0)
        answer = await self.write(self.prompt(DECIDE, memories=memories, facts=numbered(facts)))
        decisions = listed((json_object(answer) or {}).get("memory"))
        if decisions is None:
            self.count("unreadable")
            return
        for decision in decisions:
            self._carry_out(decision, shown, experience)

    async def _neighbours(self, facts: Sequence[str]) -> list[str]:
        """Ids of the memories nearest to any of the facts, each once."""
        found = dict[str, None]()
        for fact in facts:
            ranked = await self.context.similarity.nearest(
                self._entries, fact, self.options.neighbours
            )
            found.update(dict.fromkeys(one for one, _ in ranked))
        return list(found)

    def _carry_out(self, decision: Any, shown: Sequence[str], experience: Experience) -> None:
        """Change the memory as one decision says, or count it as refused."""
        said: Mapping[str, Any] = decision if isinstance(decision, Mapping) else {}
        event = str(said.get("event", "")).strip().upper()
        text = clean(str(said.get("text") or ""))[:FACT_CHARS]
        known = self._entries.get(_named(said.get("id"), shown))
        if event == "NONE":
            return
        if event == "ADD" and text:
            step = experience.step
            self.put(Entry(self.new_id(step), text, text, experience.sample_id, step))
            self.count("added")
        elif event == "UPDATE" and text and known:
            meta = {**known.meta, "updated_by": experience.sample_id}
            self.put(replace(known, text=text, key=text, meta=meta))
            self.count("updated")
        elif event == "DELETE" and known:
            del self._entries[known.id]
            self.count("deleted")
        else:
            self.count("refused")


def _named(number: Any, shown: Sequence[str]) -> str:
    """The id behind a number as a model writes it (``0``, ``"0"``, ``"[0]"``); empty if none."""
    digits = str(number).strip(" []")
    fits = digits.isascii() and digits.isdigit() and len(digits) < 4 and int(digits) < len(shown)
    return shown[int(digits)] if fits else ""
