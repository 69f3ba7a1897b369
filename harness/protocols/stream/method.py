"""What a stream method is: an agent (how turns are taken) and a memory (what is kept).

The loop calls, for each item: ``memory.search`` -> ``memory.synthesize`` -> ``agent.act`` ->
(score, feedback) -> ``memory.evolve`` -> commit. Hooks may be ``async def``, or plain ``def``,
which run in a thread of their stream and use ``ask.blocking`` and ``play.act_blocking``. A hook
that raises fails its item, with the worst score, and the memory returns to its last commit.
"""

from __future__ import annotations

import asyncio
import json
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from harness.errors import MethodError
from harness.hooks import call_hook
from harness.models.base import Ability
from harness.models.chat import ChatResponse, Form, Message, Phase, Tool, ToolChoice
from harness.models.client import Loglikelihood
from harness.models.search import SimilaritySearch
from harness.options import NoOptions, Options
from harness.protocols.stream.settings import ItemOrder, StreamSettings
from harness.protocols.stream.types import (
    Brief,
    Context,
    Entry,
    Experience,
    Hit,
    Observation,
    Query,
    Retrieval,
    Turn,
    fingerprint,
)
from harness.registry import About, Need

Answer = TypeVar("Answer")


class Ask(Protocol):
    """The metered model of a stream; every call is journalled and charged to a phase."""

    async def __call__(
        self,
        messages: Sequence[Message],
        *,
        phase: Phase = Phase.ACT,
        max_tokens: int | None = None,
        stop: Sequence[str] = (),
        form: Form | None = None,
    ) -> str:
        """Ask the model.

        `max_tokens` can only lower the run's limit for what the agent says (act, think). In a
        memory's own phases (retrieve, evolve, judge) it stands as given, since a run of short
        answers would leave a memory no room to write; without it the run's limit holds.

        `form` makes the engine hold the answer to choices, a pattern or a JSON schema.
        """
        ...

    async def reply(
        self,
        messages: Sequence[Message],
        *,
        phase: Phase = Phase.ACT,
        max_tokens: int | None = None,
        stop: Sequence[str] = (),
        form: Form | None = None,
        tools: Sequence[Tool] = (),
        tool_choice: ToolChoice = ToolChoice.AUTO,
        logprobs: int | None = None,
    ) -> ChatResponse:
        """The same with all that is answered: tool calls, reasoning, log-probabilities."""
        ...

    async def complete(
        self,
        prompt: str,
        *,
        phase: Phase = Phase.ACT,
        max_tokens: int | None = None,
        stop: Sequence[str] = (),
        form: Form | None = None,
        logprobs: int | None = None,
    ) -> ChatResponse:
        """Continue a text as it is, without a chat template."""
        ...

    async def loglikelihood(
        self, context: str, continuation: str, *, phase: Phase = Phase.ACT
    ) -> Loglikelihood:
        """Score a continuation of a text."""
        ...

    def blocking(self, messages: Sequence[Message], *, phase: Phase = Phase.ACT) -> str:
        """Ask from synchronous code."""
        ...

    def wait(self, asking: Coroutine[Any, Any, Answer]) -> Answer:
        """Any of the above from synchronous code: ``ask.wait(ask.reply(...))``."""
        ...


@dataclass(frozen=True)
class MemoryContext:
    """What a memory is given when it is opened: one object for each stream."""

    settings: StreamSettings
    ask: Ask
    similarity: SimilaritySearch
    """Ranks entries by similarity to a query, with the run's embedder."""
    seed_text: str
    """Names this stream and its seeds; source of all randomness."""
    demonstrations: Callable[[int], Sequence[Experience]] = lambda _count: ()
    """Solved examples of the task that are disjoint from its items."""
    folder: Path = Path()
    """Where a memory in a worker process may write; empty when it is opened."""
    endpoint: str = ""
    """OpenAI-compatible address of the metered model, where `Memory.needs_endpoint` asks for it."""

    def rng(self, *what: object) -> random.Random:
        """A generator that depends on the stream, its seeds and `what`, and on nothing else."""
        return random.Random(f"{self.seed_text}/{'/'.join(map(str, what))}")


