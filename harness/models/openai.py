"""Any OpenAI-compatible server: chat completions and embeddings over aiohttp.

Retries what may pass (429, 5xx, dropped connections, timeouts) with exponential back-off and the server's
``Retry-After``; everything else is an error at once. The connection pool has no cap of its own, since the
harness already limits what is in flight. The key comes from ``OPENAI_API_KEY`` and is never written anywhere.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from harness import options
from harness.errors import EndpointError, PromptTooLong, UnknownName, UsageError
from harness.models.chat import (
    ChatModel,
    ChatRequest,
    ChatResponse,
    ModelIdentity,
    ModelKind,
    ModelRequest,
)
from harness.models.embedders import RankingModel
from harness.models.search import Ranker, VectorRanker
from harness.options import Options
from harness.registry import About

if TYPE_CHECKING:
    import aiohttp
    import numpy as np
    from numpy.typing import NDArray

DEFAULT_URL = "https://api.openai.com/v1"
KEY_VARIABLE = "OPENAI_API_KEY"
_RETRIED = {408, 409, 425, 429}
_TOO_LONG = ("context length", "context_length", "maximum context", "too long", "max_model_len")


class OpenAIOptions(Options):
    """Arguments of a server (``--model-arg``)."""

    timeout_s: float = Field(default=300.0, gt=0)
    """Seconds for one try of a request."""
    retries: int = Field(default=6, ge=0)
    """Tries after the first."""
    backoff_s: float = Field(default=0.5, ge=0)
    """First pause between tries in seconds; doubles each time, at most 30."""


class Server:
    """One OpenAI-compatible address."""

    def __init__(self, request: ModelRequest, settings: OpenAIOptions) -> None:
        if len(request.base_urls) > 1:
            raise UsageError("one --base-url at a time is supported.")
        url = (request.base_urls or (os.environ.get("OPENAI_BASE_URL", DEFAULT_URL),))[0]
        if not url.startswith(("http://", "https://")):
            raise UsageError(f"--base-url '{url}' must start with http:// or https://.")
        self.url = url.rstrip("/")
        if not self.url.endswith("/v1"):
            self.url += "/v1"
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None

    async def open(self, model: str) -> None:
        """Connect, and check that the server has the model.

        Raises:
            UsageError: the server cannot be reached, wants another key, or lacks the model.
        """
        import aiohttp

        key = os.environ.get(KEY_VARIABLE, "")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._session = aiohttp.ClientSession(
            headers=headers,
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=self._settings.timeout_s),
        )
        try:
            async with self._session.get(
                f"{self.url}/models", timeout=aiohttp.ClientTimeout(total=20)
            ) as answer:
                status, text = answer.status, await answer.text()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            await self.close()
            raise UsageError(
                f"no server answers at {self.url} ({type(error).__name__}); start one, or set "
                "--base-url to its address."
            ) from error
        if status != 200:
            await self.close()
            mend = f"set {KEY_VARIABLE}" if status in (401, 403) else "check --base-url"
            raise UsageError(f"{self.url}/models answers {status}; {mend}.")
        served = _model_names(text)
        if served and model not in served:
            await self.close()
            raise UnknownName(f"model of the server {self.url}", model, served)

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Post JSON and return the JSON answer.

        Raises:
            EndpointError: it kept failing, or refused the request.
            PromptTooLong: it says that the prompt exceeds its window.
        """
        failure = ""
        for attempt in range(self._settings.retries + 1):
            pause, outcome = await self._try(path, body)
            if pause is None:
                return outcome
            failure = outcome
            if attempt < self._settings.retries:
                backoff = min(30.0, self._settings.backoff_s * 2**attempt)
                await asyncio.sleep(max(pause, backoff * random.uniform(0.75, 1.25)))
        raise EndpointError(
            f"{self.url}{path} failed {self._settings.retries + 1} times: {failure}"
        )

    async def _try(self, path: str, body: Mapping[str, Any]) -> tuple[float | None, Any]:
        """One try: (None, the answer), or (least pause, what went wrong)."""
        import aiohttp

        if self._session is None:
            raise EndpointError("the server was not opened")
        try:
            async with self._session.post(f"{self.url}{path}", json=body) as answer:
                text = await answer.text()
                status, retry_after = answer.status, answer.headers.get("Retry-After", "")
        except (aiohttp.ClientError, TimeoutError, OSError, UnicodeDecodeError) as error:
            return 0.0, f"{type(error).__name__} {error}".strip()
        if status == 200:
            try:
                return None, json.loads(text)
            except ValueError:
                return 0.0, f"answer is no JSON: {text[:200]!r}"
        reason = f"status {status}: {text[:300]!r}"
        if status in _RETRIED or status >= 500:
            return _seconds(retry_after), reason
        if status in (400, 413) and any(words in text.lower() for words in _TOO_LONG):
            raise PromptTooLong(f"{self.url}{path}: {text[:300]}")
        raise EndpointError(f"{self.url}{path}: {reason}")

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


