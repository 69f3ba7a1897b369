"""Tasks for the tests, quick to load: questions for a digit, and rooms of three turns."""

from __future__ import annotations

from harness.data import content_hash
from harness.errors import InvalidSample
from harness.protocols.stream import (
    Brief,
    Episode,
    Item,
    MetricInfo,
    Observation,
    Score,
    StreamTask,
)
from harness.registry import About

VERSION = "digits-1"
SALT = "salt"
REFUSED = ()
"""Numbers that cannot be asked for."""
INSTRUCTIONS = "Name a digit."


class Question(Episode):
    def __init__(self, number):
        self.number, self.answer = number, ""

    @property
    def brief(self):
        return Brief(f"Which digit is number {self.number}?", INSTRUCTIONS, "a digit", True, 1)

    def reset(self):
        if self.number in REFUSED:
            raise InvalidSample("nobody likes this number")
        return Observation("")

    def step(self, action):
        self.answer = action.strip()
        return Observation("", done=True, valid=self.answer.isdigit())

    def score(self):
        gold = str(self.number % 3 + 1)
        right = self.answer == gold
        return Score(float(right), right, {"half": 0.5}, gold=gold)


class Digits(StreamTask):
    about = About("Digits.", "a test")
    metrics = (MetricInfo("half", "always a half"),)

    @property
    def version(self):
        return VERSION

    @property
    def subset(self):
        return "all"

    def items(self, data_seed):
        return [
            Item(f"n{number}", f"s{number % 3}", content_hash(SALT, number), group="digits")
            for number in range(15)
        ]

    def episode(self, item):
        return Question(int(item.sample_id[1:]))


class Room(Question):
    @property
    def brief(self):
        return Brief("Leave.", "You are in a room.", "one action", False, 3, action_label="Action")

    def reset(self):
        self.actions = []
        return Observation("a door")

    def step(self, action):
        self.actions.append(action)
        ahead = "move forward"
        seen = "a wall" if action == ahead else "a door"
        return Observation(seen, len(self.actions) >= 3, valid=action != "dance")

    def score(self):
        moves = self.actions.count("move forward")
        return Score(moves / 3, moves > 0)


class Rooms(Digits):
    def episode(self, item):
        return Room(int(item.sample_id[1:]))
