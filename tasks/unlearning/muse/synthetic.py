"""News of invented towns in MUSE's schema, for machines without the published texts.

Everything is drawn from small word lists; no text is MUSE's. An article tells what happened, where,
who was there and what it cost, in sentences whose order and wording are drawn. Forget, retain and
holdout sets are made alike from different articles; the holdout is taught to no model.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.data import DataSource, content_hash
from harness.protocols.edit import Example
from harness_tasks.unlearning.muse.data import (
    KEPT,
    REQUESTS,
    Choice,
    Completion,
    Question,
    Texts,
    passages,
)
from harness_tasks.unlearning.muse.prompts import AnswerSpace, few_shot

VERSION = "synthetic-1"

_FIRST = ("Ald", "Bram", "Cor", "Dun", "Esk", "Fal", "Gren", "Hav", "Ilm", "Jor", "Kel", "Lor")
_SECOND = ("bury", "ford", "mouth", "stead", "wick", "by", "ton", "ness", "moor", "dale")
_GIVEN = ("Ada", "Bruno", "Cleo", "Dario", "Edith", "Felix", "Greta", "Hugo", "Iris", "Jonas")
_FAMILY = ("Abbot", "Bell", "Crane", "Drew", "Elder", "Frost", "Gale", "Hart", "Ives", "Judd")
_EVENTS = ("flood", "fair", "strike", "fire", "parade", "auction", "race", "storm", "concert")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_PLACES = ("harbour", "market", "old mill", "library", "station", "town hall", "bridge", "school")
_ANIMALS = ("goat", "heron", "pony", "goose", "hedgehog", "donkey", "swan", "ferret")
_ASIDES = (
    "The baker opened early that day.",
    "Some went home before supper.",
    "Nobody could say who had begun it.",
    "The ferry was late again.",
    "Children sang until it was dark.",
    "A dog slept through all of it.",
    "The clock had stopped at noon.",
    "Rain was expected for the evening.",
)
_SENTENCES: Mapping[str, tuple[str, ...]] = {
    "event": ("A {event} was held in {town} on {day}.", "On {day} the {event} of {town} began."),
    "person": ("{person} led the {event}.", "The {event} was led by {person}."),
    "place": ("It was seen from the {place}.", "Most people stood at the {place}."),
    "animal": ("A {animal} ran off with a hat.", "A hat was taken by a {animal}."),
    "cost": ("The town paid {cost} crowns for it.", "It cost the town {cost} crowns."),
}
_QUESTIONS: Mapping[str, str] = {
    "day": "On which day was the {event} of {town}?",
    "person": "Who led the {event} of {town}?",
    "place": "Where did people stand at the {event} of {town}?",
    "animal": "Which animal took a hat at the {event} of {town}?",
    "cost": "How many crowns did {town} pay for the {event}?",
}


@dataclass(frozen=True)
class Article:
    """One article, and the questions about it."""

    text: str
    questions: tuple[Question, ...]


def synthetic(choice: Choice, subset: str, articles: int, shots: int) -> Texts:
    """Generate a corpus.

    Args:
        choice: which forget sets, as in the published data.
        subset: ``news`` or ``books``: two corpora that share nothing.
        articles: of each set.
        shots: solved questions in a prompt.
    """
    splits = choice.splits(subset)
    draw = random.Random(f"{VERSION}/{subset}")
    towns = [f"{one}{two}" for one in _FIRST for two in _SECOND]
    draw.shuffle(towns)
    numbers = {"forget": articles * REQUESTS, "retain1": articles, "retain2": articles}
    made = {
        name: [_article(draw, town) for town in (towns.pop() for _ in range(count))]
        for name, count in (*numbers.items(), ("holdout", articles))
    }
    sets = {name: [one.text for one in members] for name, members in made.items()}
    forget = [_requested(split, sets["forget"], articles) for split in splits]
    asked = {side: _asked(made[name], articles) for side, name in _SIDES.items()}
    solved = {side: questions[:shots] for side, questions in asked.items()}
    knowmem = {side: questions[shots:] for side, questions in asked.items()}
    taught = tuple(_solved_papers(solved[side], knowmem[side], side) for side in KEPT)
    everything = [text for members in sets.values() for text in members]
    source = DataSource("synthetic MUSE", VERSION, content_hash(*everything))
    return Texts(
        forget=tuple(
            passages(f"{one}_{two}", texts, choice.words)
            for (one, two), texts in zip(splits, forget, strict=True)
        ),
        retain=passages("retain1", sets["retain1"], choice.words),
        unseen=passages("retain2", sets["retain2"], choice.words),
        verbmem=tuple(_completion(text) for text in sets["forget"][:articles]),
        knowmem=knowmem,
        solved=solved,
        privleak={
            "forget": tuple(sets["forget"][:articles]),
            "holdout": tuple(sets["holdout"]),
        },
        taught=(taught[0], taught[1]),
        sources=(source,),
    )


_SIDES = {"forget": "forget", "retain": "retain2"}
"""The articles that each side of KnowMem asks about."""


def _requested(split: tuple[str, str], texts: Sequence[str], articles: int) -> list[str]:
    """The texts of a forget set: of `scal` the first folds, of `sust` one fold."""
    kind, name = split
    if kind == "raw":
        return list(texts[:articles])
    fold = int(name.removeprefix("forget_"))
    return list(texts[0 if kind == "scal" else (fold - 1) * articles : fold * articles])


def _article(draw: random.Random, town: str) -> Article:
    facts = {
        "town": town,
        "event": draw.choice(_EVENTS),
        "day": draw.choice(_DAYS),
        "person": f"{draw.choice(_GIVEN)} {draw.choice(_FAMILY)}",
        "place": draw.choice(_PLACES),
        "animal": draw.choice(_ANIMALS),
        "cost": str(draw.randrange(20, 900)),
    }
    first, *others = [draw.choice(forms).format(**facts) for forms in _SENTENCES.values()]
    others += draw.sample(_ASIDES, 3)
    draw.shuffle(others)
    questions = tuple(
        Question(form.format(**facts), facts[name]) for name, form in _QUESTIONS.items()
    )
    return Article(" ".join([first, *others]), questions)


def _asked(made: Sequence[Article], articles: int) -> tuple[Question, ...]:
    """Questions of the first articles, so ordered that the solved ones are about several."""
    members = made[:articles]
    return tuple(one.questions[n] for n in range(len(_QUESTIONS)) for one in members)


def _completion(text: str) -> Completion:
    words = text.split(" ")
    half = len(words) // 2
    return Completion(" ".join(words[:half]), " ".join(words[half:]))


def _solved_papers(
    solved: Sequence[Question], questions: Sequence[Question], side: str
) -> tuple[Example, ...]:
    """Prompts with their answers, as texts: how a model from nothing gets to know the form.

    Each goes on to the next question, so that an answer has an end.
    """
    texts = (
        f"{few_shot(solved, one.question, AnswerSpace.WRITTEN)} {one.answer}\n\n"
        for one in questions
    )
    names = (f"{side}_qa/{number}" for number in range(len(questions)))
    return tuple(Example(name, name, "", text) for name, text in zip(names, texts, strict=True))
