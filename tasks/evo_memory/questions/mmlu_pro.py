"""Subsets `mmlu-pro-economics`, `mmlu-pro-engineering`, `mmlu-pro-philosophy`: up to ten options.

Wang et al. 2024, "MMLU-Pro", arXiv 2406.01574; data TIGER-Lab/MMLU-Pro (test: 844, 969 and 499
questions, as many as Evo-Memory counts). The score is the exact match of the letter.
"""

from __future__ import annotations

from typing import ClassVar

from harness.data import MirrorFile
from harness_tasks.evo_memory.extraction import final_letter
from harness_tasks.evo_memory.questions.bank import Question, QuestionBank
from harness_tasks.published import Published, Row

MMLU_PRO = Published(
    repository="TIGER-Lab/MMLU-Pro",
    folder="mmlu_pro",
    fields=("question_id", "question", "options", "answer", "category"),
    known={
        "economics": "4e6e99fcbb5c9a82",
        "engineering": "b6da79f97696db7d",
        "philosophy": "c470f718e43e76b6",
    },
)


class MMLUPro(QuestionBank):
    """Questions of one category."""

    published: ClassVar[Published] = MMLU_PRO
    file: ClassVar[str] = "economics"
    mirror_files: ClassVar[tuple[MirrorFile, ...]] = (
        MirrorFile("mmlu_pro/economics.jsonl", "the questions, else the hub's"),
    )
    name: ClassVar[str] = "mmlu-pro-economics"

    def read(self) -> tuple[Row, ...]:
        """The category's rows; the hub has all categories in one."""
        required = ("question_id", "question", "options", "answer", "category")
        rows = self.published.rows(self.file, required, "test", "default")
        return tuple(row for row in rows if row["category"] == self.file)

    def question(self, number: int, row: Row) -> Question:
        """Make a question of a row."""
        del number
        choices = tuple(str(one) for one in row["options"])
        if str(row["answer"]) not in [chr(65 + n) for n in range(len(choices))]:
            raise ValueError(f"answer {row['answer']!r} is none of its {len(choices)} options")
        group = str(row.get("src", ""))
        return Question(
            str(row["question_id"]), str(row["question"]).strip(), row["answer"], group, choices
        )

    @property
    def answer_format(self) -> str:
        """One letter."""
        return "the letter of the right option"

    def extract(self, question: Question, text: str) -> str | None:
        """The letter that is named last as the answer."""
        return final_letter(text, len(question.choices))


class MMLUProEngineering(MMLUPro):
    """The category engineering."""

    file: ClassVar[str] = "engineering"
    mirror_files: ClassVar[tuple[MirrorFile, ...]] = (
        MirrorFile("mmlu_pro/engineering.jsonl", "the questions, else the hub's"),
    )
    name: ClassVar[str] = "mmlu-pro-engineering"


class MMLUProPhilosophy(MMLUPro):
    """The category philosophy."""

    file: ClassVar[str] = "philosophy"
    mirror_files: ClassVar[tuple[MirrorFile, ...]] = (
        MirrorFile("mmlu_pro/philosophy.jsonl", "the questions, else the hub's"),
    )
    name: ClassVar[str] = "mmlu-pro-philosophy"