class Memory(ABC):
    """What is kept from one item to the next.

    One object serves one stream. `entries` is the whole truth of what is remembered: the harness
    computes changes and fingerprints from it.
    """

    about: ClassVar[About]
    Options: ClassVar[type[Options]] = NoOptions
    needs: ClassVar[tuple[Need, ...]] = ()
    abilities: ClassVar[frozenset[Ability]] = frozenset()
    """What it asks of a model beyond answering; where the model lacks it, the run is skipped."""
    stateful: ClassVar[bool] = True
    """False promises that no item depends on another: order cannot matter."""
    needs_similarity: ClassVar[bool] = True
    """False promises that `MemoryContext.similarity` is never asked: no embedder is loaded."""
    rebuilt_from_entries: ClassVar[bool] = False
    """True if `restore` can rebuild the memory from its entries alone; else it is dumped."""
    snapshot_every: ClassVar[int] = 1
    """Commits from one dump to the next; those after the last dump are learned again, with the
    answers that were journalled."""
    isolated: ClassVar[bool] = False
    """True asks for a worker process of its own, as a package with global state needs it."""
    needs_endpoint: ClassVar[bool] = False
    """True asks for `MemoryContext.endpoint`, for a package that brings its own client."""

    def __init__(self, options: Options, context: MemoryContext) -> None:
        self.options = options
        self.context = context

    @property
    def unaided(self) -> bool:
        """Whether it learns without feedback, judging outcomes itself or not at all.

        It is then offered every item, whatever the store policy admits, and told of no outcome.
        """
        return False

    async def open(self) -> None:  # noqa: B027 - most memories need nothing
        """Get ready; called once, before anything else."""

    async def close(self) -> None:  # noqa: B027 - most memories hold nothing
        """Release what is held; called once, on every way out."""

    @abstractmethod
    async def search(self, query: Query) -> Retrieval:
        """Find what may help; must not change what `entries` says."""

    async def synthesize(self, query: Query, retrieval: Retrieval) -> Context:
        """Turn what was found into the prompt's experience section.

        The default shows the hits in the stream's order within its character budget: the best
        ones that fit, the last of them cut.
        """
        del query
        settings = self.context.settings
        shown = within_budget(retrieval.hits, settings.experience_chars)
        if settings.item_order is ItemOrder.LEAST_SIMILAR_FIRST:
            shown = shown[::-1]
        return Context(tuple(shown))

    async def remove(self, ids: Sequence[str]) -> None:
        """Forget entries, on an agent's demand; unknown ids are ignored. Default: keeps all."""
        del ids

    @abstractmethod
    async def evolve(self, experience: Experience) -> None:
        """Learn from a finished item: one that the store policy admits, or any if `unaided`."""

    @abstractmethod
    def entries(self) -> Mapping[str, Entry]:
        """All entries by id, oldest first."""

    @abstractmethod
    async def restore(self, entries: Mapping[str, Entry]) -> None:
        """Return to a state that consisted of these entries."""

    def dump(self, folder: Path) -> None:
        """Write the whole state into an empty folder; may be ``async def``."""
        lines = (json.dumps(entry.as_json()) + "\n" for entry in self.entries().values())
        (folder / "entries.jsonl").write_text("".join(lines), encoding="utf-8")

    async def load(self, folder: Path) -> None:
        """Read the state that `dump` wrote."""
        lines = (folder / "entries.jsonl").read_text(encoding="utf-8").splitlines()
        entries = [Entry(**json.loads(line)) for line in lines]
        await call_hook(self.restore, {entry.id: entry for entry in entries})

    def fingerprint(self) -> str:
        """Hash of the state, free of clocks and random ids."""
        return fingerprint(self.entries())

    def notes(self) -> Mapping[str, float]:
        """Own counts since the item began, recorded as metrics ``memory_NAME``.

        An item begins with `search`, which is called again where an item is played again. A
        count that can be zero is given as zero, so that its mean is over all items.
        """
        return {}


