"""Subset `gpqa-diamond`: graduate questions whose authors ask that they are not shown in public.

Rein et al. 2023, "GPQA", arXiv 2311.12022; data Idavidrein/gpqa (gated: accept its terms and log in
to the hub), 198 questions. Nothing of a question is kept in results: published tables have its
hash, the chosen letter and the score, and no text that a method made of it (`confidential`). The
order of its four options is drawn from its record id.
"""

from __future__ import annotations

import random
from typing import ClassVar

from harness.data import MirrorFile
from harness_tasks.evo_memory.extraction import final_letter
from harness_tasks.evo_memory.questions.bank import Question, QuestionBank
from harness_tasks.published import Published, Row

_WRONG = tuple(f"Incorrect Answer {n}" for n in (1, 2, 3))


class GPQADiamond(QuestionBank):
    """The diamond set."""

    name: ClassVar[str] = "gpqa-diamond"
    confidential: ClassVar[bool] = True
    file: ClassVar[str] = "gpqa_diamond"
    mirror_files: ClassVar[tuple[MirrorFile, ...]] = (
        MirrorFile("gpqa/gpqa_diamond.jsonl", "the questions, else the hub's"),
    )
    published: ClassVar[Published] = Published(
        repository="Idavidrein/gpqa",
        folder="gpqa",
        fields=("Record ID", "Question", "Correct Answer", *_WRONG),
        known={},
    )

    def read(self) -> tuple[Row, ...]:
        """All rows."""
        required = ("Question", "Correct Answer", *_WRONG)
        return self.published.rows(self.file, required, "train")

    def question(self, number: int, row: Row) -> Question:
        """Make a question of a row; its options stand in an order of its own."""
        known = str(row.get("Record ID") or f"{number:03d}")
        options = [str(row["Correct Answer"]).strip(), *(str(row[one]).strip() for one in _WRONG)]
        places = list(range(4))
        random.Random(f"gpqa/{known}").shuffle(places)
        choices = tuple(options[place] for place in places)
        gold = chr(65 + places.index(0))
        text = str(row["Question"]).strip()
        return Question(known, text, gold, str(row.get("High-level domain", "")), choices)

    @property
    def answer_format(self) -> str:
        """One letter."""
        return "the letter of the right option"

    def extract(self, question: Question, text: str) -> str | None:
        """The letter that is named last as the answer."""
        return final_letter(text, len(question.choices))