class OpenAIChat(ChatModel):
    """``openai:NAME`` at ``--base-url``."""

    kinds: ClassVar[tuple[ModelKind, ...]] = (ModelKind.CHAT, ModelKind.EMBEDDER)
    about: ClassVar[About] = About(
        "A model of any OpenAI-compatible server (--base-url; key from OPENAI_API_KEY).",
        "POST /v1/chat/completions",
        licence="the model's own",
    )
    Options: ClassVar[type[Options]] = OpenAIOptions

    def __init__(self, request: ModelRequest) -> None:
        if not request.target:
            raise UsageError("openai needs a model: --model openai:NAME")
        self._request = request
        self._server = Server(
            request, options.build(OpenAIOptions, dict(request.args), f"model '{request}'")
        )

    async def start(self) -> ModelIdentity:
        """Check that the server has the model."""
        await self._server.open(self._request.target)
        return ModelIdentity(self._request.target, self._request.revision, "openai-compatible", "")

    async def chat(self, request: ChatRequest) -> ChatResponse:
        """Ask the server."""
        body: dict[str, Any] = {
            "model": self._request.target,
            "messages": [{"role": one.role, "content": one.content} for one in request.messages],
            "temperature": request.temperature,
            "top_p": request.top_p,
            "max_tokens": request.max_tokens,
        }
        if request.stop:
            body["stop"] = list(request.stop)
        if request.seed is not None:
            body["seed"] = request.seed
        started = time.perf_counter()
        answer = await self._server.post("/chat/completions", body)
        return _read_answer(answer, time.perf_counter() - started)

    async def close(self) -> None:
        """Close the connections."""
        await self._server.close()


class OpenAIEmbedder(RankingModel):
    """``--embedder openai:NAME`` at ``--base-url``."""

    about: ClassVar[About] = About(
        "Embeddings of an OpenAI-compatible server.", "POST /v1/embeddings", "the model's own"
    )
    Options: ClassVar[type[Options]] = OpenAIOptions

    def __init__(self, request: ModelRequest) -> None:
        if not request.target:
            raise UsageError("openai needs a model: --embedder openai:NAME")
        self._request = request
        self._server = Server(
            request, options.build(OpenAIOptions, dict(request.args), f"embedder '{request}'")
        )
        self._cache: dict[str, NDArray[np.float32]] = {}

    async def start(self) -> ModelIdentity:
        """Check that the server has the model."""
        await self._server.open(self._request.target)
        return ModelIdentity(self._request.target, self._request.revision, "openai-compatible", "")

    def ranker(self) -> Ranker:
        """A ranker for one stream; streams share the cache of vectors."""
        return VectorRanker(self)

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts as rows of length 1, shape (texts, dimensions); each text once."""
        import numpy as np

        fresh = [text for text in dict.fromkeys(texts) if text not in self._cache]
        if fresh:
            body = {"model": self._request.target, "input": fresh}
            answer = await self._server.post("/embeddings", body)
            try:
                rows = sorted(answer["data"], key=lambda row: row["index"])
                vectors = np.asarray([row["embedding"] for row in rows], dtype=np.float32)
                vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            except (KeyError, TypeError, ValueError) as error:
                raise EndpointError(f"unreadable embeddings: {str(answer)[:200]}") from error
            if len(vectors) != len(fresh) or not np.isfinite(vectors).all():
                raise EndpointError(f"{len(vectors)} usable embeddings for {len(fresh)} texts")
            self._cache.update(zip(fresh, vectors, strict=True))
        return np.stack([self._cache[text] for text in texts])

    async def close(self) -> None:
        """Close the connections."""
        await self._server.close()


def _read_answer(answer: Any, seconds: float) -> ChatResponse:
    try:
        choice = answer["choices"][0]
        text = choice["message"]["content"] or ""
        usage = answer.get("usage") or {}
        return ChatResponse(
            text=str(text),
            input_tokens=int(usage.get("prompt_tokens") or 0),
            output_tokens=int(usage.get("completion_tokens") or 0),
            latency_s=seconds,
            finish_reason=str(choice.get("finish_reason") or "stop"),
        )
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise EndpointError(f"unreadable answer: {str(answer)[:200]}") from error


def _model_names(text: str) -> list[str]:
    try:
        return [str(model["id"]) for model in json.loads(text)["data"]]
    except (ValueError, KeyError, TypeError):
        return []


def _seconds(retry_after: str) -> float:
    try:
        seconds = float(retry_after)
    except ValueError:
        return 0.0
    return min(max(seconds, 0.0), 60.0) if math.isfinite(seconds) else 0.0
