"""What the memories share that ask a model to write: their own limits, counts and prompts.

A prompt of a memory has at most `writer_chars` characters, whatever was experienced, and an answer
at most `writer_tokens` tokens, whatever the run allows an answer of the task. The defaults fit a
context window of 2,048 tokens together; with a larger one, both can grow.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count
from typing import ClassVar, Generic, TypeVar

from pydantic import Field

from harness.models.chat import Message, Phase
from harness.options import Options
from harness.protocols.stream import EntryMemory, MemoryContext, Query, Retrieval

NOTHING = "(empty)"
"""Stands in a prompt where there is nothing to show."""
_GAP = " ... "


class WriterOptions(Options):
    """Options of the memories that ask a model."""

    writer_tokens: int = Field(default=512, ge=1)
    """Most new tokens of what the memory has the model write for itself."""
    writer_chars: int = Field(default=4000, ge=2000)
    """Most characters of a prompt that the memory asks with; its parts are cut to fit."""


AnyWriter = TypeVar("AnyWriter", bound=WriterOptions)


class WritingMemory(EntryMemory, Generic[AnyWriter]):
    """A memory that asks a model about what it keeps, and counts what came of it.

    A subclass finds entries in `find` instead of `search`, and names its counts in `counted`.
    """

    Options: ClassVar[type[Options]] = WriterOptions
    options: AnyWriter
    counted: ClassVar[tuple[str, ...]] = ()
    """Counts of this memory beside the model calls and the answers that nobody could read."""

    def __init__(self, options: Options, context: MemoryContext) -> None:
        super().__init__(options, context)
        self._counts = Counter[str]()

    async def search(self, query: Query) -> Retrieval:
        """Begin an item: nothing is counted yet."""
        self._counts.clear()
        return await self.find(query)

    @abstractmethod
    async def find(self, query: Query) -> Retrieval:
        """Find what may help; must not change what `entries` says."""

    def notes(self) -> Mapping[str, float]:
        """Counts since the item began."""
        names = ("calls", "unreadable", *self.counted)
        return {name: float(self._counts[name]) for name in names}

    def count(self, name: str, by: int = 1) -> None:
        """Count something that `counted` names, or an unreadable answer."""
        self._counts[name] += by

    def new_id(self, step: int) -> str:
        """An id for one more entry of an item."""
        return next(one for n in count() if (one := f"e{step}.{n}") not in self._entries)

    async def write(
        self, prompt: str, *, phase: Phase = Phase.EVOLVE, max_tokens: int | None = None
    ) -> str:
        """Ask the model for a text of the memory's own.

        Args:
            prompt: what is asked.
            phase: what the call is charged to.
            max_tokens: of the answer, where fewer than the option's are enough.
        """
        self.count("calls")
        limit = self.options.writer_tokens
        return await self.context.ask(
            [Message("user", prompt)],
            phase=phase,
            max_tokens=limit if max_tokens is None else min(max_tokens, limit),
        )

    def prompt(self, template: str, /, **texts: str | Sequence[str]) -> str:
        """Fill a template within the memory's budget; see `filled`."""
        return filled(template, self.options.writer_chars, **texts)


def filled(template: str, chars: int, /, **texts: str | Sequence[str]) -> str:
    """Fill a template's fields so that the prompt has at most `chars` characters.

    Args:
        template: as `str.format` takes it.
        chars: of the whole prompt; the template itself is never cut.
        texts: by field; each text of a sequence is cut for itself and stands on lines of its own.
    """
    parts = {
        name: [text or NOTHING] if isinstance(text, str) else list(text) or [NOTHING]
        for name, text in texts.items()
    }
    fixed = len(template.format(**dict.fromkeys(texts, "")))
    lines = sum(len(part) - 1 for part in parts.values())
    cut = iter(fitted([one for part in parts.values() for one in part], chars - fixed - lines))
    return template.format(
        **{name: "\n".join(next(cut) for _ in part) for name, part in parts.items()}
    )


def fitted(texts: Sequence[str], chars: int) -> list[str]:
    """Cut texts so that they have at most `chars` characters together, the longest ones first.

    Each has an equal share of the room; what short texts leave of theirs goes to the others.
    """
    left, cut = max(chars, 0), list(texts)
    by_length = sorted(range(len(texts)), key=lambda one: len(texts[one]))
    for shared_by, one in zip(range(len(texts), 0, -1), by_length, strict=True):
        cut[one] = shortened(texts[one], left // shared_by)
        left -= len(cut[one])
    return cut


def shortened(text: str, chars: int) -> str:
    """A text of at most `chars` characters: its beginning and its end, where it is longer."""
    if len(text) <= chars:
        return text
    room = chars - len(_GAP)
    if room < 2:
        return text[: max(chars, 0)]
    tail = room // 3
    return f"{text[: room - tail]}{_GAP}{text[len(text) - tail :]}"


def numbered(texts: Sequence[str], first: int = 1) -> list[str]:
    """Texts with numbers in front, for a model to name them by."""
    return [f"[{number}] {text}" for number, text in enumerate(texts, first)]
