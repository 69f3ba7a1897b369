"""What tasks by depth share: one rule, demonstrations of small depth, test inputs of every depth.

A problem is one puzzle: its demonstrations are the training set, its test inputs are drawn from the
same generator, and no input is in both. The test inputs of a depth are different ones while there
are any left; at small depths some then come again. The source of a test input is the hash of what
is asked, so that repeats count as one source.
"""

from __future__ import annotations

import random
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import ClassVar

from pydantic import Field, field_validator

from harness.data import content_hash
from harness.errors import UsageError
from harness.protocols.solve import (
    Domain,
    Grid,
    Pair,
    Problem,
    Puzzle,
    SolveSettings,
    SolveTask,
    Summary,
)
from harness.protocols.task import MetricInfo
from harness.results.schema import SampleRecord, Status

_PARTS = 4
"""One of so many different inputs may be asked; the others may be shown."""
_TRIES = 10_000
_NEW_TRIES = 1_000
"""Draws without a new test input after which a depth is taken to have no other."""


class DepthSettings(SolveSettings):
    """Options of every task by depth."""

    answers: ClassVar[int | None] = None
    """How many answers are possible, where they are few: as many attempts would always be right."""
    attempts: int = Field(default=1, ge=1)
    """K: a test input is solved if one of the first K distinct answers is right."""
    train: int = Field(default=2000, ge=1)
    """Demonstrations, spread evenly over the depths from 1 to train_depth."""
    train_depth: int = Field(default=4, ge=1)
    """Greatest depth of a demonstration."""
    test: int = Field(default=50, ge=1)
    """Test inputs of each depth."""
    depth: int = Field(default=7, ge=1)
    """Greatest depth of a test input."""

    @field_validator("attempts")
    @classmethod
    def _leaves_a_wrong_answer(cls, attempts: int) -> int:
        if cls.answers is not None and attempts >= cls.answers:
            raise ValueError(
                f"only {cls.answers} answers are possible, so that guessing all of them would be "
                f"right; take at most {cls.answers - 1}"
            )
        return attempts


class ByDepth(SolveTask):
    """A generated task whose test inputs are grouped by the steps that they take."""

    Options: ClassVar[type[SolveSettings]] = DepthSettings
    default_methods: ClassVar[tuple[str, ...]] = ("majority-colour", "nearest", "recurrent")
    baseline: ClassVar[str] = "majority-colour"
    metrics: ClassVar[tuple[MetricInfo, ...]] = (
        MetricInfo("solved", "one of the first K answers is right"),
        MetricInfo("first", "the first answer is right"),
    )
    domain: ClassVar[Domain]
    name: ClassVar[str]
    """Of its only puzzle."""

    @abstractmethod
    def draw(self, depth: int, rng: random.Random) -> Pair:
        """A problem that takes `depth` steps, with its answer."""

    def problems(self, seed: int) -> Sequence[Problem]:
        """The only puzzle of a seed."""
        return [_problem(type(self), self.options.model_dump_json(), seed)]

    def generate(self, seed: int) -> Problem:
        """Draw demonstrations and test inputs; equal for equal options and seeds."""
        options: DepthSettings = self.options
        rng = random.Random(f"{self.name}/{seed}")
        seen = range(1, min(options.train_depth, options.depth) + 1)
        tests = [
            pair
            for depth in range(1, options.depth + 1)
            for pair in self._asked(options.test, depth, rng)
        ]
        train = [
            self._drawn(seen[number % len(seen)], rng, held_out=False)
            for number in range(options.train)
        ]
        groups = [f"depth-{1 + number // options.test:02d}" for number in range(len(tests))]
        puzzle = Puzzle(self.name, tuple(train), tuple(one.input for one in tests), self.domain)
        return Problem(
            puzzle,
            tuple(one.output for one in tests),
            tuple(groups),
            sources=tuple(self._hash(one) for one in tests),
        )

    def _asked(self, count: int, depth: int, rng: random.Random) -> Iterator[Pair]:
        """Test inputs of a depth: different ones first, then repeats where there are too few."""
        known, exhausted = set[Grid](), False
        for _ in range(count):
            pair = self._drawn(depth, rng, held_out=True)
            for _ in range(0 if exhausted else _NEW_TRIES):
                if pair.input not in known:
                    break
                pair = self._drawn(depth, rng, held_out=True)
            exhausted = pair.input in known
            known.add(pair.input)
            yield pair

    def _drawn(self, depth: int, rng: random.Random, *, held_out: bool) -> Pair:
        """Draw a problem; the hash of its input says whether it is asked or shown, never both.

        Raises:
            UsageError: a depth has inputs of one kind only.
        """
        for _ in range(_TRIES):
            pair = self.draw(depth, rng)
            if (int(self._hash(pair), 16) % _PARTS == 0) == held_out:
                return pair
        raise UsageError(
            f"{self.name} has too few problems of depth {depth} to ask some and show others; take "
            "other options."
        )

    def _hash(self, pair: Pair) -> str:
        return content_hash(self.name, pair.input)

    def summarise(self, problems: Sequence[Problem], rows: Iterable[SampleRecord]) -> Summary:
        """Accuracy over all test inputs, up to the trained depth, beyond it, and at each depth."""
        found = [row for row in rows if row.status is not Status.ERROR]
        total = sum(len(one.answers) for one in problems)
        if len(found) < total:
            reason = f"{total - len(found)} of {total} test inputs have no result yet"
            return Summary({}, {"score": reason})
        by_depth = defaultdict[int, list[float]](list)
        for row in found:
            by_depth[int(row.group.removeprefix("depth-"))].append(row.score or 0.0)
        metrics = {"score": _mean(score for scores in by_depth.values() for score in scores)}
        parts: Mapping[str, bool] = {"accuracy_seen_depths": False, "accuracy_deeper": True}
        missing = dict[str, str]()
        for name, deeper in parts.items():
            scores = [
                score
                for depth, some in by_depth.items()
                for score in some
                if (depth > self.options.train_depth) == deeper
            ]
            if scores:
                metrics[name] = _mean(scores)
            else:
                missing[name] = "no test input has such a depth"
        for depth in sorted(by_depth):
            metrics[f"accuracy/depth-{depth:02d}"] = _mean(by_depth[depth])
        return Summary(metrics, missing)


@cache
def _problem(kind: type[ByDepth], options: str, seed: int) -> Problem:
    return kind(kind.Options.model_validate_json(options)).generate(seed)


def _mean(scores: Iterable[float]) -> float:
    found = list(scores)
    return sum(found) / len(found)
