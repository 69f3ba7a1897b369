"""Chat models: one request in, one answer out, with the tokens and seconds it took.

A `ChatModel` talks to an engine (this process, a server, a file of answers) and knows nothing of
runs; metering, the journal and replay are `harness.models.client`. What a request means to every
model is the same `Sampling`.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import Field

from harness.options import NoOptions, Options
from harness.registry import About, Need


class Phase(StrEnum):
    """What a model call or a span of time is for."""

    ACT = "act"
    THINK = "think"
    RETRIEVE = "retrieve"
    EVOLVE = "evolve"
    JUDGE = "judge"


class ModelKind(StrEnum):
    """What a model can do; a protocol asks for one."""

    CHAT = "chat"
    EMBEDDER = "embedder"
    CAUSAL_LM = "causal_lm"
    CLASSIFIER = "classifier"


@dataclass(frozen=True)
class Message:
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class Sampling(Options):
    """How an answer is drawn, for each request; part of the work key (``-M name=value``)."""

    temperature: float = Field(default=0.0, ge=0)
    """0 is greedy decoding."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Nucleus sampling threshold, used when temperature > 0."""
    max_tokens: int = Field(default=256, ge=1)
    """Most new tokens of an answer."""

    @property
    def greedy(self) -> bool:
        """Whether equal requests have equal answers by intent."""
        return self.temperature == 0


@dataclass(frozen=True)
class ChatRequest:
    """One request, complete: equal requests are the same question."""

    messages: tuple[Message, ...]
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 256
    stop: tuple[str, ...] = ()
    seed: int | None = None

    def key(self) -> str:
        """Hash of everything that determines the answer, the model apart."""
        fields = [
            [[message.role, message.content] for message in self.messages],
            self.temperature,
            self.top_p,
            self.max_tokens,
            list(self.stop),
            self.seed,
        ]
        return hashlib.sha256(json.dumps(fields).encode()).hexdigest()[:24]


@dataclass(frozen=True)
class ChatResponse:
    """One answer; tokens as the engine counts them, seconds of wall time spent on it."""

    text: str
    input_tokens: int
    output_tokens: int
    latency_s: float
    finish_reason: str = "stop"


@dataclass(frozen=True)
class ModelIdentity:
    """What a run's row says of the model and its engine."""

    id: str
    revision: str
    engine: str
    engine_version: str


@dataclass(frozen=True)
class ModelRequest:
    """What a user named: ``name[:target][@revision]`` with engine arguments and servers."""

    name: str
    target: str = ""
    revision: str = ""
    args: tuple[tuple[str, str], ...] = ()
    base_urls: tuple[str, ...] = ()

    @classmethod
    def parse(
        cls, text: str, args: Sequence[tuple[str, str]] = (), base_urls: Sequence[str] = ()
    ) -> ModelRequest:
        """Read ``openai:NAME@REVISION``."""
        name, _, target = text.partition(":")
        target, _, revision = target.partition("@") if "@" in target else (target, "", "")
        if not target:
            name, _, revision = name.partition("@")
        return cls(name, target, revision, tuple(args), tuple(base_urls))

    def __str__(self) -> str:
        """Write it as the user types it."""
        text = f"{self.name}:{self.target}" if self.target else self.name
        return f"{text}@{self.revision}" if self.revision else text


class Model(ABC):
    """Anything registered under ``harness.models``, as ``kind.name``.

    Constructing one is cheap and checks its arguments; `start` loads weights or asks the server.
    """

    about: ClassVar[About]
    Options: ClassVar[type[Options]] = NoOptions
    needs: ClassVar[tuple[Need, ...]] = ()
    uses_base_url: ClassVar[bool] = False
    """Whether it talks to the server that ``--base-url`` names."""

    @abstractmethod
    def __init__(self, request: ModelRequest) -> None: ...

    @abstractmethod
    async def start(self) -> ModelIdentity:
        """Make the model ready.

        Raises:
            UsageError: it cannot be reached, or does not exist.
        """

    async def close(self) -> None:
        """Release what `start` took."""
        return


class ChatModel(Model):
    """A model that answers conversations (kind ``chat``)."""

    @abstractmethod
    async def chat(self, request: ChatRequest) -> ChatResponse:
        """Answer one request; many may be under way at once.

        Raises:
            PromptTooLong: prompt and answer do not fit the context window.
            EndpointError: the engine kept failing.
        """
