"""A published set of questions as a subset: rows in, streams of questions out.

Native order is the data set's own; the streams are equal consecutive parts of it (``streams=1`` is
the paper's single stream, ``items=N`` keeps the first N of each). Rows come from the local mirror,
else from the hub by id and revision.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import ClassVar

from harness.data import DataSource, content_hash
from harness.errors import UsageError
from harness.protocols.stream import Episode, Experience, Item, Score
from harness_tasks.evo_memory.question import QuestionEpisode
from harness_tasks.evo_memory.subset import EvoMemoryOptions, Subset, in_streams
from harness_tasks.published import Published, Row


@dataclass(frozen=True)
class Question:
    """One question with its answer, which stays behind.

    Attributes:
        id: unique in its data set.
        text: what is asked.
        gold: the right answer, as extraction spells it.
        group: family, for break-downs.
        choices: the options of a multiple choice, in the order of their letters.
        extra: whatever else its scoring needs.
    """

    id: str
    text: str
    gold: str
    group: str = ""
    choices: tuple[str, ...] = ()
    extra: tuple[str, ...] = field(default=())

    @property
    def shown(self) -> str:
        """The question with its options, one a line."""
        lines = [f"{chr(65 + n)}. {choice}" for n, choice in enumerate(self.choices)]
        return "\n".join([self.text, *lines])


class QuestionBank(Subset):
    """Questions of one published set."""

    options_used: ClassVar[frozenset[str]] = frozenset({"streams", "items", "rationale"})
    max_tokens: ClassVar[int] = 512
    name: ClassVar[str]
    published: ClassVar[Published]
    file: ClassVar[str]
    """The mirror's file without its suffix, and the configuration on the hub."""
    rules: ClassVar[str] = "1"
    """Version of prompt, extraction and scoring."""
    default_streams: ClassVar[int] = 10
    instructions: ClassVar[str] = "Answer the question."

    def __init__(self, options: EvoMemoryOptions) -> None:
        super().__init__(options)
        self._items: list[Item] | None = None

    @property
    def version(self) -> str:
        """Rules of this module; the rows are pinned by their hash."""
        return f"{self.name}-{self.rules}"

    @abstractmethod
    def read(self) -> tuple[Row, ...]:
        """The rows, from mirror or hub."""

    @abstractmethod
    def question(self, number: int, row: Row) -> Question:
        """Make a question of a row.

        Raises:
            ValueError: the row is no question of this set.
        """

    @abstractmethod
    def extract(self, question: Question, text: str) -> str | None:
        """The final answer in an output; None where there is none."""

    @property
    def answer_format(self) -> str:
        """What an answer looks like, without a rationale."""
        return "the final answer"

    def verify(self, question: Question, answer: str | None) -> Score:
        """Score an extracted answer: exact match."""
        right = answer == question.gold
        return Score(float(right), right, gold=question.gold, answer=answer or "")

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """All rows, read once."""
        return self.read()

    @cached_property
    def questions(self) -> dict[str, Question]:
        """All questions by their sample id, in native order."""
        found = dict[str, Question]()
        for number, row in enumerate(self.rows):
            try:
                question = self.question(number, row)
            except (ValueError, TypeError, KeyError) as error:
                raise UsageError(
                    f"row {number + 1} of {self.published.repository} ({self.file}) is no question "
                    f"({type(error).__name__}: {error}); restore the data."
                ) from error
            found[f"{self.name}/{question.id}"] = question
        return found

    def items(self, data_seed: int) -> Sequence[Item]:
        """All questions; they are fixed, whatever the data seed."""
        del data_seed
        if self._items is None:
            count = len(self.questions)
            streams = self.options.streams or min(self.default_streams, count)
            places = in_streams(count, streams, f"{self.name} has {count} questions")
            taken = dict[str, int]()
            self._items = []
            for stream, (sample_id, one) in zip(places, self.questions.items(), strict=True):
                taken[stream] = taken.get(stream, 0) + 1
                if self.options.items is None or taken[stream] <= self.options.items:
                    known = content_hash(one.shown, one.gold, *one.extra)
                    self._items.append(Item(sample_id, stream, known, group=one.group))
        return self._items

    def episode(self, item: Item) -> Episode:
        """Ask a question."""
        question = self.questions[item.sample_id]
        return QuestionEpisode(
            question.shown,
            self.format(),
            partial(self.extract, question),
            partial(self.verify, question),
            self.told(question),
        )

    def told(self, question: Question) -> str:
        """What stands before a question."""
        del question
        return self.instructions

    def format(self) -> str:
        """What an answer looks like."""
        if not self.options.rationale:
            return self.answer_format
        return f"a short rationale, then a last line with 'Answer:' and {self.answer_format}"

    def demonstrations(self, count: int, data_seed: int) -> Sequence[Experience]:
        """None: the whole published set is the stream."""
        del count, data_seed
        return ()

    def data_sources(self) -> Sequence[DataSource]:
        """The rows, by value."""
        return [self.published.source(self.file, self.rows)]
