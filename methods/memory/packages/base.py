"""What the adapters share: an item as messages, entries with stable ids, counts, dumps.

A package names what it stores by random ids and clocks; here an entry is named by the item that
wrote it and its number among what that item wrote (``e3-0``), and those names go into the dump. An
item is given to the package as a conversation: the goal is the user's, what was done is the
assistant's, and the outcome, as far as the stream grants it, is the user's again.

What a package leaves out in silence is counted for each item: `unreadable` (it raised on the
model's answer), `swallowed_errors` (it logged an error and went on) and `empty_writes` (it learned
from an item and its store is as before). A request that fails, other than the model's answer being
junk, fails the item (`harness.isolation.endpoint`).
"""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import shutil
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from pydantic import Field

from harness.errors import MethodError
from harness.options import Options
from harness.protocols.stream import (
    Entry,
    Experience,
    Feedback,
    Hit,
    Memory,
    MemoryContext,
    Query,
    Retrieval,
    TieBreak,
)
from harness.protocols.stream.types import fingerprint
from harness_methods.memory.packages.surroundings import Chance, Clock, Complaints, seclude
from harness_methods.memory.prompts import trajectory_text
from harness_methods.memory.store import RetrievalOptions, shown_entries
from harness_methods.memory.writing import fitted

MODEL = "harness"
"""Name of the model at the endpoint; any would do."""
KEY = "none"
"""Clients want an API key; the endpoint wants none."""
_JUNK = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What packages raise when a model's answer is not as they expect."""
_NAMES = "names.json"
_DECIMALS = 6
"""Of scores that are told apart, as in `harness.models.search`."""


class PackageOptions(RetrievalOptions):
    """Options of the memories of other packages."""

    writer_tokens: int = Field(default=2000, ge=1)
    """Most new tokens of what the package has the model write (mem0ai's own limit)."""
    item_chars: int = Field(default=4000, ge=200)
    """Most characters of a finished item that the package is given; longer texts are cut."""


@dataclass(frozen=True)
class Held:
    """One thing that a package stores."""

    id: str
    """The package's own id."""
    text: str


