"""Subset `reasoning`: generated questions with recurring templates and exact verifiers.

Items come from reasoning-gym (Stojanovski et al. 2025, arXiv 2505.24760): any number of them,
offline, scored by the library's own verifiers. A stream mixes a few families, so that an earlier
item can help a later one; streams are disjoint, and so are the demonstrations. The default
families are those in which SmolLM2-135M is right at times without help (15-60 %): a stream that
keeps successes only learns nothing from a family at zero.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from harness.data import DataSource, content_hash
from harness.errors import UnknownName, UsageError
from harness.protocols.stream import Episode, Experience, Feedback, Item, Score, Turn
from harness.registry import Need
from harness.results.provenance import package_version
from harness_tasks.evo_memory.extraction import final_choice, final_number
from harness_tasks.evo_memory.question import QuestionEpisode
from harness_tasks.evo_memory.subset import EvoMemoryOptions, Subset

_POOL = 1_000_000
_MISSES = 2000


@dataclass(frozen=True)
class Family:
    """A reasoning-gym data set at a difficulty.

    Attributes:
        settings: arguments of the library's configuration.
        choices: the possible answers; empty where the answer is a number.
        default: part of the default choice of families.
    """

    settings: dict[str, Any]
    choices: tuple[str, ...] = ()
    default: bool = True

    @property
    def answer_format(self) -> str:
        """What an answer looks like."""
        return " or ".join(self.choices) if self.choices else "the number"

    def extract(self, text: str) -> str | None:
        """Find the final answer in an output."""
        return final_choice(text, self.choices) if self.choices else final_number(text)


_ONE_DIGIT_PAIR = {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1}
FAMILIES = {
    "letter_counting": Family({"min_words": 3, "max_words": 5}),
    "gcd": Family({"max_value": 20}),
    "syllogism": Family({}, ("Yes", "No")),
    "course_schedule": Family({}, ("True", "False")),
    "chain_sum": Family(_ONE_DIGIT_PAIR),
    "basic_arithmetic": Family(_ONE_DIGIT_PAIR),
    "isomorphic_strings": Family({}, ("True", "False"), default=False),
    "leg_counting": Family({"max_animals": 3}, default=False),
}


@dataclass(frozen=True)
class _Question:
    family: str
    entry: dict[str, Any]
    """The library's entry: question, answer, metadata."""

    @property
    def text(self) -> str:
        return str(self.entry["question"]).strip()


