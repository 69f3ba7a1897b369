"""Chat models: one request in, one answer out, with the tokens and seconds it took.

A `ChatModel` talks to an engine (this process, a server, a file of answers) and knows nothing of
runs; metering, the journal and replay are `harness.models.client`. What a request means to every
model is the same `Sampling`.
"""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import cache
from typing import Any, Literal, Self

from pydantic import Field

from harness.models.base import Ability, Model
from harness.options import Options


class Phase(StrEnum):
    """What a model call or a span of time is for."""

    ACT = "act"
    THINK = "think"
    RETRIEVE = "retrieve"
    EVOLVE = "evolve"
    JUDGE = "judge"


class Overflow(StrEnum):
    """What becomes of a prompt that does not fit the context window beside its answer."""

    REFUSE = "refuse"
    """The sample is invalid, or failed where the method made it too long."""
    KEEP_END = "keep_end"
    """The engine drops the first tokens."""
    KEEP_START = "keep_start"
    """The engine drops the last tokens."""


@dataclass(frozen=True)
class ToolCall:
    """A call of a tool that a model asks for."""

    id: str
    name: str
    arguments: str
    """A JSON object, as text; nothing has checked it."""


@dataclass(frozen=True)
class Message:
    """One message of a conversation."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    """Calls that the assistant asked for in this message."""
    tool_call_id: str = ""
    """In a tool's message: the call that it answers."""

    def as_json(self) -> dict[str, Any]:
        """The message as servers and traces have it."""
        plain: dict[str, Any] = {"role": self.role, "content": self.content}
        if self.tool_calls:
            plain["tool_calls"] = [
                {
                    "id": one.id,
                    "type": "function",
                    "function": {"name": one.name, "arguments": one.arguments},
                }
                for one in self.tool_calls
            ]
        if self.tool_call_id:
            plain["tool_call_id"] = self.tool_call_id
        return plain


@dataclass(frozen=True)
class Tool:
    """A function that a model may ask to call."""

    name: str
    description: str
    parameters: str
    """JSON schema of its arguments, as text."""


class ToolChoice(StrEnum):
    """Whether a model has to call a tool."""

    AUTO = "auto"
    REQUIRED = "required"
    NONE = "none"


@dataclass(frozen=True)
class Choices:
    """The answer is one of these texts."""

    texts: tuple[str, ...]


@dataclass(frozen=True)
class Pattern:
    """The answer matches this regular expression."""

    regex: str


@dataclass(frozen=True)
class Schema:
    """The answer is JSON that follows this schema (JSON text)."""

    schema: str


Form = Choices | Pattern | Schema
"""What an answer has to look like; the engine enforces it."""

_FIRST_SETTINGS = {"temperature", "top_p", "max_tokens"}


class Sampling(Options):
    """How an answer is drawn, for each request; part of the work key (``-M name=value``)."""

    temperature: float = Field(default=0.0, ge=0)
    """0 is greedy decoding."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Nucleus sampling threshold, used when temperature > 0."""
    max_tokens: int = Field(default=256, ge=1)
    """Most new tokens of an answer."""
    top_k: int = Field(default=0, ge=0)
    """Draw from the k likeliest tokens only; 0: from all."""
    min_p: float = Field(default=0.0, ge=0, le=1)
    """Draw from tokens at least this likely, relative to the likeliest."""
    presence_penalty: float = Field(default=0.0, ge=-2, le=2)
    """Taken off the logit of every token that was written before."""
    frequency_penalty: float = Field(default=0.0, ge=-2, le=2)
    """Taken off the logit for each time a token was written before."""
    repetition_penalty: float = Field(default=1.0, gt=0)
    """Divides the logit of tokens seen before; above 1 discourages them."""
    overflow: Overflow = Overflow.REFUSE
    """What becomes of a prompt that is too long: refuse, keep_end or keep_start."""

    @property
    def greedy(self) -> bool:
        """Whether equal requests have equal answers by intent."""
        return self.temperature == 0

    def abilities(self) -> set[Ability]:
        """What an engine has to be able to do to follow these settings."""
        return _abilities_of_settings(self)

    def given(self) -> dict[str, Any]:
        """The settings as values; those that came later only where they differ from the default.

        The work key hashes them, so that a new setting leaves finished work finished.
        """
        values, changed = super().given(), self.model_dump(mode="json", exclude_defaults=True)
        return {k: v for k, v in values.items() if k in _FIRST_SETTINGS or k in changed}