class EntryMemory(Memory):
    """A memory whose entries are all there is to it: the base of the built-in ones."""

    rebuilt_from_entries: ClassVar[bool] = True

    def __init__(self, options: Options, context: MemoryContext) -> None:
        super().__init__(options, context)
        self._entries: dict[str, Entry] = {}

    def put(self, entry: Entry) -> None:
        """Add an entry, or replace the one with its id."""
        self._entries[entry.id] = entry

    async def remove(self, ids: Sequence[str]) -> None:
        """Forget entries; unknown ids are ignored."""
        for one in ids:
            self._entries.pop(one, None)

    def entries(self) -> Mapping[str, Entry]:
        """All entries by id, oldest first."""
        return dict(self._entries)

    async def restore(self, entries: Mapping[str, Entry]) -> None:
        """Return to a state that consisted of these entries."""
        self._entries = dict(entries)


@dataclass(frozen=True)
class AgentReport:
    """What an agent says of how it took an episode."""

    pruned: tuple[str, ...] = ()
    """Ids of shown entries that it dropped, in order, each once."""
    invalid_outputs: int = 0
    """Model outputs that did not follow the asked format."""
    notes: Mapping[str, float] = field(default_factory=dict[str, float])
    """Further counts, recorded as metrics ``agent_NAME``."""


class Agent(ABC):
    """How turns are taken; keeps nothing from one episode to the next."""

    about: ClassVar[About]
    Options: ClassVar[type[Options]] = NoOptions
    needs: ClassVar[tuple[Need, ...]] = ()
    abilities: ClassVar[frozenset[Ability]] = frozenset()
    """What it asks of a model beyond answering; where the model lacks it, the run is skipped."""

    def __init__(self, options: Options) -> None:
        self.options = options

    @abstractmethod
    async def act(self, play: Play, context: Context, ask: Ask, memory: Memory) -> AgentReport:
        """Play one episode until its observation says done."""


@dataclass(frozen=True)
class MethodPair:
    """A name for an agent and a memory that belong together, such as the names of a paper."""

    about: About
    agent: str
    """Agent with its options, as a method string part: ``direct:history=false``."""
    memory: str
    """Memory with its options, as a method string part."""


class Play:
    """An episode as an agent sees it: what is public, and one way to act."""

    def __init__(self, brief: Brief, first: Observation, act: Step) -> None:
        self.brief = brief
        self.observation = first
        self.turns: tuple[Turn, ...] = ()
        self._act = act
        self._loop = asyncio.get_running_loop()

    @property
    def done(self) -> bool:
        """Whether the episode is over."""
        return self.observation.done

    async def act(self, action: str) -> Observation:
        """Take one action and see what follows.

        Raises:
            MethodError: the action is no text, or the episode is over.
        """
        if not isinstance(action, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise MethodError(f"the agent's action is {type(action).__name__}, not text")
        if self.done:
            raise MethodError("the agent acted after the episode was over")
        before = self.observation
        self.observation = await self._act(action)
        self.turns = (*self.turns, Turn(before.text, action, self.observation.valid))
        return self.observation

    def act_blocking(self, action: str) -> Observation:
        """`act` for synchronous agents, which run in a thread."""
        return asyncio.run_coroutine_threadsafe(self.act(action), self._loop).result()


class Step(Protocol):
    """How a `Play` reaches its episode."""

    async def __call__(self, action: str) -> Observation:
        """Take one action."""
        ...


def within_budget(hits: Iterable[Hit], chars: int) -> list[Hit]:
    """The first hits that fit into `chars` characters; the one that crosses the border is cut."""
    shown, left = list[Hit](), chars
    for hit in hits:
        if left <= 0:
            break
        shown.append(hit if len(hit.text) <= left else Hit(hit.id, hit.text[:left], hit.score))
        left -= len(hit.text)
    return shown