class Reasoning(Subset):
    """Generated questions in disjoint streams."""

    options_used: ClassVar[frozenset[str]] = frozenset(
        {"streams", "items", "families", "families_per_stream"}
    )
    max_tokens: ClassVar[int] = 16
    needs: ClassVar[tuple[Need, ...]] = (Need("reasoning_gym", "environments"),)
    default_streams: ClassVar[int] = 10
    default_items: ClassVar[int] = 6

    def __init__(self, options: EvoMemoryOptions) -> None:
        super().__init__(options)
        for name in options.families:
            if name not in FAMILIES:
                raise UnknownName("family of reasoning", name, FAMILIES)
        self._families = options.families or tuple(
            name for name, family in FAMILIES.items() if family.default
        )
        self._questions: dict[str, _Question] = {}
        self._generated: dict[int, tuple[list[Item], list[_Question]]] = {}
        self._sets: dict[tuple[str, int], Any] = {}

    @property
    def version(self) -> str:
        """Rules of this module and of the library, whose generators may change."""
        return f"reasoning-2+reasoning-gym-{package_version('reasoning-gym')}"

    def items(self, data_seed: int) -> Sequence[Item]:
        """All streams, one after another."""
        return self._generate(data_seed)[0]

    def episode(self, item: Item) -> Episode:
        """Ask a question."""
        question = self._questions[item.sample_id]
        family = FAMILIES[question.family]
        return QuestionEpisode(
            question.text, family.answer_format, family.extract, partial(self._verify, question)
        )

    def demonstrations(self, count: int, data_seed: int) -> Sequence[Experience]:
        """Questions that no stream has, with their right answers; families in turn."""
        taken = {question.text for question in self._generate(data_seed)[1]}
        sources = {name: self._draw(name, data_seed, f"demo/{name}") for name in self._families}
        found = list[Experience]()
        while len(found) < count:
            name = self._families[len(found) % len(self._families)]
            question = self._fresh(sources[name], taken, name)
            found.append(_solved(question, len(found)))
        return found

    def data_sources(self) -> Sequence[DataSource]:
        """The library and the settings of the families."""
        settings = {name: FAMILIES[name].settings for name in self._families}
        revision = package_version("reasoning-gym")
        return [
            DataSource(
                "reasoning-gym", revision, content_hash(json.dumps(settings, sort_keys=True))
            )
        ]

    def _generate(self, data_seed: int) -> tuple[list[Item], list[_Question]]:
        if data_seed in self._generated:
            return self._generated[data_seed]
        streams = self.options.streams or self.default_streams
        length = self.options.items or self.default_items
        sources = {name: self._draw(name, data_seed, name) for name in self._families}
        taken, items, questions = set[str](), list[Item](), list[_Question]()
        for stream in range(streams):
            for step, name in enumerate(self._mix(stream, length, data_seed)):
                question = self._fresh(sources[name], taken, name)
                sample_id = f"reasoning/{data_seed}/{stream:03d}/{step:04d}"
                questions.append(question)
                self._questions[sample_id] = question
                items.append(
                    Item(
                        sample_id=sample_id,
                        stream_id=f"{stream:03d}",
                        content_hash=content_hash(question.text, question.entry["answer"]),
                        group=name,
                    )
                )
        self._generated[data_seed] = (items, questions)
        return items, questions

    def _mix(self, stream: int, length: int, data_seed: int) -> list[str]:
        """Families of a stream in order: neighbours of the list in turn, shuffled."""
        count = min(self.options.families_per_stream, len(self._families))
        own = [self._families[(stream + n) % len(self._families)] for n in range(count)]
        order = [own[n % count] for n in range(length)]
        random.Random(f"mix/{data_seed}/{stream}").shuffle(order)
        return order

    def _draw(self, name: str, data_seed: int, purpose: str) -> Iterator[_Question]:
        """An endless, repeatable source of questions of a family."""
        source = self._set(name, int(content_hash(data_seed, purpose), 16) % 2**31)
        return (_Question(name, source[index]) for index in range(_POOL))

    def _set(self, name: str, seed: int) -> Any:
        """The library's data set of a family, made once: some read whole texts when made."""
        import reasoning_gym

        if (name, seed) not in self._sets:
            self._sets[name, seed] = reasoning_gym.create_dataset(
                name, seed=seed, size=_POOL, **FAMILIES[name].settings
            )
        return self._sets[name, seed]

    def _fresh(self, source: Iterator[_Question], taken: set[str], name: str) -> _Question:
        """The next question that was not asked before."""
        for _ in range(_MISSES):
            question = next(source)
            if question.text not in taken:
                taken.add(question.text)
                return question
        raise UsageError(
            f"family {name} has too few different questions for this many items; "
            "ask for fewer items or streams, or add families."
        )

    def _verify(self, question: _Question, answer: str | None) -> Score:
        scorer = self._set(question.family, 0)
        raw = float(scorer.score_answer(answer, question.entry)) if answer is not None else 0.0
        return Score(
            value=float(raw >= 1.0),
            success=raw >= 1.0,
            metrics={"verifier": raw},
            gold=str(question.entry["answer"]),
            answer=answer or "",
        )


def _solved(question: _Question, step: int) -> Experience:
    return Experience(
        sample_id=f"demo-{step}",
        step=step,
        goal=question.text,
        turns=(Turn("", str(question.entry["answer"])),),
        feedback=Feedback(correct=True),
    )