@dataclass(frozen=True)
class ChatRequest:
    """One request, complete: equal requests are the same question.

    Either `messages` are answered (chat), or `prompt` is continued as it is (completion).
    """

    messages: tuple[Message, ...]
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 256
    stop: tuple[str, ...] = ()
    seed: int | None = None
    prompt: str | None = None
    top_k: int = 0
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    overflow: Overflow = Overflow.REFUSE
    form: Form | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = ToolChoice.AUTO
    logprobs: int | None = None
    """Alternatives of each new token whose log-probabilities are wanted; None: none at all."""
    score_prompt: bool = False
    """Return the log-probabilities of the prompt's own tokens (completion only)."""
    stream: str = field(default="", compare=False)
    """Stays on one replica where there are several; decides nothing else."""

    def key(self) -> str:
        """Hash of everything that determines the answer, the model apart."""
        first: list[Any] = [
            [[message.role, message.content] for message in self.messages],
            self.temperature,
            self.top_p,
            self.max_tokens,
            list(self.stop),
            self.seed,
        ]
        # Fields that came later count where they are set, so that older journals are still read.
        later = {
            name: getattr(self, name)
            for name, default in _later_fields()
            if getattr(self, name) != default
        }
        called = [
            message.as_json()
            for message in self.messages
            if message.tool_calls or message.tool_call_id
        ]
        if later or called:
            first += [{name: repr(value) for name, value in later.items()}, called]
        return hashlib.sha256(json.dumps(first).encode()).hexdigest()[:24]

    @property
    def repeatable(self) -> bool:
        """Whether asking again should give the same answer: greedy, or drawn with a seed."""
        return self.temperature == 0 or self.seed is not None

    def abilities(self) -> set[Ability]:
        """What an engine has to be able to do to answer this."""
        needed = {
            Ability.COMPLETION: self.prompt is not None,
            Ability.LOGPROBS: self.logprobs is not None,
            Ability.PROMPT_LOGPROBS: self.score_prompt,
            Ability.SCHEMA: isinstance(self.form, Schema),
            Ability.GRAMMAR: isinstance(self.form, Choices | Pattern),
            Ability.TOOLS: bool(self.tools),
        }
        found = {ability for ability, wanted in needed.items() if wanted}
        return found | _abilities_of_settings(self)


def _abilities_of_settings(asked: Sampling | ChatRequest) -> set[Ability]:
    needed = {
        Ability.PENALTIES: bool(asked.presence_penalty or asked.frequency_penalty),
        Ability.TRUNCATION: asked.overflow is not Overflow.REFUSE,
    }
    return {ability for ability, wanted in needed.items() if wanted}


@cache
def _later_fields() -> tuple[tuple[str, Any], ...]:
    return tuple((one.name, one.default) for one in fields(ChatRequest)[6:] if one.compare)


@dataclass(frozen=True)
class TokenLogprob:
    """One token with its natural-log probability and its likeliest alternatives."""

    token: str
    logprob: float | None
    """None for the first token of a prompt, which nothing precedes."""
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class ChatResponse:
    """One answer; tokens as the engine counts them, seconds of wall time spent on it."""

    text: str
    input_tokens: int
    output_tokens: int
    latency_s: float
    finish_reason: str = "stop"
    reasoning: str = ""
    """What a reasoning model thought, where the server keeps it apart from the answer."""
    tool_calls: tuple[ToolCall, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()
    """Of the new tokens, or of all where the prompt was scored."""
    truncated: bool = False
    """The prompt was cut to fit the window."""
    cached: bool = False
    """Came from the response cache: nothing was computed or paid."""

    def as_json(self) -> dict[str, Any]:
        """The answer as the journal keeps it; what is empty is left out."""
        plain = {
            name: value
            for name, value in vars(self).items()
            if value is not False and value not in ("", ())
        }
        plain["text"] = self.text
        plain["latency_s"] = round(self.latency_s, 6)
        if self.tool_calls:
            plain["tool_calls"] = [dict(vars(one)) for one in self.tool_calls]
        if self.logprobs:
            plain["logprobs"] = [[one.token, one.logprob, one.top] for one in self.logprobs]
        return plain

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> Self:
        """Rebuild an answer from its JSON."""
        values = dict(plain)
        if "tool_calls" in values:
            values["tool_calls"] = tuple(ToolCall(**one) for one in values["tool_calls"])
        if "logprobs" in values:
            values["logprobs"] = tuple(
                TokenLogprob(token, logprob, tuple((text, value) for text, value in top))
                for token, logprob, top in values["logprobs"]
            )
        return cls(**values)


class ChatModel(Model):
    """A model that answers conversations (kind ``chat``)."""

    @abstractmethod
    async def chat(self, request: ChatRequest) -> ChatResponse:
        """Answer one request; many may be under way at once.

        Raises:
            PromptTooLong: prompt and answer do not fit the context window.
            EndpointError: the engine kept failing.
        """
