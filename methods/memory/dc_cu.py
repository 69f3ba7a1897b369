"""`dc-cu`: a cheatsheet that is rewritten after every task (cumulative).

Suzgun et al. 2025, "Dynamic Cheatsheet: Test-Time Learning with Adaptive Memory",
arXiv 2504.07952, section 2.2 (DC-Cu); reference code suzgunmirac/dynamic-cheatsheet. The whole
sheet is shown with each task. Afterwards a curator is given the task, the answer and the sheet,
judges the answer by itself (it is told no outcome) and writes the next sheet between
``<cheatsheet>`` tags; without the tag the old sheet stays. One call for each task.

Deviations: own wording of the curator's prompt, since the reference's is thousands of characters
long; no code is executed; the sheet is bounded in characters (there: "2000-2500 words" and 4,096
tokens), and an empty tag keeps the old sheet instead of wiping it. An episode is given to the
curator turn by turn. Temperature is the run's (there 0).
"""

from __future__ import annotations

from typing import ClassVar

from harness.protocols.stream import Context, Experience, Query, Retrieval
from harness.registry import About
from harness_methods.memory.cheatsheet import SOURCE, SheetMemory, SheetOptions
from harness_methods.memory.prompts import trajectory_text

CURATE = """\
You keep a cheatsheet that helps to solve the tasks of a long series. A task was just attempted. \
Nobody says whether the attempt was right: judge that yourself first.

Current cheatsheet:
{sheet}

The task and the attempt:
{record}

Write the new cheatsheet. Keep what is still useful, correct what proved wrong, add what this task \
teaches: strategies, formulas, pitfalls, short worked examples that carry over to other tasks. \
What you leave out is lost. At most {chars} characters. Put it between tags:
<cheatsheet>
the whole new cheatsheet
</cheatsheet>"""


class DCCumulative(SheetMemory[SheetOptions]):
    """One sheet, curated after each task."""

    about: ClassVar[About] = About(
        "A cheatsheet that a curator rewrites after every task, told of no outcome.",
        f"{SOURCE}, section 2.2 (DC-Cu)",
    )
    needs_similarity: ClassVar[bool] = False

    async def find(self, query: Query) -> Retrieval:
        """Retrieve nothing: the sheet is shown whole."""
        del query
        return Retrieval()

    async def synthesize(self, query: Query, retrieval: Retrieval) -> Context:
        """Show the sheet."""
        del query, retrieval
        return Context(text=self.sheet[: self.context.settings.experience_chars])

    async def evolve(self, experience: Experience) -> None:
        """Let the curator write the next sheet."""
        prompt = self.prompt(
            CURATE,
            sheet=self.sheet,
            record=trajectory_text(experience),
            chars=str(self.options.sheet_chars),
        )
        sheet = self.read_sheet(await self.write(prompt))
        if sheet is not None:
            self.keep_sheet(sheet, experience.sample_id, experience.step)
