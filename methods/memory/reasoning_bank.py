"""`reasoning-bank`: what a judged success or failure teaches, as a few titled items.

Ouyang et al. 2025, "ReasoningBank: Scaling Agent Self-Evolving with Reasoning Memory",
arXiv 2509.25140, section 3; reference code google-research/reasoning-bank
(``WebArena/induce_memory.py``, ``memory_management.py``). The model judges each trajectory, never
seeing the right answer; one more call distils at most three items (title, description, content)
from it, with one prompt for successes and another for failures. The items of the one past task
whose goal is nearest by embedding are shown (n = 1). Append only. Two calls for each task.

Deviations: own prompts; fields are labelled lines instead of Markdown headings, which are read as
well; the query is embedded as it is, without an instruction in front; a task from which no item
could be read is counted and leaves nothing, where the reference keeps the raw answer. The
reference takes a reward of 0 for a success (``if reward == 0``), which is not repeated here.
Parallel and sequential test-time scaling (MaTTS) is left out. Temperature is the run's (there 0.7).
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from harness.options import Options
from harness.protocols.stream import Entry, Experience, Hit, Query, Retrieval
from harness.registry import About
from harness_methods.memory.judging import JudgedOptions, JudgingMemory
from harness_methods.memory.model_text import records
from harness_methods.memory.prompts import trajectory_text

MOST_ITEMS = 3
FIELDS = ("title", "description", "content")
FIELD_CHARS = 600
"""Of one field; what is longer is cut."""

_ITEMS = """\
At most 3 items, no two alike, about what carries over to other tasks: no names or numbers of \
this one. Each item has exactly these lines:
Title: a few words
Description: one sentence that says when it applies
Content: one to three sentences with the advice"""

FROM_SUCCESS = """\
This attempt at a task succeeded:

{record}

Think about why it succeeded, then write memory items for later tasks of the same kind. """
FROM_FAILURE = """\
This attempt at a task failed:

{record}

Think about why it failed, then write memory items that prevent the failure in later tasks of \
the same kind. """


class ReasoningBankOptions(JudgedOptions):
    """Options of `reasoning-bank`."""

    tasks: int = Field(default=1, ge=0)
    """Past tasks whose items are shown (reference: 1)."""


class ReasoningBank(JudgingMemory[ReasoningBankOptions]):
    """Items by task, found by the task's goal."""

    about: ClassVar[About] = About(
        "Lessons distilled from judged successes and failures, of the nearest past task.",
        "ReasoningBank, arXiv 2509.25140, section 3",
    )
    Options: ClassVar[type[Options]] = ReasoningBankOptions
    counted: ClassVar[tuple[str, ...]] = ("judged_success", "items")

    async def find(self, query: Query) -> Retrieval:
        """Return the items of the nearest tasks."""
        by_task = dict[str, list[Entry]]()
        for entry in self._entries.values():
            by_task.setdefault(f"e{entry.step}", []).append(entry)
        goals = {task: items[0] for task, items in by_task.items()}
        ranked = await self.context.similarity.nearest(goals, query.goal, self.options.tasks)
        return Retrieval(
            tuple(
                Hit(item.id, item.text, score) for task, score in ranked for item in by_task[task]
            )
        )

    async def evolve(self, experience: Experience) -> None:
        """Judge the task and add what it teaches."""
        success = await self.succeeded(experience)
        template = (FROM_SUCCESS if success else FROM_FAILURE) + _ITEMS
        answer = await self.write(self.prompt(template, record=trajectory_text(experience)))
        items = [item for item in records(answer, FIELDS) if item.get("content")][:MOST_ITEMS]
        self.count("unreadable", not items)
        for item in items:
            text = "\n".join(item[name][:FIELD_CHARS] for name in FIELDS if name in item)
            meta = {"from": "success" if success else "failure"}
            one, step = self.new_id(experience.step), experience.step
            self.put(Entry(one, text, experience.goal, experience.sample_id, step, meta))
            self.count("items")