class PackageMemory(Memory):
    """A memory that another package keeps; a subclass says how to call it, in plain functions."""

    Options: ClassVar[type[Options]] = PackageOptions
    isolated: ClassVar[bool] = True
    needs_endpoint: ClassVar[bool] = True
    snapshot_every: ClassVar[int] = 5
    options: PackageOptions

    def __init__(self, options: Options, context: MemoryContext) -> None:
        super().__init__(options, context)
        self.chance, self.clock = Chance(), Clock()
        self.dimensions = 0
        """Of the run's vectors; known when the package is started."""
        self._complaints = Complaints()
        self._names: dict[str, Entry] = {}
        """By the package's ids: entries as they were first written."""
        self._entries: dict[str, Entry] = {}
        self._counts = Counter[str]()

    @property
    def store(self) -> Path:
        """Folder of the package's files."""
        return self.context.folder / "store"

    @abstractmethod
    def start(self) -> None:
        """Import the package and open its store, which is empty or as `save` left it."""

    @abstractmethod
    def held(self) -> Sequence[Held]:
        """Everything in the store, oldest first."""

    @abstractmethod
    def find(self, goal: str, k: int) -> Sequence[tuple[str, float]]:
        """The package's ids of the best hits, with their scores; best first."""

    @abstractmethod
    def learn(self, messages: Sequence[Mapping[str, str]]) -> None:
        """Give the package a finished item."""

    @abstractmethod
    def forget(self, ids: Sequence[str]) -> None:
        """Delete from the store, by the package's ids."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the store into an empty folder."""

    @abstractmethod
    def read(self, folder: Path) -> None:
        """Take what `save` wrote instead of the store as it is."""

    def hidden(self) -> str:
        """State that later prompts depend on and that is no entry."""
        return ""

    async def open(self) -> None:
        """Start the package in its surroundings."""
        await asyncio.to_thread(self._open)

    def _open(self) -> None:
        seclude(self.context.folder)
        self.chance.rule()
        self._complaints.listen()
        self.dimensions = len(self.embed(["text"])[0])
        self.store.mkdir(exist_ok=True)
        self.start()
        self._complaints.listen()  # again: a package may have set up logging its own way

    async def search(self, query: Query) -> Retrieval:
        """Ask the package for what is like the goal; an item begins."""
        self._counts.clear()
        k = shown_entries(self.options.k, self.context)
        if not k or not self._entries:
            return Retrieval()
        found = dict(await self._watched(self.find, query.goal, k))
        # In the stream's order where scores are equal, which a package leaves to chance.
        older_first = self.context.settings.tie_break is TieBreak.OLDER
        known = list(self._names) if older_first else list(reversed(self._names))
        ranked = sorted(
            (own for own in known if own in found), key=lambda own: -round(found[own], _DECIMALS)
        )
        names = [(self._names[own].id, found[own]) for own in ranked]
        return Retrieval(tuple(Hit(one, self._entries[one].text, score) for one, score in names))

    async def evolve(self, experience: Experience) -> None:
        """Give the package the item and see what it made of it."""
        self.chance.begin(self.context.rng("package", experience.step))
        self.clock.begin(experience.step)
        messages = item_messages(experience, self.options.item_chars)
        try:
            await self._watched(self.learn, messages)
        except _JUNK:
            self.count("unreadable")
        before = self._entries
        await asyncio.to_thread(self._take, experience)
        self._counts["empty_writes"] += self._entries == before

    async def remove(self, ids: Sequence[str]) -> None:
        """Delete entries."""
        wanted = set(ids)
        doomed = [own for own, entry in self._names.items() if entry.id in wanted]
        if doomed:
            await self._watched(self.forget, doomed)
            self._names = {own: one for own, one in self._names.items() if own not in doomed}
            self._entries = {one: kept for one, kept in self._entries.items() if one not in wanted}

    def entries(self) -> Mapping[str, Entry]:
        """All that the package stores, oldest first."""
        return dict(self._entries)

    async def restore(self, entries: Mapping[str, Entry]) -> None:
        """Entries do not bring a package's store back."""
        del entries
        raise MethodError("a package's store comes back from its dump only")

    async def dump(self, folder: Path) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Write the store and the names of what is in it."""
        names = [[own, entry.as_json()] for own, entry in self._names.items()]
        (folder / _NAMES).write_text(json.dumps(names), encoding="utf-8")
        (folder / "store").mkdir()
        await self._watched(self.save, folder / "store")

    async def load(self, folder: Path) -> None:
        """Read what `dump` wrote."""
        names = json.loads((folder / _NAMES).read_text(encoding="utf-8"))
        await self._watched(self.read, folder / "store")
        self._names = {own: Entry(**entry) for own, entry in names}
        await asyncio.to_thread(self._take, None)

    def fingerprint(self) -> str:
        """Hash of the entries, and of what else later prompts depend on."""
        held, hidden = fingerprint(self._entries), self.hidden()
        return hashlib.sha256(f"{held}{hidden}".encode()).hexdigest()[:32] if hidden else held

    def notes(self) -> Mapping[str, float]:
        """Counts since the item began."""
        names = ("unreadable", "swallowed_errors", "empty_writes")
        return {name: float(self._counts[name]) for name in names}

    def count(self, name: str) -> None:
        """Count something that `notes` names."""
        self._counts[name] += 1

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Vectors of texts by the run's embedder.

        Raises:
            MethodError: there are none; says why.
        """
        address = urlsplit(self.context.endpoint)
        connection = http.client.HTTPConnection(address.hostname or "", address.port)
        try:
            body = json.dumps({"model": MODEL, "input": list(texts)})
            connection.request("POST", f"{address.path}/embeddings", body)
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise MethodError(answer["error"]["message"])
        return [one["embedding"] for one in answer["data"]]

    async def _watched(self, call: Any, *arguments: Any) -> Any:
        """Call the package in a thread and count what it complains about."""
        before = self._complaints.count
        try:
            return await asyncio.to_thread(call, *arguments)
        finally:
            self._counts["swallowed_errors"] += self._complaints.count - before

    def _take(self, experience: Experience | None) -> None:
        """See what the store holds, and name what is new.

        Raises:
            MethodError: there is something new although nothing was learned.
        """
        held = {one.id: one.text for one in self.held()}
        fresh = [own for own in held if own not in self._names]
        if fresh and experience is None:
            raise MethodError("the package's store came back with more than was in it")
        for number, own in enumerate(fresh if experience else ()):
            step, sample = (experience.step, experience.sample_id) if experience else (0, "")
            self._names[own] = Entry(f"e{step}-{number}", held[own], held[own], sample, step)
        self._names = {own: one for own, one in self._names.items() if own in held}
        self._entries = {
            one.id: replace(one, text=held[own], key=held[own]) for own, one in self._names.items()
        }


def put_files(source: Path, target: Path) -> None:
    """Make a folder a copy of another."""
    shutil.rmtree(target)
    shutil.copytree(source, target)


def item_messages(experience: Experience, chars: int) -> list[dict[str, str]]:
    """A finished item as a conversation of at most `chars` characters.

    Args:
        experience: the item; its outcome is what the memory was told of it.
        chars: of all contents together; the longest are cut first.
    """
    goal = f"{experience.goal_label}: {experience.goal}"
    silent = replace(experience, feedback=Feedback())
    done = trajectory_text(silent).removeprefix(goal).strip()
    said = [("user", goal), ("assistant", done)]
    if outcome := str(experience.feedback):
        said.append(("user", f"Result: {outcome}"))
    contents = fitted([text for _, text in said], chars)
    return [{"role": who, "content": text} for (who, _), text in zip(said, contents, strict=True)]
