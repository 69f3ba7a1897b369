"""What a package is given of an item, and what makes it do the same thing twice."""

from __future__ import annotations

import logging
import uuid
from datetime import UTC, datetime
from random import Random
from types import SimpleNamespace

import pytest
from memories import experience

from harness.protocols.stream import Feedback
from harness_methods.memory.packages.base import item_messages
from harness_methods.memory.packages.surroundings import Chance, Clock, Complaints


def said(one, chars=4000):
    return [(message["role"], message["content"]) for message in item_messages(one, chars)]


def test_an_item_is_a_conversation_with_the_granted_outcome():
    assert said(experience(0, "red lamp")) == [
        ("user", "Question: red lamp"),
        ("assistant", "Answer: blue"),
        ("user", "Result: correct"),
    ]


def test_without_feedback_nothing_is_said_of_the_outcome():
    assert said(experience(0, "red lamp", correct=None)) == [
        ("user", "Question: red lamp"),
        ("assistant", "Answer: blue"),
    ]
    assert Feedback() == experience(0, "red lamp", correct=None).feedback


def test_an_episode_is_told_turn_by_turn():
    _, (who, told), _ = said(experience(0, "go", episode=True))
    assert who == "assistant"
    assert told.splitlines() == [
        *("Observation: seen", "Action: turn left"),
        *("Observation: seen", "Action: blue"),
    ]


@pytest.mark.parametrize("chars", [200, 1000])
def test_an_item_is_cut_to_its_budget(chars):
    contents = [text for _, text in said(experience(0, "red " * 900, "blue " * 900), chars)]
    assert sum(map(len, contents)) <= chars
    assert contents[0].startswith("Question: red")
    assert contents[-1] == "Result: correct"


def test_ids_depend_on_the_item_alone(monkeypatch):
    monkeypatch.setattr(uuid, "uuid4", uuid.uuid4)
    chance = Chance()
    chance.rule()
    chance.begin(Random("a/1"))
    first = [uuid.uuid4() for _ in range(3)]
    chance.begin(Random("a/2"))
    assert uuid.uuid4() not in first
    chance.begin(Random("a/1"))
    assert [uuid.uuid4() for _ in range(3)] == first
    assert {one.version for one in first} == {4}


def test_the_clock_shows_one_day_and_never_the_same_time_twice():
    module, clock = SimpleNamespace(datetime=datetime), Clock()
    clock.rule(module)
    clock.begin(7)
    looks = [module.datetime.now(UTC) for _ in range(3)]
    assert looks == sorted(set(looks))
    assert {one.date().isoformat() for one in looks} == {"2025-01-01"}
    assert module.datetime.now().tzinfo is None
    assert module.datetime.fromisoformat("2024-05-06").year == 2024
    clock.begin(7)
    assert module.datetime.now(UTC) == looks[0]


def test_errors_and_exceptions_in_a_log_are_counted():
    complaints, logger = Complaints(), logging.getLogger("some.package")
    logger.addHandler(complaints)
    try:
        logger.warning("fine")
        logger.error("not fine")
        try:
            raise ValueError
        except ValueError:
            logger.debug("swallowed", exc_info=True)
            logger.setLevel(logging.DEBUG)
            logger.debug("swallowed", exc_info=True)
    finally:
        logger.removeHandler(complaints)
        logger.setLevel(logging.NOTSET)
    assert complaints.count == 2
