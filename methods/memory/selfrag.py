"""`selfrag`: experiences that the model asks for and finds relevant.

Asai et al. 2023, "Self-RAG: Learning to Retrieve, Generate, and Critique through
Self-Reflection", arXiv 2310.11511; reference code AkariAsai/self-rag. That is a trained model with
reflection tokens: it retrieves if the [Retrieval] token is likely enough, grades each passage
(ISREL, ISSUP, ISUSE) and ranks its continuations by these. A model that was not trained for it can
only be asked, and Evo-Memory (arXiv 2511.20857) compares such a prompted form without saying how.
Here: ask whether past experience would help; retrieve the k nearest; ask of each whether it is
relevant; show those that are, most similar first. 1 + k calls for each task, charged to
`retrieve`, none while the memory is empty. The update appends, as in `exprag`.

Deviations: no reflection tokens, hence no thresholds and weights; one continuation, so that its
support and usefulness (ISSUP, ISUSE) decide nothing and are not asked for. Where an answer is
neither yes nor no it is counted, and taken for a yes: what is left is `exprag`.
"""

from __future__ import annotations

from typing import ClassVar

from harness.models.chat import Phase
from harness.options import Options
from harness.protocols.stream import Experience, Hit, Query, Retrieval
from harness.registry import About
from harness_methods.memory.model_text import verdict
from harness_methods.memory.store import RetrievalOptions, experience_entry, shown_entries
from harness_methods.memory.writing import WriterOptions, WritingMemory

VERDICT_TOKENS = 16
"""Of a yes or a no; more would be a reason, which nobody reads."""

NEEDED = """\
You are about to work on this task:
{task}

Records of similar tasks from the past can be looked up. Would they help with this one? Answer \
with one word, yes or no."""

RELEVANT = """\
You are about to work on this task:
{task}

A record of a task from the past:
{record}

Is this record relevant, so that it helps with the task? Answer with one word, yes or no."""


class SelfRAGOptions(RetrievalOptions, WriterOptions):
    """Options of `selfrag`."""

    ask_need: bool = True
    """Ask whether to retrieve; false: always retrieve."""
    ask_relevance: bool = True
    """Ask of each retrieved experience whether it is relevant; false: show all."""


class SelfRAG(WritingMemory[SelfRAGOptions]):
    """The k nearest experiences, as far as the model wants them."""

    about: ClassVar[About] = About(
        "Retrieves if the model asks for it, and shows what it grades as relevant (prompted).",
        "Self-RAG, arXiv 2310.11511, as prompts for an untrained model",
    )
    Options: ClassVar[type[Options]] = SelfRAGOptions
    counted: ClassVar[tuple[str, ...]] = ("declined", "irrelevant")

    async def find(self, query: Query) -> Retrieval:
        """Ask, retrieve, grade."""
        k = shown_entries(self.options.k, self.context)
        if not self._entries or k == 0:
            return Retrieval()
        if self.options.ask_need and not await self._yes(self.prompt(NEEDED, task=query.goal)):
            self.count("declined")
            return Retrieval()
        ranked = await self.context.similarity.nearest(self._entries, query.goal, k)
        hits = [Hit(one, self._entries[one].text, score) for one, score in ranked]
        if self.options.ask_relevance:
            hits = [hit for hit in hits if await self._relevant(query, hit)]
        return Retrieval(tuple(hits))

    async def evolve(self, experience: Experience) -> None:
        """Store the experience as one entry."""
        self.put(experience_entry(experience, self.context))

    async def _relevant(self, query: Query, hit: Hit) -> bool:
        relevant = await self._yes(self.prompt(RELEVANT, task=query.goal, record=hit.text))
        self.count("irrelevant", not relevant)
        return relevant

    async def _yes(self, prompt: str) -> bool:
        said = verdict(await self.write(prompt, phase=Phase.RETRIEVE, max_tokens=VERDICT_TOKENS))
        self.count("unreadable", said is None)
        return said is not False
