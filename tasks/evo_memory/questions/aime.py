"""Subsets `aime-24` and `aime-25`: competition problems whose answers are integers below 1000.

Data HuggingFaceH4/aime_2024 and math-ai/aime25 (30 problems each; the problems are the MAA's, no
licence is stated, so they are loaded at run time only). Answers are compared as integers: one
source writes 33 and another 033.
"""

from __future__ import annotations

import re
from typing import ClassVar

from harness.data import MirrorFile
from harness_tasks.evo_memory.extraction import final_number
from harness_tasks.evo_memory.questions.bank import Question, QuestionBank
from harness_tasks.published import Published, Row

_QUESTION = ("problem", "Problem", "question", "input")
_ANSWER = ("answer", "Answer", "target")
_FIELDS = (*_QUESTION, *_ANSWER)


class AIME24(QuestionBank):
    """The problems of 2024."""

    name: ClassVar[str] = "aime-24"
    file: ClassVar[str] = "aime_2024"
    mirror_files: ClassVar[tuple[MirrorFile, ...]] = (
        MirrorFile("aime/aime_2024.jsonl", "the questions, else the hub's"),
    )
    published: ClassVar[Published] = Published("HuggingFaceH4/aime_2024", "aime", _FIELDS, {})
    split: ClassVar[str] = "train"
    max_tokens: ClassVar[int] = 2048
    default_streams: ClassVar[int] = 6
    instructions: ClassVar[str] = "Solve the problem. Its answer is an integer from 0 to 999."

    def read(self) -> tuple[Row, ...]:
        """All rows."""
        return self.published.rows(self.file, (), self.split, "default")

    def question(self, number: int, row: Row) -> Question:
        """Make a question of a row, whatever its source calls the columns."""
        known = str(row.get("id", row.get("ID", number)))
        text = next(str(row[one]) for one in _QUESTION if one in row)
        answer = next(str(row[one]) for one in _ANSWER if one in row)
        return Question(known, text.strip(), normalised(answer))

    @property
    def answer_format(self) -> str:
        """An integer."""
        return "the integer"

    def extract(self, question: Question, text: str) -> str | None:
        """The final number, if it is an integer."""
        del question
        number = final_number(text)
        return normalised(number) if number and re.fullmatch(r"\d+", number) else None


class AIME25(AIME24):
    """The problems of 2025."""

    name: ClassVar[str] = "aime-25"
    file: ClassVar[str] = "aime_2025"
    mirror_files: ClassVar[tuple[MirrorFile, ...]] = (
        MirrorFile("aime/aime_2025.jsonl", "the questions, else the hub's"),
    )
    published: ClassVar[Published] = Published("math-ai/aime25", "aime", _FIELDS, {})
    split: ClassVar[str] = "test"


def normalised(answer: str) -> str:
    """An integer without leading zeros.

    Raises:
        ValueError: it is none.
    """
    return str(int(answer.strip().strip("$")))
