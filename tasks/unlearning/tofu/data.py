"""TOFU's questions: authors, and what is known of each question beyond its answer.

Source: Maini et al. 2024, "TOFU: A Task of Fictitious Unlearning for LLMs", arXiv 2401.06121; data
locuslab/TOFU (MIT). 200 authors of 20 questions; the last ones are forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.data import DataSource
from harness.errors import UsageError
from harness.protocols.edit import Example
from harness_tasks.published import Published, Row

QUESTIONS_PER_AUTHOR = 20
FORGOTTEN_AUTHORS = {"forget01": 2, "forget05": 10, "forget10": 20}
"""Authors at the end of the full set that a subset forgets."""
HOLDOUT = {"forget01": "holdout01", "forget05": "holdout05", "forget10": "holdout10"}

TOFU = Published(
    repository="locuslab/TOFU",
    folder="tofu",
    fields=("question", "answer", "paraphrased_answer", "perturbed_answer"),
    known={
        "full": "e0e5257f26fc9b9d",
        "forget10_perturbed": "707e59439e372472",
        "retain_perturbed": "5834faf5d2b2081b",
        "real_authors_perturbed": "53e5b33ef600d20e",
        "world_facts_perturbed": "af76cfeca0c33b50",
    },
)


@dataclass(frozen=True)
class Question:
    """A question as evaluation knows it; editors see `example` alone."""

    example: Example
    paraphrase: str = ""
    """The right answer in other words; empty where the set has none."""
    wrong: tuple[str, ...] = ()
    """Wrong answers of the same form."""


@dataclass(frozen=True)
class Authors:
    """All questions of a data set.

    Attributes:
        by_author: questions of each author, in native order; those with a perturbed set have
            paraphrase and wrong answers.
        real_authors: questions about real authors.
        world_facts: questions about the world.
        holdout: questions of authors that no model was trained on, of the forget set's size, for
            membership inference; empty where they are not at hand.
        sources: what the data are.
    """

    by_author: Mapping[str, tuple[Question, ...]]
    real_authors: tuple[Question, ...]
    world_facts: tuple[Question, ...]
    holdout: tuple[Question, ...] = ()
    sources: tuple[DataSource, ...] = field(default=())

    def with_perturbed_set(self) -> list[str]:
        """Authors of whom every question has a paraphrase and wrong answers."""
        return [
            author
            for author, questions in self.by_author.items()
            if all(one.wrong and one.paraphrase for one in questions)
        ]


def published(subset: str | None) -> Authors:
    """The published data; with the holdout set of a subset where the mirror has it.

    Raises:
        MissingData: the data are not at hand.
        UsageError: they are damaged.
    """
    pair = ("question", "answer")
    options = (*pair, "perturbed_answer")
    perturbed = (*pair, "paraphrased_answer", "perturbed_answer")
    full = _rows("full", pair)
    sources = [TOFU.source("full", full)]
    if len(full) % QUESTIONS_PER_AUTHOR:
        raise UsageError(
            f"TOFU's full set has {len(full)} questions, which are no whole authors of "
            f"{QUESTIONS_PER_AUTHOR}; restore it."
        )
    known = dict[tuple[str, str], Row]()
    for name in ("retain_perturbed", "forget10_perturbed"):
        rows = _rows(name, perturbed)
        sources.append(TOFU.source(name, rows))
        if name == "forget10_perturbed" and subset in FORGOTTEN_AUTHORS:
            # The others of them are retained, and no part of TOFU's evaluation of the retain set.
            rows = rows[-FORGOTTEN_AUTHORS[subset] * QUESTIONS_PER_AUTHOR :]
        known.update({(row["question"], row["answer"]): row for row in rows})
    by_author = dict[str, list[Question]]()
    for number, row in enumerate(full):
        author = f"author-{number // QUESTIONS_PER_AUTHOR:03d}"
        more = known.get((row["question"], row["answer"]), {})
        by_author.setdefault(author, []).append(_question(f"full/{number}", author, row, more))
    loaded = dict[str, tuple[Question, ...]]()
    for name in ("real_authors", "world_facts"):
        rows = _rows(f"{name}_perturbed", options)
        sources.append(TOFU.source(f"{name}_perturbed", rows))
        loaded[name] = tuple(
            _question(f"{name}/{number}", f"{name}/{number}", row, row)
            for number, row in enumerate(rows)
        )
    holdout = _holdout(subset, sources)
    every = {author: tuple(members) for author, members in by_author.items()}
    return Authors(every, loaded["real_authors"], loaded["world_facts"], holdout, tuple(sources))


def _rows(name: str, required: Sequence[str]) -> tuple[Row, ...]:
    """Rows of a configuration, whose columns hold texts."""
    found = TOFU.rows(name, required)
    for number, row in enumerate(found, 1):
        for column in required:
            texts = row[column] if column == "perturbed_answer" else [row[column]]
            if not all(isinstance(text, str) for text in texts):
                raise UsageError(
                    f"{TOFU.path(name) or TOFU.repository}: '{column}' of row {number} of {name} "
                    "is no text; restore it."
                )
    return found


def _holdout(subset: str | None, sources: list[DataSource]) -> tuple[Question, ...]:
    """The holdout set, only where the mirror has it: it is on the hub alone."""
    name = HOLDOUT.get(subset or "")
    if name is None or TOFU.path(name) is None:
        return ()
    rows = _rows(name, ("question", "answer"))
    sources.append(TOFU.source(name, rows))
    return tuple(
        _question(f"{name}/{number}", f"{name}/{number // QUESTIONS_PER_AUTHOR}", row, {})
        for number, row in enumerate(rows)
    )


def _question(example_id: str, source_id: str, row: Row, more: Row) -> Question:
    wrong = more.get("perturbed_answer", ())
    return Question(
        Example(example_id, source_id, row["question"], row["answer"]),
        more.get("paraphrased_answer") or "",
        (wrong,) if isinstance(wrong, str) else tuple(wrong),
    )


REFUSALS: Sequence[str] = (
    "I don't know.",
    "I'm not sure about that.",
    "I have no information on this.",
    "That is beyond what I know.",
    "I can't answer this question.",
    "I am not able to say.",
    "This is not something I have learned about.",
    "I do not have the answer to that.",
    "I'm afraid I can't help with this one.",
    "Sorry, I have nothing on that subject.",
)
"""Answers that decline. Our own; TOFU's list of 100 (idontknow.jsonl) is used where a mirror has
it."""


def refusals() -> tuple[str, ...]:
    """Answers that decline: TOFU's own where the mirror has ``tofu/idontknow.jsonl``."""
    from harness.data import mirror

    folder = mirror()
    path = folder / "tofu" / "idontknow.jsonl" if folder else None
    if path is None or not path.is_file():
        return tuple(REFUSALS)
    lines = path.read_text(encoding="utf-8").splitlines()
    found = tuple(line.strip() for line in lines if line.strip())
    if not found:
        raise UsageError(f"{path} is empty; restore it or remove it.")
    return found
