"""`memoryos`: the package MemoryOS 2.0.33 (module memos), its general text memory, unchanged.

`GeneralTextMemory` is what of MemOS runs without further servers: one call extracts memories (key,
value, tags) from the new messages, all are added to a local Qdrant store and found again by
similarity. Nothing is deduplicated, changed or removed. (Its tree memory needs Neo4j, its scheduler
a message queue.)

The package needs transformers below 5, so that it cannot be installed beside the extra ``local``:
give it an environment of its own, with a model over HTTP (``--model openai:NAME --base-url URL``)
and an embedder over HTTP (``--embedder openai:NAME``).

What differs from one execution to the next is taken out: ids are drawn from the stream's seeds,
times are those of a clock that the stream's position sets. Clients do not retry: the run's model
does, behind the endpoint. On an answer without its JSON the package raises KeyError, which counts
as `unreadable`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from harness.errors import MissingExtra
from harness.registry import About, Need
from harness_methods.memory.packages.base import KEY, MODEL, Held, PackageMemory, put_files

_PATIENCE_S = 3600
"""For a vector; the package's own five seconds are too few for an embedder that has to load."""


class MemoryOS(PackageMemory):
    """The general text memory of the package MemoryOS as a memory."""

    about: ClassVar[About] = About(
        "The package MemoryOS 2.0.33 (MemOS): extracted memories in a local vector store.",
        "MemOS, arXiv 2507.03724; MemoryOS 2.0.33, GeneralTextMemory",
    )
    needs: ClassVar[tuple[Need, ...]] = (
        Need("memos", "memoryos"),
        Need("qdrant_client", "memoryos"),
    )

    _memory: Any = None

    def start(self) -> None:
        """Open the package on its store.

        Raises:
            MissingExtra: what is installed under the name memos is another package.
        """
        try:
            general = import_module("memos.memories.textual.general")
            configs = import_module("memos.configs.memory")
        except ImportError as error:
            raise MissingExtra(f"memory 'memoryos' ({error})", "MemoryOS", "memoryos") from error
        self.clock.rule(general)
        os.environ["MOS_EMBEDDER_TIMEOUT"] = str(_PATIENCE_S)
        client = {"model_name_or_path": MODEL, "api_key": KEY}
        writer = {"temperature": 0.0, "max_tokens": self.options.writer_tokens}
        store = {
            "collection_name": "memories",
            "vector_dimension": self.dimensions,
            "distance_metric": "cosine",
            "path": str(self.store / "qdrant"),
        }
        address = self.context.endpoint
        self._memory = general.GeneralTextMemory(
            configs.GeneralTextMemoryConfig(
                extractor_llm={
                    "backend": "openai",
                    "config": {**client, **writer, "api_base": address},
                },
                embedder={
                    "backend": "universal_api",
                    "config": {**client, "provider": "openai", "base_url": address},
                },
                vector_db={"backend": "qdrant", "config": store},
            )
        )
        for part in (self._memory.extractor_llm, self._memory.embedder):
            part.client = part.client.with_options(max_retries=0)

    def held(self) -> Sequence[Held]:
        """All memories, in the order of their creation."""
        found = sorted(self._memory.get_all(), key=lambda one: one.metadata.updated_at)
        return [Held(one.id, one.memory) for one in found]

    def find(self, goal: str, k: int) -> Sequence[tuple[str, float]]:
        """The most similar memories; `search` of the package does the same and drops the scores."""
        vector = self._memory.embedder.embed([goal])[0]
        found = self._memory.vector_db.search(vector, k)
        ranked = sorted(found, key=lambda one: one.score, reverse=True)
        return [(one.id, float(one.score)) for one in ranked]

    def learn(self, messages: Sequence[Mapping[str, str]]) -> None:
        """Let it extract memories and add them."""
        found = self._memory.extract([dict(one) for one in messages])
        if found:
            self._memory.add(found)

    def forget(self, ids: Sequence[str]) -> None:
        """Delete memories."""
        self._memory.delete(list(ids))

    def save(self, folder: Path) -> None:
        """Copy its files, which are closed meanwhile: its own dump forgets the order."""
        self._memory.vector_db.client.close()
        put_files(self.store, folder)
        self.start()

    def read(self, folder: Path) -> None:
        """Put files in the place of its own."""
        self._memory.vector_db.client.close()
        put_files(folder, self.store)
        self.start()
