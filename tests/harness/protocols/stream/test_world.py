"""An episode as the loop plays it."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from harness.errors import TaskError
from harness.protocols.stream import Brief, Episode, Item, Observation, Score, StreamTask
from harness.protocols.stream.world import World
from harness.registry import About

ITEM = Item("s", "one", "h")


class Door(Episode):
    """Says what it is made to say."""

    def __init__(self, brief, seen, score):
        self._brief, self._seen, self._score = brief, list(seen), score

    @property
    def brief(self):
        return self._brief

    def reset(self):
        return self._seen.pop(0)

    def step(self, action):
        return self._seen.pop(0)

    def score(self):
        return self._score


class Doors(StreamTask):
    about = About("for a test", "tests")
    version = subset = "1"

    def __init__(self, brief, seen, score):
        self.made = (brief, seen, score)

    def items(self, data_seed):
        return [ITEM]

    def episode(self, item):
        return Door(*self.made)


BRIEF = Brief("Open it.", "Act.", "one action", False, 5)
SEEN = (Observation("closed"), Observation("open", done=True))


def play(brief=BRIEF, seen=SEEN, score=None):
    """Play to the end; returns the score and the hash of what was shown."""

    async def go():
        world = World(Doors(brief, seen, score or Score(1.0, True)), ITEM)
        assert world.shown_hash == ""
        await world.start()
        for _ in seen[1:]:
            await world.step("push")
        return await world.score(), world.shown_hash

    return asyncio.run(go())


def test_equal_worlds_have_equal_hashes():
    assert play()[1] == play()[1]
    accepted = (SEEN[0], Observation("open", done=True, valid=False))
    assert play(seen=accepted)[1] == play()[1]


@pytest.mark.parametrize(
    "other",
    [
        {"brief": Brief("Open it!", "Act.", "one action", False, 5)},
        {"brief": Brief("Open it.", "Act.", "one action", False, 6)},
        {"brief": Brief("Open it.", "Act.", "one action", False, 5, hints="push")},
        {"seen": (Observation("shut"), SEEN[1])},
        {"seen": (SEEN[0], Observation("open"))},
        {"seen": (SEEN[0], Observation("ajar", done=True))},
        {"seen": SEEN[:1]},
        {"seen": (SEEN[0], Observation(""), SEEN[1])},
    ],
)
def test_a_world_that_tells_or_shows_something_else_has_another(other):
    assert play(**other)[1] != play()[1]


def test_a_score_is_of_plain_numbers_whatever_the_task_counts_with():
    score, _ = play(score=Score(np.float32(0.5), np.bool_(1), {"steps": np.int64(3)}))
    assert score == Score(0.5, True, {"steps": 3.0})
    assert type(score.value) is float
    assert type(score.success) is bool
    assert type(score.metrics["steps"]) is float


@pytest.mark.parametrize(
    "score", [Score(None, True), Score("half", True), Score(1.0, True, {"steps": None}), 1.0]
)
def test_a_score_that_is_none_is_the_tasks_own_failure(score):
    with pytest.raises(TaskError, match="the task's Door broke"):
        play(score=score)


@pytest.mark.parametrize("wrong", [{"seen": (None,)}, {"brief": "Open it."}])
def test_what_is_no_observation_or_brief_is_the_tasks_own_failure(wrong):
    with pytest.raises(TaskError, match="the task's Door broke"):
        play(**wrong)
