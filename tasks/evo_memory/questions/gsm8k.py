"""Subset `gsm8k`: grade-school problems with one number as the answer.

Cobbe et al. 2021, arXiv 2110.14168; data openai/gsm8k (MIT), test: 1,319. Not part of Evo-Memory:
a set that anyone may keep, on which small models are right at times.
"""

from __future__ import annotations

from typing import ClassVar

from harness.data import MirrorFile
from harness_tasks.evo_memory.extraction import final_number
from harness_tasks.evo_memory.questions.bank import Question, QuestionBank
from harness_tasks.published import Published, Row


class GSM8K(QuestionBank):
    """The test set."""

    name: ClassVar[str] = "gsm8k"
    file: ClassVar[str] = "test"
    mirror_files: ClassVar[tuple[MirrorFile, ...]] = (
        MirrorFile("gsm8k/test.jsonl", "the questions, else the hub's"),
    )
    published: ClassVar[Published] = Published(
        "openai/gsm8k", "gsm8k", ("question", "answer"), {"test": "4e5512f7375377fe"}
    )
    instructions: ClassVar[str] = "Solve the problem. Its answer is a number."

    def read(self) -> tuple[Row, ...]:
        """All rows."""
        return self.published.rows(self.file, ("question", "answer"), "test", "main")

    def question(self, number: int, row: Row) -> Question:
        """Make a question of a row; the number stands behind ``####``."""
        _, mark, last = str(row["answer"]).rpartition("####")
        gold = final_number(last) if mark else None
        if gold is None:
            raise ValueError("no number behind ####")
        return Question(f"{number:04d}", str(row["question"]).strip(), gold)

    @property
    def answer_format(self) -> str:
        """A number."""
        return "the number"

    def extract(self, question: Question, text: str) -> str | None:
        """The final number."""
        del question
        return final_number(text)
