"""What every model is, whatever it can do: a name with arguments, a start, an identity, a close."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

from harness.options import NoOptions, Options
from harness.registry import About, Need

_OPERATIONAL = {
    *("log", "servers", "gpu_memory_utilization", "kv_cache_memory_bytes", "swap_space"),
    *("cpu_offload_gb", "max_num_seqs", "max_num_batched_tokens", "enable_prefix_caching"),
    *("enable_log_requests", "disable_log_stats", "uvicorn_log_level"),
}
"""Settings that say where and how fast, not what."""


def decisive(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that can change an answer; how an engine does its work is left out."""
    return {name: value for name, value in settings.items() if name not in _OPERATIONAL}


class ModelKind(StrEnum):
    """What a model is for; a protocol asks for one."""

    CHAT = "chat"
    EMBEDDER = "embedder"
    CAUSAL_LM = "causal_lm"
    CLASSIFIER = "classifier"


class Ability(StrEnum):
    """What not every engine can do; methods declare what they need, models what they have."""

    COMPLETION = "completion of a plain prompt"
    LOGPROBS = "log-probabilities of tokens"
    PROMPT_LOGPROBS = "log-probabilities of a prompt"
    SCHEMA = "output that follows a JSON schema"
    GRAMMAR = "output out of given choices or of a regular expression"
    TOOLS = "tool calls"
    PENALTIES = "presence and frequency penalties"
    TRUNCATION = "truncation of a prompt that is too long"


@dataclass(frozen=True)
class ModelIdentity:
    """What a run's row says of the model and its engine."""

    id: str
    revision: str
    engine: str
    engine_version: str
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What else is known: ``batch_invariant``, ``max_model_len``, ``servers``."""
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    """Engine options that it was started with."""

    def decisive(self) -> dict[str, Any]:
        """What can change an answer of the settings and options."""
        return {**decisive(self.settings), **decisive(self.options)}


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


def _silent(_text: str) -> None:
    return


@dataclass(frozen=True)
class Host:
    """What a model may use of the command that starts it."""

    logs: Path | None = None
    """Folder for logs of processes that it starts; None: it keeps none."""
    say: Callable[[str], None] = _silent
    """Tells the user what takes a while."""


NO_HOST = Host()


class Model(ABC):
    """Anything registered under ``harness.models``, as ``kind.name``.

    Constructing one is cheap and checks its arguments; `start` loads weights or asks the server.
    """

    about: ClassVar[About]
    Options: ClassVar[type[Options]] = NoOptions
    needs: ClassVar[tuple[Need, ...]] = ()
    uses_base_url: ClassVar[bool] = False
    """Whether it talks to the server that ``--base-url`` names."""
    abilities: ClassVar[frozenset[Ability]] = frozenset()
    """What it can do beyond answering."""

    @abstractmethod
    def __init__(self, request: ModelRequest) -> None: ...

    @property
    def takes_the_machine(self) -> bool:
        """Whether nothing else of its kind fits beside it: the models of a sweep take turns."""
        return False

    @abstractmethod
    async def start(self, host: Host = NO_HOST) -> ModelIdentity:
        """Make the model ready.

        Raises:
            UsageError: it cannot be reached, or does not exist.
        """

    def engine_options(self) -> Mapping[str, str]:
        """Options of an engine that `start` would start."""
        return {}

    async def close(self) -> None:
        """Release what `start` took."""
        return

    def requirements(self) -> tuple[Need, ...]:
        """Packages that this model needs as it was asked for."""
        return self.needs
