"""`awm`: workflows that are induced from the tasks which a judge calls solved.

Wang et al. 2024, "Agent Workflow Memory", arXiv 2409.07429, section 2 (online); reference code
zorazrw/agent-workflow-memory (``webarena/pipeline.py``, ``induce_prompt.py``). After each task the
model judges its trajectory; after each success all workflows are induced anew, in one call, from
all successful trajectories, and replace the old ones. The whole text is shown with every task,
without retrieval. Calls for each task: one verdict, and one induction after a success.
``induce=each`` writes workflows of the newest success only and adds them, as the port for generic
streams in SeqMem-Eval does; ``every=n`` induces after each n-th success.

Deviations: own prompts, without the one-shot example of a web site; the reference takes one random
trajectory of each *intent template*, which a generic stream does not name: here equal goals count
once and the newest trajectories that fit are taken; an answer without a workflow keeps the old
ones and is counted; a workflow is an item of the prompt, so that an agent may drop it. Beyond the
stream's budget the oldest workflows are left out. Temperature is the run's (there 1.0).
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from harness.options import Options
from harness.protocols.stream import Context, Entry, Experience, Hit, Query, Retrieval
from harness.protocols.stream.method import within_budget
from harness.registry import About
from harness_methods.memory.judging import JudgedOptions, JudgingMemory
from harness_methods.memory.model_text import all_tagged
from harness_methods.memory.prompts import trajectory_text
from harness_methods.memory.writing import numbered

LEAST_CHARS = 300
"""Of a trajectory in the induction's prompt; more of them than fit are left out."""
MOST_WORKFLOWS = 8
"""Of one induction."""

INDUCE = """\
Here are tasks that were solved, each with what was done:

{records}

Extract the workflows behind them: sub-routines that several such tasks share, each a name and at \
least two steps, in order. Write variables such as {{object}} or {{number}} for what differs from \
task to task. No two workflows alike. Put each between tags:
<workflow>
name of the workflow
1. first step
2. second step
</workflow>"""


class Induce(StrEnum):
    """What workflows are induced from."""

    ALL = "all"
    EACH = "each"


class AWMOptions(JudgedOptions):
    """Options of `awm`."""

    induce: Induce = Induce.ALL
    """Induce all workflows anew from all successes, or add those of the newest success."""
    every: int = Field(default=1, ge=1)
    """Successes from one induction to the next."""


class AWM(JudgingMemory[AWMOptions]):
    """The successful trajectories, which are never shown, and the workflows induced from them."""

    about: ClassVar[About] = About(
        "Workflows induced from the tasks that the model judges solved (AWM, online).",
        "Agent Workflow Memory, arXiv 2409.07429, section 2",
    )
    Options: ClassVar[type[Options]] = AWMOptions
    needs_similarity: ClassVar[bool] = False
    counted: ClassVar[tuple[str, ...]] = ("judged_success", "workflows")

    @property
    def workflows(self) -> dict[str, Entry]:
        """Those that are shown, oldest first."""
        return {one: entry for one, entry in self._entries.items() if _is_workflow(entry)}

    async def find(self, query: Query) -> Retrieval:
        """Return every workflow."""
        del query
        return Retrieval(tuple(Hit(one, entry.text) for one, entry in self.workflows.items()))

    async def synthesize(self, query: Query, retrieval: Retrieval) -> Context:
        """Show the newest workflows that fit, oldest first."""
        del query
        chars = self.context.settings.experience_chars
        return Context(tuple(reversed(within_budget(reversed(retrieval.hits), chars))))

    async def evolve(self, experience: Experience) -> None:
        """Judge the task, store a success and induce workflows."""
        if not await self.succeeded(experience):
            return
        step, record = experience.step, trajectory_text(experience)
        self.put(Entry(f"e{step}", record, experience.goal, experience.sample_id, step))
        records = [entry for entry in self._entries.values() if not _is_workflow(entry)]
        if len(records) % self.options.every:
            return
        everything = self.options.induce is Induce.ALL
        shown = self._newest(records) if everything else [record]
        found = all_tagged(await self.write(self.prompt(INDUCE, records=shown)), "workflow")
        if not found:
            self.count("unreadable")
            return
        if everything:
            await self.remove(list(self.workflows))
        for text in found[:MOST_WORKFLOWS]:
            one, meta = self.new_id(step), {"kind": "workflow"}
            self.put(Entry(one, text, "", experience.sample_id, step, meta))
            self.count("workflows")

    def _newest(self, records: list[Entry]) -> list[str]:
        """The newest trajectories that fit with a fair share each, one for each goal."""
        by_goal = {entry.key: entry.text for entry in records}
        most = max((self.options.writer_chars - len(INDUCE)) // LEAST_CHARS, 1)
        return numbered(list(by_goal.values())[-most:])


def _is_workflow(entry: Entry) -> bool:
    return entry.meta.get("kind") == "workflow"
