"""`mem0ai`: the package mem0ai 2.2.1, unchanged, with its local Qdrant store.

Its algorithm is the one of versions 2.x, which only adds: one call extracts facts from the new
messages, with the last ten messages and the ten most similar memories as context; facts are
deduplicated by hash and found again by similarity (at least 0.1). The prompt alone has about 34,000
characters, so that a model needs a context window of some 12,000 tokens. What the package calls
hybrid search needs spaCy with a model and fastembed with a model, which it would download: both are
off here even if they are installed, so that results do not depend on what else is there. The native
memories `mem0` and `mem0-additive` are the two algorithms with short prompts of our own.

What differs from one execution to the next is taken out: ids are drawn from the stream's seeds, and
the date in its prompt ("Observation Date") is that of a clock that the stream's position sets.
Telemetry is off. Clients do not retry: the run's model does, behind the endpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from harness.registry import About, Need
from harness_methods.memory.packages.base import KEY, MODEL, Held, PackageMemory, put_files

USER = "stream"
"""The package's one user."""
_OF_USER = {"user_id": USER}
_ALL = 1_000_000


class Mem0Ai(PackageMemory):
    """The package mem0ai as a memory."""

    about: ClassVar[About] = About(
        "The package mem0ai 2.2.1 with its own prompts and store (Mem0, additive).",
        "Mem0, arXiv 2504.19413; mem0ai 2.2.1",
    )
    needs: ClassVar[tuple[Need, ...]] = (Need("mem0", "mem0"),)

    _memory: Any = None

    def start(self) -> None:
        """Open the package on its store."""
        main = import_module("mem0.memory.main")
        models: Any = import_module("mem0.utils.spacy_models")
        self.clock.rule(
            main, import_module("mem0.configs.prompts"), import_module("mem0.memory.storage")
        )
        # It would download a model for spaCy, where spaCy is installed without one.
        models._load_failed_full = models._load_failed_lemma = True
        client = {"model": MODEL, "api_key": KEY, "openai_base_url": self.context.endpoint}
        writer = {"temperature": 0.0, "max_tokens": self.options.writer_tokens}
        store = {
            "collection_name": "memories",
            "path": str(self.store / "qdrant"),
            "embedding_model_dims": self.dimensions,
            "on_disk": True,
        }
        self._memory = main.Memory.from_config(
            {
                "llm": {
                    "provider": "openai",
                    "config": {**client, **writer, "is_reasoning_model": False},
                },
                "embedder": {"provider": "openai", "config": client},
                "vector_store": {"provider": "qdrant", "config": store},
                "history_db_path": str(self.store / "history.db"),
            }
        )
        for part in (self._memory.llm, self._memory.embedding_model):
            part.client = part.client.with_options(max_retries=0)
        self._memory.vector_store._bm25_encoder = False  # no model of fastembed

    def held(self) -> Sequence[Held]:
        """All memories, in the order of their creation."""
        found = self._memory.get_all(filters=_OF_USER, top_k=_ALL)["results"]
        ordered = sorted(found, key=lambda one: one["created_at"])
        return [Held(one["id"], one["memory"]) for one in ordered]

    def find(self, goal: str, k: int) -> Sequence[tuple[str, float]]:
        """The most similar memories."""
        found = self._memory.search(goal, filters=_OF_USER, top_k=k)["results"]
        return [(one["id"], float(one["score"])) for one in found]

    def learn(self, messages: Sequence[Mapping[str, str]]) -> None:
        """Let it extract facts."""
        self._memory.add([dict(one) for one in messages], user_id=USER)

    def forget(self, ids: Sequence[str]) -> None:
        """Delete memories."""
        for one in ids:
            self._memory.delete(one)

    def hidden(self) -> str:
        """The last messages, which stand in its next prompt."""
        main = import_module("mem0.memory.main")
        last = self._memory.db.get_last_messages(main._build_session_scope(_OF_USER), 10)
        return repr([(one["role"], one["content"]) for one in last])

    def save(self, folder: Path) -> None:
        """Copy its files, which are closed meanwhile."""
        self._close()
        put_files(self.store, folder)
        self.start()

    def read(self, folder: Path) -> None:
        """Put files in the place of its own."""
        self._close()
        put_files(folder, self.store)
        self.start()

    def _close(self) -> None:
        self._memory.vector_store.client.close()
        self._memory.db.close()
