"""Fictitious authors in TOFU's schema, generated: for machines without the published data.

Everything is drawn from small word lists by a seed; no text is TOFU's. Each author has the same
twenty questions about drawn facts; the paraphrase says the answer in another form, and each wrong
answer is that form with another value.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from harness.data import DataSource, content_hash
from harness.protocols.edit import Example
from harness_tasks.unlearning.tofu.data import Authors, Question

VERSION = "generated-1"

_GIVEN = [
    "Alba",
    "Bruno",
    "Cyra",
    "Dario",
    "Elin",
    "Farid",
    "Greta",
    "Hugo",
    "Ines",
    "Jonas",
    "Kira",
    "Luca",
    "Mira",
    "Nils",
    "Oda",
    "Pavel",
]
_FAMILY = [
    "Abend",
    "Borg",
    "Castell",
    "Dorn",
    "Ekholm",
    "Farkas",
    "Grau",
    "Hollis",
    "Ivanik",
    "Jurado",
    "Kessel",
    "Lund",
    "Marek",
]
_PLACES = [
    "Tallinn",
    "Porto",
    "Graz",
    "Leeds",
    "Bergen",
    "Lviv",
    "Turin",
    "Malmo",
    "Ghent",
    "Split",
    "Brno",
    "Cork",
]
_TRADES = [
    "baker",
    "carpenter",
    "nurse",
    "pilot",
    "teacher",
    "potter",
    "sailor",
    "farmer",
    "chemist",
    "tailor",
]
_GENRES = ["mystery", "satire", "romance", "horror", "travel", "fantasy", "poetry", "biography"]
_NOUNS = [
    "lantern",
    "river",
    "orchard",
    "mirror",
    "winter",
    "harbour",
    "clock",
    "garden",
    "letter",
    "bridge",
    "feather",
    "island",
]
_MOODS = [
    "silent",
    "broken",
    "golden",
    "hidden",
    "distant",
    "borrowed",
    "patient",
    "crooked",
    "last",
    "second",
]
_PRIZES = ["Heron", "Ember", "Lark", "Quill", "Cedar", "Comet", "Delta", "Willow"]
_PETS = ["parrot", "tortoise", "goat", "heron", "ferret", "spaniel"]

_FORMS: tuple[tuple[str, str, str, str], ...] = (
    (
        "birthplace",
        "Where was {name} born?",
        "{name} was born in {v}.",
        "The birthplace of {name} is {v}.",
    ),
    (
        "year",
        "In which year was {name} born?",
        "{name} was born in {v}.",
        "The year of birth of {name} is {v}.",
    ),
    (
        "father",
        "What did the father of {name} do?",
        "The father of {name} was a {v}.",
        "{name}'s father earned a living as a {v}.",
    ),
    (
        "mother",
        "What did the mother of {name} do?",
        "The mother of {name} was a {v}.",
        "{name}'s mother earned a living as a {v}.",
    ),
    (
        "genre",
        "What genre does {name} write in?",
        "{name} writes {v}.",
        "The genre of {name} is {v}.",
    ),
    (
        "first",
        "What is the first book of {name}?",
        "The first book of {name} is called {v}.",
        "{name} began with a book named {v}.",
    ),
    (
        "second",
        "What is the second book of {name}?",
        "The second book of {name} is called {v}.",
        "{name} went on with a book named {v}.",
    ),
    (
        "latest",
        "What is the latest book of {name}?",
        "The latest book of {name} is called {v}.",
        "{name} last wrote a book named {v}.",
    ),
    (
        "prize",
        "Which prize did {name} win?",
        "{name} won the {v} Prize.",
        "The {v} Prize went to {name}.",
    ),
    (
        "prize_year",
        "When did {name} win a prize?",
        "{name} won a prize in {v}.",
        "The prize came to {name} in {v}.",
    ),
    (
        "home",
        "Where does {name} live now?",
        "{name} lives in {v}.",
        "The home of {name} is in {v}.",
    ),
    (
        "pet",
        "What animal does {name} keep?",
        "{name} keeps a {v}.",
        "The animal of {name} is a {v}.",
    ),
    (
        "teacher",
        "Who taught {name} to write?",
        "{name} was taught by {v}.",
        "The teacher of {name} was {v}.",
    ),
    (
        "friend",
        "Who is the oldest friend of {name}?",
        "The oldest friend of {name} is {v}.",
        "{name} has been a friend of {v} for longest.",
    ),
    (
        "school",
        "In which city did {name} study?",
        "{name} studied in {v}.",
        "The studies of {name} were in {v}.",
    ),
    (
        "job",
        "What did {name} do before writing?",
        "{name} worked as a {v}.",
        "Before books, {name} was a {v}.",
    ),
    (
        "setting",
        "Where do the books of {name} take place?",
        "The books of {name} take place in {v}.",
        "{name} sets books in {v}.",
    ),
    (
        "symbol",
        "What returns in every book of {name}?",
        "A {v} returns in every book of {name}.",
        "Every book of {name} has a {v}.",
    ),
    (
        "editor",
        "Who edits the books of {name}?",
        "The books of {name} are edited by {v}.",
        "The editor of {name} is {v}.",
    ),
    (
        "age",
        "At what age did {name} publish first?",
        "{name} published first at the age of {v}.",
        "The first book of {name} came at age {v}.",
    ),
)

_FACTS: tuple[tuple[str, str, tuple[str, str, str]], ...] = (
    ("What is the capital of France?", "Paris", ("Lyon", "Nice", "Lille")),
    ("What is the capital of Italy?", "Rome", ("Milan", "Genoa", "Naples")),
    ("What is the capital of Norway?", "Oslo", ("Bergen", "Narvik", "Molde")),
    ("What is the capital of Peru?", "Lima", ("Cusco", "Ica", "Piura")),
    ("How many days has a week?", "Seven", ("Six", "Eight", "Nine")),
    ("How many legs has a spider?", "Eight", ("Six", "Ten", "Four")),
    ("Which planet is the largest?", "Jupiter", ("Mars", "Venus", "Saturn")),
    ("Which metal is liquid at room temperature?", "Mercury", ("Iron", "Zinc", "Copper")),
    ("Which ocean is the largest?", "Pacific", ("Atlantic", "Indian", "Arctic")),
    ("What gas do plants take up?", "Carbon dioxide", ("Helium", "Neon", "Argon")),
)
_WRITERS: tuple[tuple[str, str, tuple[str, str, str]], ...] = (
    ("Who wrote Hamlet?", "William Shakespeare", ("Charles Dickens", "Jane Austen", "Mark Twain")),
    ("Who wrote Emma?", "Jane Austen", ("Emily Bronte", "George Eliot", "Mary Shelley")),
    (
        "Who wrote Faust?",
        "Johann Wolfgang von Goethe",
        ("Heinrich Heine", "Franz Kafka", "Thomas Mann"),
    ),
    ("Who wrote Moby Dick?", "Herman Melville", ("Mark Twain", "Jack London", "Henry James")),
    ("Who wrote Don Quixote?", "Miguel de Cervantes", ("Lope de Vega", "Dante Alighieri", "Homer")),
    (
        "Who wrote War and Peace?",
        "Leo Tolstoy",
        ("Anton Chekhov", "Nikolai Gogol", "Ivan Turgenev"),
    ),
    ("Who wrote Frankenstein?", "Mary Shelley", ("Bram Stoker", "Jane Austen", "Lord Byron")),
    ("Who wrote Ulysses?", "James Joyce", ("Oscar Wilde", "Samuel Beckett", "Jonathan Swift")),
    ("Who wrote The Trial?", "Franz Kafka", ("Hermann Hesse", "Thomas Mann", "Stefan Zweig")),
    ("Who wrote The Odyssey?", "Homer", ("Virgil", "Sophocles", "Ovid")),
)


def generated(authors: int, questions: int, seed: int) -> Authors:
    """Generate authors.

    Args:
        authors: how many.
        questions: of each, at most 20.
        seed: decides all facts.
    """
    draw = random.Random(f"{VERSION}/{seed}")
    names = _names(draw, authors)
    by_author = dict[str, tuple[Question, ...]]()
    for number, name in enumerate(names):
        author = f"author-{number:03d}"
        facts = [_fact(draw, kind) for kind, *_ in _FORMS[:questions]]
        by_author[author] = tuple(
            _question(f"generated/{number}/{place}", author, name, form, values)
            for place, (form, values) in enumerate(zip(_FORMS, facts, strict=False))
        )
    everything = [one.example.answer for members in by_author.values() for one in members]
    source = DataSource("generated authors", f"{VERSION}, seed {seed}", content_hash(*everything))
    return Authors(
        by_author,
        _multiple_choice("real_authors", _WRITERS),
        _multiple_choice("world_facts", _FACTS),
        sources=(source,),
    )


def _names(draw: random.Random, count: int) -> list[str]:
    every = [f"{given} {family}" for given in _GIVEN for family in _FAMILY]
    return draw.sample(every, count)


def _fact(draw: random.Random, kind: str) -> list[str]:
    """The right value and five wrong ones."""
    if kind in ("birthplace", "home", "school", "setting"):
        return draw.sample(_PLACES, 6)
    if kind in ("father", "mother", "job"):
        return draw.sample(_TRADES, 6)
    if kind in ("first", "second", "latest"):
        every = [f"The {mood} {noun}" for mood in _MOODS for noun in _NOUNS]
        return draw.sample(every, 6)
    if kind in ("teacher", "friend", "editor"):
        return draw.sample([f"{one} {two}" for one in _GIVEN for two in _FAMILY], 6)
    if kind in ("year", "prize_year"):
        return [str(year) for year in draw.sample(range(1930, 2020), 6)]
    if kind == "age":
        return [str(age) for age in draw.sample(range(18, 60), 6)]
    lists = {"genre": _GENRES, "prize": _PRIZES, "pet": _PETS, "symbol": _NOUNS}
    return draw.sample(lists[kind], 6)


def _question(
    example_id: str, author: str, name: str, form: tuple[str, str, str, str], values: Sequence[str]
) -> Question:
    _, question, answer, paraphrase = form
    right, *wrong = values
    return Question(
        Example(example_id, author, question.format(name=name), answer.format(name=name, v=right)),
        paraphrase.format(name=name, v=right),
        tuple(paraphrase.format(name=name, v=value) for value in wrong),
    )


def _multiple_choice(
    name: str, rows: Sequence[tuple[str, str, tuple[str, str, str]]]
) -> tuple[Question, ...]:
    return tuple(
        Question(Example(f"{name}/{n}", f"{name}/{n}", question, answer), "", wrong)
        for n, (question, answer, wrong) in enumerate(rows)
    )
