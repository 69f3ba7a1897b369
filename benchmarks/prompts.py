"""The prompts that every tool is given: short sums with short answers, the same in every run."""

from __future__ import annotations

import json
import random
from pathlib import Path

SEED = 20251
_THINGS = ("apples", "books", "coins", "doors", "eggs", "flags", "gloves", "hats")


def write_prompts(path: Path, count: int) -> Path:
    """Write `count` lines of ``{"id", "question", "answer"}``; a longer file begins alike."""
    source = random.Random(SEED)
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            left, right, thing = (
                source.randint(1, 60),
                source.randint(1, 60),
                source.choice(_THINGS),
            )
            question = (
                f"Number {number}: {left} {thing} and {right} more {thing}, how many are they?"
            )
            row = {"id": f"q{number:06d}", "question": question, "answer": str(left + right)}
            file.write(json.dumps(row) + "\n")
    return path


def write_stories(path: Path, count: int, *, key: str = "question") -> Path:
    """Write `count` requests for a long text, which a model does not end before its limit.

    Args:
        key: name of the field that holds the request.
    """
    source = random.Random(SEED)
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            left, right = source.sample(_THINGS, 2)
            text = (
                f"Story {number}: tell a long story of {source.randint(2, 60)} {left} and {right}."
            )
            file.write(json.dumps({"id": f"s{number:06d}", key: text, "answer": "-"}) + "\n")
    return path
