"""`dc-rs`: a cheatsheet that is written before every task, from the most similar past ones.

Suzgun et al. 2025, "Dynamic Cheatsheet: Test-Time Learning with Adaptive Memory",
arXiv 2504.07952, section 2.2 (DC-RS, retrieval and synthesis); reference code
suzgunmirac/dynamic-cheatsheet. The three most similar past tasks with their answers are listed
least similar first; a curator is given them, the task to come and the last sheet, and writes a
sheet for this task between ``<cheatsheet>`` tags; then the task is answered with it. Without the
tag the raw pairs stand in its place, and are the last sheet of the next task, as in the reference.
One call for each task, the first included (its sheet and pairs are "(empty)"). Every task is
stored with its answer, right or wrong, and nothing is pruned; the curator is told no outcome.

What is written before the answer becomes a memory with the task that it was written for: `evolve`
stores it, so that reading alone changes nothing. Its call is charged to `retrieve`.

Deviations: own wording of the curator's prompt; no code is executed; sheet and prompt are bounded;
an empty tag counts as none; the order is least similar first whatever the stream's `item_order`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from harness.models.chat import Phase
from harness.options import Options
from harness.protocols.stream import (
    Context,
    Entry,
    Experience,
    Hit,
    MemoryContext,
    Query,
    Retrieval,
)
from harness.registry import About
from harness_methods.memory.cheatsheet import SHEET, SOURCE, SheetMemory, SheetOptions
from harness_methods.memory.store import experience_entry
from harness_methods.memory.writing import fitted

CURATE = """\
You prepare a cheatsheet for the next task of a long series, from earlier tasks and the last \
cheatsheet. Nobody said whether the earlier answers are right: judge that yourself first.

Last cheatsheet:
{sheet}

Similar earlier tasks with their answers, the most similar last:
{pairs}

Next task:
{task}

Write a cheatsheet that helps with the next task and with later ones: strategies, formulas, \
pitfalls, short worked examples. Do not solve the next task. What you leave out is lost. At most \
{chars} characters. Put it between tags:
<cheatsheet>
the whole new cheatsheet
</cheatsheet>"""


class SynthesisOptions(SheetOptions):
    """Options of `dc-rs`."""

    k: int = Field(default=3, ge=0)
    """Past tasks that the curator is shown (reference: 3)."""


class DCRetrievalSynthesis(SheetMemory[SynthesisOptions]):
    """All pairs of task and answer, and the last sheet."""

    about: ClassVar[About] = About(
        "A cheatsheet written before every task from the 3 most similar ones and the last sheet.",
        f"{SOURCE}, section 2.2 (DC-RS)",
    )
    Options: ClassVar[type[Options]] = SynthesisOptions

    def __init__(self, options: Options, context: MemoryContext) -> None:
        super().__init__(options, context)
        self._pending: tuple[str, str] | None = None
        """A sheet that was written for an item which is not learned yet, behind the item's id."""

    async def find(self, query: Query) -> Retrieval:
        """Return the most similar past tasks, most similar first."""
        pairs = {one: entry for one, entry in self._entries.items() if one != SHEET}
        ranked = await self.context.similarity.nearest(pairs, query.goal, self.options.k)
        return Retrieval(tuple(Hit(one, pairs[one].text, score) for one, score in ranked))

    async def synthesize(self, query: Query, retrieval: Retrieval) -> Context:
        """Write the sheet of this task and show it."""
        pairs = [hit.text for hit in reversed(retrieval.hits)]
        prompt = self.prompt(
            CURATE,
            sheet=self.sheet,
            pairs=pairs,
            task=query.goal,
            chars=str(self.options.sheet_chars),
        )
        sheet = self.read_sheet(await self.write(prompt, phase=Phase.RETRIEVE))
        if sheet is None:
            room = min(self.options.sheet_chars, self.context.settings.experience_chars)
            sheet = _joined(pairs, room)
        self._pending = (query.sample_id, sheet)
        return Context(text=sheet[: self.context.settings.experience_chars])

    async def evolve(self, experience: Experience) -> None:
        """Store the task with its answer, and the sheet that was written for it."""
        if self._pending and self._pending[0] == experience.sample_id:
            self.keep_sheet(self._pending[1], experience.sample_id, experience.step)
        self._pending = None
        self.put(experience_entry(experience, self.context))

    async def restore(self, entries: Mapping[str, Entry]) -> None:
        """Return to a commit, where no sheet is pending."""
        self._pending = None
        await super().restore(entries)


def _joined(pairs: list[str], chars: int) -> str:
    """Raw pairs as a sheet, each cut alike where they are too long together."""
    gap = "\n\n"
    return gap.join(fitted(pairs, chars - len(gap) * max(len(pairs) - 1, 0)))[:chars]
