"""What an editor may see: forget set, retain set and calibration set, in minibatches that pair.

Which examples stand in the minibatches of a step depends on the seed, the step and the sets alone,
so that all methods under one seed take the same ones, and a killed edit goes on with them.
Evaluation-only fields (paraphrased and perturbed answers, evaluation items) are no part of this.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.data import content_hash
from harness.errors import UsageError


@dataclass(frozen=True)
class Example:
    """A question with its answer, or a passage of text (then `question` is empty)."""

    example_id: str
    source_id: str
    """What it comes from: an author, a document."""
    question: str
    answer: str

    @property
    def is_passage(self) -> bool:
        """Whether every token is to be learned or forgotten, not only those of the answer."""
        return not self.question


@dataclass(frozen=True)
class EditData:
    """The sets of one edit request.

    Raises:
        UsageError: a set is empty, or a forget example is among the others.
    """

    forget: tuple[Example, ...]
    retain: tuple[Example, ...]
    calibration: tuple[Example, ...] = ()
    """Of the kind of the retain set, for retain directions and statistics; the retain set itself
    where none is given."""
    refusals: tuple[str, ...] = ()
    """Answers that decline, such as "I don't know"."""
    name: str = ""
    """Tells the requests of a sequence apart."""

    def __post_init__(self) -> None:
        for name, members in (("forget", self.forget), ("retain", self.retain)):
            if not members:
                raise UsageError(f"the {name} set is empty; choose another subset or limit.")
        if not self.calibration:
            object.__setattr__(self, "calibration", self.retain)
        forgotten = {(one.question, one.answer) for one in self.forget}
        for name, members in (("retain", self.retain), ("calibration", self.calibration)):
            shared = [one for one in members if (one.question, one.answer) in forgotten]
            if shared:
                raise UsageError(
                    f"{len(shared)} examples of the forget set are in the {name} set too (the "
                    f"first is {shared[0].example_id}); what is to be forgotten must not be "
                    "retained."
                )

    @cached_property
    def content_hash(self) -> str:
        """Hash of all examples, in order."""
        sets = (self.forget, self.retain, self.calibration)
        texts = [(one.question, one.answer) for members in sets for one in members]
        return content_hash(*texts, *map(len, sets), *self.refusals)

    def forget_batch(self, seed: int, step: int, size: int) -> list[Example]:
        """The forget minibatch of a step (from 0): each epoch is a permutation of the set."""
        return [self.forget[n] for n in _epochs(len(self.forget), f"forget/{seed}", step, size)]

    def retain_batch(self, seed: int, step: int, size: int) -> list[Example]:
        """The retain minibatch of a step: drawn at random, as reference code does."""
        return _drawn(self.retain, f"retain/{seed}/{step}", size)

    def calibration_batch(self, seed: int, step: int, number: int, size: int) -> list[Example]:
        """A further minibatch of the kind of the retain set."""
        return _drawn(self.calibration, f"calibration/{seed}/{step}/{number}", size)

    def refusal_for(self, seed: int, step: int, example: Example) -> str:
        """An answer that declines, for one forget example."""
        if not self.refusals:
            raise UsageError("this method needs answers that decline, and the task has none.")
        return generator(f"refusal/{seed}/{step}/{example.example_id}").choice(self.refusals)


def generator(text: str) -> random.Random:
    """A generator of its own for a text, equal on every machine."""
    return random.Random(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))


def _epochs(length: int, seed_text: str, step: int, size: int) -> list[int]:
    """Positions of a step's minibatch in endless permutations."""
    size = min(size, length)
    first, found = step * size, list[int]()
    while len(found) < size:
        epoch, offset = divmod(first + len(found), length)
        order = list(range(length))
        generator(f"{seed_text}/{epoch}").shuffle(order)
        found += order[offset : offset + size - len(found)]
    return found


def _drawn(members: Sequence[Example], seed_text: str, size: int) -> list[Example]:
    return generator(seed_text).sample(members, min(size, len(members)))
