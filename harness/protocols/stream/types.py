"""The values that pass between a stream task, the loop, an agent and a memory.

All are frozen. Nothing here holds a gold answer: what a task keeps behind stays in its `Episode`,
and reaches a method only inside a `Feedback` whose level grants it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class Item:
    """One scored thing of a stream, as the plan and the loop know it."""

    sample_id: str
    stream_id: str
    content_hash: str
    """Hash of the item's content, gold included: equal items can be paired across runs."""
    source_id: str = ""
    """Items that share a source are not independent; empty: the item is its own source."""
    group: str = ""
    """Family, level or category, for break-downs."""
    difficulty: float | None = None
    """Larger is harder; None where the task does not know."""
    repeat: int = 0
    """How often the stream had it before; more than 0 only in the order ``repeated``."""


@dataclass(frozen=True)
class Brief:
    """What a method is told about one item before its first turn."""

    goal: str
    """The question or the mission; by default what a memory is searched with."""
    instructions: str
    """What the world is and how to answer or act in it."""
    answer_format: str
    """What one answer or action looks like, as a phrase: ``a number``, ``one action``."""
    single_turn: bool
    max_turns: int
    hints: str = ""
    """Standing help of the task, such as how to list valid actions."""
    goal_label: str = "Question"
    action_label: str = "Answer"


@dataclass(frozen=True)
class Observation:
    """What the world shows."""

    text: str
    done: bool = False
    valid: bool = True
    """False if the action that led here was not understood or not possible."""


@dataclass(frozen=True)
class Turn:
    """One action, what was seen before it, and whether the world accepted it."""

    observation: str
    action: str
    valid: bool = True


@dataclass(frozen=True)
class Score:
    """The outcome of an episode; stays with the harness.

    Attributes:
        value: the primary metric, in [0, 1], higher is better.
        success: whether the item counts as solved; decides what the store policy admits.
        metrics: further numbers of the sample, by metric name.
        gold: the right answer in words, for ``feedback=gold`` only.
        answer: the answer as it was read, such as a letter; empty where none was found.
    """

    value: float
    success: bool
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    gold: str = ""
    answer: str = ""


@dataclass(frozen=True)
class Feedback:
    """What a method learns about its own answer; fields beyond the granted level are None."""

    correct: bool | None = None
    score: float | None = None
    gold: str | None = None

    def __str__(self) -> str:
        """Say it in words, as memories store it; empty where nothing was granted."""
        parts = list[str]()
        if self.correct is not None:
            parts.append("correct" if self.correct else "incorrect")
        if self.score is not None:
            parts.append(f"score {self.score:.2f}")
        if self.gold is not None:
            parts.append(f"the right answer is {self.gold}")
        return ", ".join(parts)


@dataclass(frozen=True)
class Experience:
    """A finished item as a memory may keep it."""

    sample_id: str
    step: int
    """Position in the stream, from 0."""
    goal: str
    turns: tuple[Turn, ...]
    feedback: Feedback
    goal_label: str = "Question"
    action_label: str = "Answer"
    single_turn: bool = True
    retrieved: tuple[str, ...] = ()
    """Ids of the entries that were shown."""
    pruned: tuple[str, ...] = ()
    """Ids of the entries that the agent pruned."""

    @property
    def output(self) -> str:
        """The last action: the answer of a question."""
        return self.turns[-1].action if self.turns else ""

    @property
    def actions(self) -> tuple[str, ...]:
        """The trajectory as a list of actions."""
        return tuple(turn.action for turn in self.turns)


@dataclass(frozen=True)
class Entry:
    """One thing a memory holds.

    Attributes:
        id: unique in its memory, the same in every execution (no clock, no random part).
        text: what a prompt shows.
        key: what a search compares with the query.
        sample_id: the item whose experience wrote the entry.
        step: the stream position at which it was written.
        meta: whatever else the memory needs to rebuild itself from its entries.
    """

    id: str
    text: str
    key: str
    sample_id: str
    step: int
    meta: Mapping[str, str] = field(default_factory=dict[str, str])

    def as_json(self) -> dict[str, Any]:
        """The entry as plain values."""
        return {
            "id": self.id,
            "text": self.text,
            "key": self.key,
            "sample_id": self.sample_id,
            "step": self.step,
            "meta": dict(self.meta),
        }

    @cached_property
    def digest(self) -> bytes:
        """Hash of all fields; computed once, since a memory is hashed at every commit."""
        return hashlib.sha256(json.dumps(self.as_json(), sort_keys=True).encode()).digest()


@dataclass(frozen=True)
class Query:
    """What a memory is asked for, before the item's first turn."""

    sample_id: str
    step: int
    goal: str


@dataclass(frozen=True)
class Hit:
    """One retrieved entry and its similarity (NaN where none was computed).

    A text that is no entry, such as a summary made for the query, has an empty id.
    """

    id: str
    text: str
    score: float = float("nan")


@dataclass(frozen=True)
class Retrieval:
    """Retrieved entries, best first."""

    hits: tuple[Hit, ...] = ()


@dataclass(frozen=True)
class Context:
    """What goes into the prompt's experience section: items in display order, or free text."""

    items: tuple[Hit, ...] = ()
    text: str = ""

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the shown entries, in display order."""
        return tuple(item.id for item in self.items)

    def without(self, ids: Iterable[str]) -> Context:
        """The same context with some entries dropped."""
        dropped = set(ids)
        return Context(tuple(one for one in self.items if one.id not in dropped), self.text)


@dataclass(frozen=True)
class Delta:
    """How a memory changed between two commits: entries by id, computed by the harness itself."""

    added: tuple[Entry, ...] = ()
    changed: tuple[Entry, ...] = ()
    removed: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    """All ids in their new order; empty where kept entries stay in place and new ones follow."""

    @classmethod
    def between(cls, before: Mapping[str, Entry], after: Mapping[str, Entry]) -> Delta:
        """Compare two states of a memory."""
        delta = cls(
            added=tuple(entry for key, entry in after.items() if key not in before),
            changed=tuple(
                entry
                for key, entry in after.items()
                if key in before and before[key] is not entry and before[key] != entry
            ),
            removed=tuple(key for key in before if key not in after),
        )
        moved = list(delta.apply(before)) != list(after)
        return replace(delta, order=tuple(after)) if moved else delta

    def apply(self, entries: Mapping[str, Entry]) -> dict[str, Entry]:
        """The state after this change of `entries`."""
        removed = set(self.removed)
        state = {key: entry for key, entry in entries.items() if key not in removed}
        state.update((entry.id, entry) for entry in (*self.changed, *self.added))
        return {key: state[key] for key in self.order} if self.order else state


def fingerprint(entries: Mapping[str, Entry]) -> str:
    """Hash of a memory's entries in their order; equal memories have equal fingerprints."""
    digest = hashlib.sha256()
    for entry in entries.values():
        digest.update(entry.digest)
    return digest.hexdigest()[:32]
