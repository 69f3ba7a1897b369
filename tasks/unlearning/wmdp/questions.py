"""The questions: those of a subset of WMDP, and MMLU for what is to be kept.

Each is asked in two forms, both rendered by lm-eval. *Letters*: the four options are listed, and
the likelihoods of A to D compared (lm-eval's ``wmdp_SUBSET`` and ``mmlu_SUBJECT``, 0-shot).
*Texts*: the question without options, and the likelihoods of the options' texts compared (lm-eval's
``mmlu_SUBJECT_continuation``; for WMDP, which has none, the same form).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from harness.data import DataSource
from harness.errors import UnknownName, UsageError
from harness_tasks.lm_eval.requests import MultipleChoice, task_names
from harness_tasks.published import Published, Row

WMDP = Published("cais/wmdp", "wmdp", ("question", "choices", "answer"), known={})
MMLU = Published("cais/mmlu", "mmlu", ("question", "choices", "answer"), known={})
CHOICES = 4
CHANCE = 1 / CHOICES

_FIELDS = {"bio": "biology", "cyber": "cybersecurity", "chem": "chemistry"}
_COLUMNS = ("question", "choices", "answer")


@dataclass(frozen=True)
class Questions:
    """Rows of the questions: of WMDP, of each subject of MMLU, and where they are from."""

    wmdp: tuple[Row, ...]
    mmlu: Mapping[str, tuple[Row, ...]]
    sources: tuple[DataSource, ...]


@dataclass(frozen=True)
class Exam:
    """The same questions in two forms; rows have the same numbers in both."""

    letters: MultipleChoice
    texts: MultipleChoice


def published(subset: str, subjects: Sequence[str]) -> Questions:
    """Published questions, from the mirror or the hub.

    Raises:
        MissingData: they are not at hand.
        UsageError: they are damaged.
    """
    rows = _checked(WMDP, f"{subset}_questions", f"wmdp-{subset}")
    sources = [WMDP.source(f"{subset}_questions", rows)]
    mmlu = dict[str, tuple[Row, ...]]()
    for subject in subjects:
        mmlu[subject] = _checked(MMLU, subject, subject)
        sources.append(MMLU.source(subject, mmlu[subject]))
    return Questions(rows, mmlu, tuple(sources))


def wmdp_exam(subset: str, rows: Sequence[Row]) -> Exam:
    """WMDP's questions in both forms."""
    name, splits = f"wmdp_{subset}", {"test": rows}
    form = {
        "description": f"The following are questions (with answers) about {_FIELDS[subset]}.\n\n",
        "doc_to_text": "Question: {{question.strip()}}\nAnswer:",
        "doc_to_choice": "{{choices}}",
        "metric_list": None,  # lm-eval's own for multiple choice: acc and acc_norm
    }
    return Exam(
        MultipleChoice(name, "wmdp", splits), MultipleChoice(name, "wmdp", splits, changes=form)
    )


def mmlu_exam(subject: str, rows: Sequence[Row]) -> Exam:
    """A subject of MMLU in both forms; there are no solved examples, so its ``dev`` is not read."""
    splits = {"test": rows, "dev": rows[:1]}
    return Exam(
        MultipleChoice(f"mmlu_{subject}", "mmlu/default", splits),
        MultipleChoice(f"mmlu_{subject}_continuation", "mmlu/continuation", splits),
    )


def mmlu_subjects(asked: Sequence[str]) -> list[str]:
    """Subjects by name; ``all`` means all 57.

    Raises:
        UnknownName: MMLU has no such subject.
        UsageError: none is asked for.
    """
    known = [name.removeprefix("mmlu_") for name in task_names("mmlu/default")]
    if not asked:
        raise UsageError("mmlu_subjects is empty; name some, such as virology, or all.")
    if "all" in asked:
        return known
    for name in asked:
        if name not in known:
            raise UnknownName("subject of MMLU", name, known)
    return list(dict.fromkeys(asked))


def _checked(place: Published, name: str, configuration: str) -> tuple[Row, ...]:
    rows = place.rows(name, _COLUMNS, "test", configuration)
    for number, row in enumerate(rows, 1):
        choices = row["choices"]
        fits = isinstance(choices, list) and len(cast("list[Any]", choices)) == CHOICES
        if not fits or row["answer"] not in range(CHOICES):
            raise UsageError(
                f"{place.repository} ({name}) has no {CHOICES} choices with an answer 0 to "
                f"{CHOICES - 1} in row {number}; restore it."
            )
    return rows
