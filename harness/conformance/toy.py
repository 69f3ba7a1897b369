"""A tiny stream task and a model for the checks: nothing to install, nothing to load.

Half of the streams ask questions, half are episodes of three turns. Gold answers are canaries:
texts that occur nowhere else, so that finding one in a prompt or a memory proves a leak.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import ClassVar

from harness.data import content_hash
from harness.models.base import NO_HOST, Host, ModelIdentity, ModelRequest
from harness.models.chat import ChatModel, ChatRequest, ChatResponse
from harness.protocols.stream import (
    Brief,
    Episode,
    Experience,
    Feedback,
    Item,
    MetricInfo,
    Observation,
    Score,
    StreamTask,
    Turn,
)
from harness.registry import About

CANARY = "canary-7f3a"
_TOPICS = ("red lamp", "green lamp", "old door", "tall tree", "red door")
_TURNS = 3


class ToyEpisode(Episode):
    """Guess the colour of a thing; in an episode, three times."""

    def __init__(self, item: Item) -> None:
        self._gold = f"{CANARY}-{item.content_hash}"
        self._goal = f"What is the {item.group}?"
        self._single = item.stream_id.startswith("question")
        self._left = 1 if self._single else _TURNS
        self._right = int(item.content_hash, 16) % 3 != 0

    @property
    def brief(self) -> Brief:
        """What the method is told."""
        return Brief(
            goal=self._goal,
            instructions="Guess.",
            answer_format="one word",
            single_turn=self._single,
            max_turns=self._left if self._single else _TURNS,
            goal_label="Question" if self._single else "Riddle",
            action_label="Answer" if self._single else "Guess",
        )

    def reset(self) -> Observation:
        """Start."""
        return Observation("" if self._single else "You see it.")

    def step(self, action: str) -> Observation:
        """Take a guess."""
        self._left -= 1
        return Observation("" if self._single else "Still there.", self._left <= 0, bool(action))

    def score(self) -> Score:
        """Right for two items in three, whatever was guessed."""
        return Score(float(self._right), self._right, gold=self._gold)


class ToyTask(StreamTask):
    """Four streams of five items."""

    about: ClassVar[About] = About("A toy for the conformance checks.", "harness.conformance")
    metrics: ClassVar[tuple[MetricInfo, ...]] = (MetricInfo("success", "share solved"),)

    @property
    def version(self) -> str:
        """Version of the toy."""
        return "toy-1"

    @property
    def subset(self) -> str:
        """The only one."""
        return "toy"

    def items(self, data_seed: int) -> Sequence[Item]:
        """Questions and episodes."""
        return [
            Item(
                sample_id=f"{kind}/{stream}/{step}",
                stream_id=f"{kind}-{stream}",
                content_hash=content_hash(kind, stream, step, data_seed),
                group=topic,
            )
            for kind in ("question", "episode")
            for stream in range(2)
            for step, topic in enumerate(_TOPICS)
        ]

    def episode(self, item: Item) -> Episode:
        """Open an item."""
        return ToyEpisode(item)

    def demonstrations(self, count: int, data_seed: int) -> Sequence[Experience]:
        """Solved examples."""
        del data_seed
        return [
            Experience(
                f"demo-{n}", n, f"What is thing {n}?", (Turn("", "blue"),), Feedback(correct=True)
            )
            for n in range(count)
        ]


class ToyModel(ChatModel):
    """Answers as a function of the prompt, in every form that the built-in agents offer."""

    about: ClassVar[About] = About("A toy for the conformance checks.", "harness.conformance")

    def __init__(self, request: ModelRequest) -> None:
        del request
        self.prompts: list[str] = []

    async def start(self, host: Host = NO_HOST) -> ModelIdentity:
        """Nothing to load."""
        del host
        return ModelIdentity("toy", "1", "toy", "1")

    async def chat(self, request: ChatRequest) -> ChatResponse:
        """Answer."""
        prompt = "\n".join(message.content for message in request.messages)
        self.prompts.append(prompt)
        number = hashlib.sha256(prompt.encode()).digest()[0]
        forms = ("Guess: green", "Answer: blue", "Think: hm", "Think-Prune: 1", "red", "<x>y</x>")
        text = forms[number % len(forms)]
        return ChatResponse(text, len(prompt.split()), len(text.split()), 0.0)
