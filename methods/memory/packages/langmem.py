"""`langmem`: the package langmem 0.0.30, unchanged, with LangGraph's store in memory.

Its store manager (`create_memory_store_manager`) looks up the memories most like the new messages,
shows them to the model with the messages, and carries out the tool calls that come back: new
memories, patches of old ones, removals. What trustcall cannot read of them it asks the model to
mend. So it needs a model that calls tools. Reading is similarity search over the store, whose index
embeds the whole document, as LangGraph does without other orders.

What differs from one execution to the next is taken out: ids are drawn from the stream's seeds, and
everything runs one after another (`max_concurrency` 1), so that the store's order is fixed. The
store is written to JSON in its order; vectors are computed again, and are the same. Tracing is off.
Clients do not retry: the run's model does, behind the endpoint. The package does not look at what
became of its writes; those that did not arrive are counted as `swallowed_errors`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from harness.models.base import Ability
from harness.registry import About, Need
from harness_methods.memory.packages.base import KEY, MODEL, Held, PackageMemory

_SPACE = ("memories",)
_ALL = 1_000_000
_FILE = "store.json"


class LangMem(PackageMemory):
    """The package langmem as a memory."""

    about: ClassVar[About] = About(
        "The package langmem 0.0.30: memories that a model adds, patches, removes by tool calls.",
        "LangMem, langmem 0.0.30",
    )
    needs: ClassVar[tuple[Need, ...]] = (
        Need("langmem", "langmem"),
        Need("langchain_openai", "langmem"),
    )
    abilities: ClassVar[frozenset[Ability]] = frozenset({Ability.TOOLS})

    _store: Any = None
    _manager: Any = None

    def start(self) -> None:
        """Make the store and its manager."""
        stores = import_module("langgraph.store.memory")
        self.clock.rule(stores)
        index = {"dims": self.dimensions, "embed": self.embed}
        self._store = stores.InMemoryStore(index=index)
        model = import_module("langchain_openai").ChatOpenAI(
            model=MODEL,
            api_key=KEY,
            base_url=self.context.endpoint,
            temperature=0.0,
            max_tokens=self.options.writer_tokens,
            max_retries=0,
            use_responses_api=False,
        )
        self._manager = import_module("langmem").create_memory_store_manager(
            model, namespace=_SPACE, store=self._store
        )

    def held(self) -> Sequence[Held]:
        """All documents, in the store's order."""
        return [Held(one.key, _text(one.value)) for one in self._documents()]

    def find(self, goal: str, k: int) -> Sequence[tuple[str, float]]:
        """The most similar documents."""
        found = self._store.search(_SPACE, query=goal, limit=k)
        return [(one.key, float(one.score)) for one in found if one.score is not None]

    def learn(self, messages: Sequence[Mapping[str, str]]) -> None:
        """Let the manager change the store."""
        config = {"max_concurrency": 1}
        written = self._manager.invoke({"messages": [dict(one) for one in messages]}, config=config)
        for one in written:
            kept = self._store.get(one["namespace"], one["key"])
            if kept is None or kept.value != one["value"]:
                self.count("swallowed_errors")

    def forget(self, ids: Sequence[str]) -> None:
        """Delete documents."""
        for one in ids:
            self._store.delete(_SPACE, one)

    def save(self, folder: Path) -> None:
        """Write the documents in order."""
        plain = [[one.key, one.value] for one in self._documents()]
        (folder / _FILE).write_text(json.dumps(plain), encoding="utf-8")

    def read(self, folder: Path) -> None:
        """Put the documents into an empty store."""
        self.start()
        for key, value in json.loads((folder / _FILE).read_text(encoding="utf-8")):
            self._store.put(_SPACE, key, value)

    def _documents(self) -> Sequence[Any]:
        return self._store.search(_SPACE, limit=_ALL)


def _text(value: Mapping[str, Any]) -> str:
    """What a document says: the content of a memory, or all of anything else."""
    content = value.get("content")
    if isinstance(content, Mapping) and set(content) == {"content"}:
        return str(content["content"])
    return json.dumps(content if content is not None else dict(value))
