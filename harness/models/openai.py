"""Any OpenAI-compatible server: chat completions and embeddings over aiohttp.

Retries what may pass (429, 5xx, dropped connections, timeouts, answers that are no JSON) with
exponential back-off and the server's ``Retry-After``; everything else is an error at once. The
connection pool has no cap of its own, since the harness already limits what is in flight. The key
comes from ``OPENAI_API_KEY`` and is never written anywhere.
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
    ModelRequest,
)
from harness.models.embedders import RankingModel
from harness.models.search import Embedder, Ranker, VectorRanker
from harness.options import Options
from harness.registry import About

if TYPE_CHECKING:
    import aiohttp
    import numpy as np
    from numpy.typing import NDArray

DEFAULT_URL = "https://api.openai.com/v1"
KEY_VARIABLE = "OPENAI_API_KEY"
_RETRIED = {408, 409, 425, 429}
_TOO_LONG = (
    *("context length", "context_length", "context size", "context window", "maximum context"),
    *("too long", "max_model_len"),
)
_MOST_BYTES = 64 * 2**20
_TEXTS_PER_REQUEST = 256


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
        self._key = os.environ.get(KEY_VARIABLE, "").strip()
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None

    async def open(self, model: str) -> None:
        """Connect, and check that the server has the model.

        Raises:
            UsageError: the server cannot be reached, wants another key, or lacks the model.
        """
        import aiohttp

        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        self._session = aiohttp.ClientSession(
            headers=headers,
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=self._settings.timeout_s),
        )
        patience = aiohttp.ClientTimeout(total=min(20.0, self._settings.timeout_s))
        try:
            await self._check(model, patience)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            await self.close()
            raise UsageError(
                f"no server answers at {self.url} ({type(error).__name__}); start one, or set "
                "--base-url to its address."
            ) from error
        except BaseException:
            await self.close()
            raise

    async def _check(self, model: str, patience: aiohttp.ClientTimeout) -> None:
        """Ask the server for its models."""
        session = self._opened()
        async with session.get(f"{self.url}/models", timeout=patience) as answer:
            status, text = answer.status, await _read_text(answer)
        if status != 200:
            mend = f"set {KEY_VARIABLE}" if status in (401, 403) else "check --base-url"
            raise UsageError(f"{self.url}/models answers {status}; {mend}.")
        served = _model_names(text)
        if served is None:
            raise UsageError(f"{self.url}/models answers with no JSON; check --base-url.")
        if served and model not in served:
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

        session = self._opened()
        try:
            async with session.post(f"{self.url}{path}", json=body) as answer:
                text = await _read_text(answer)
                status, retry_after = answer.status, answer.headers.get("Retry-After", "")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return 0.0, f"{type(error).__name__} {error}".strip()
        if status == 200:
            try:
                return None, json.loads(text)
            except (ValueError, RecursionError):
                return 0.0, f"answer is no JSON: {self.shown(text)}"
        reason = f"status {status}: {self.shown(text)}"
        if status in _RETRIED or status >= 500:
            return _seconds(retry_after), reason
        if status in (400, 413) and any(words in text.lower() for words in _TOO_LONG):
            raise PromptTooLong(f"{self.url}{path}: {self.shown(text)}")
        raise EndpointError(f"{self.url}{path}: {reason}")

    def shown(self, answer: Any) -> str:
        """The beginning of an answer for a message, without the key that it may repeat."""
        text = str(answer)
        # A short key is a placeholder such as "EMPTY", which is no secret.
        if len(self._key) >= 8:
            text = text.replace(self._key, "[key]")
        return repr(text[:300])

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise EndpointError(f"the connection to {self.url} is not open")
        return self._session

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


class OpenAIChat(ChatModel):
    """``openai:NAME`` at ``--base-url``."""

    about: ClassVar[About] = About(
        "A model of any OpenAI-compatible server (--base-url; key from OPENAI_API_KEY).",
        "POST /v1/chat/completions",
        licence="the model's own",
    )
    Options: ClassVar[type[Options]] = OpenAIOptions
    uses_base_url: ClassVar[bool] = True

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
        seconds = time.perf_counter() - started
        try:
            return _read_answer(answer, seconds)
        except (LookupError, TypeError, AttributeError, ValueError, OverflowError) as error:
            raise EndpointError(f"unreadable answer: {self._server.shown(answer)}") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._server.close()


class OpenAIEmbedder(RankingModel):
    """``--embedder openai:NAME`` at ``--base-url``."""

    about: ClassVar[About] = About(
        "Embeddings of an OpenAI-compatible server.", "POST /v1/embeddings", "the model's own"
    )
    Options: ClassVar[type[Options]] = OpenAIOptions
    uses_base_url: ClassVar[bool] = True

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

    def bought(self) -> Embedder | None:
        """Every vector costs a request, or part of one."""
        return self

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts as rows of length 1, shape (texts, dimensions); each text once."""
        import numpy as np

        fresh = [text for text in dict.fromkeys(texts) if text not in self._cache]
        for start in range(0, len(fresh), _TEXTS_PER_REQUEST):
            some = fresh[start : start + _TEXTS_PER_REQUEST]
            self._cache.update(zip(some, await self._ask(some), strict=True))
        return np.stack([self._cache[text] for text in texts])

    async def _ask(self, texts: Sequence[str]) -> NDArray[np.float32]:
        import numpy as np

        body = {"model": self._request.target, "input": list(texts)}
        answer = await self._server.post("/embeddings", body)
        try:
            rows = sorted(answer["data"], key=lambda row: row["index"])
            vectors = np.asarray([row["embedding"] for row in rows], dtype=np.float32)
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        except (LookupError, TypeError, ValueError) as error:
            raise EndpointError(f"unreadable embeddings: {self._server.shown(answer)}") from error
        usable = int((np.isfinite(lengths) & (lengths > 0)).sum())
        if len(vectors) != len(texts) or usable != len(texts):
            raise EndpointError(f"{usable} usable embeddings for {len(texts)} texts")
        return vectors / lengths

    async def close(self) -> None:
        """Close the connections."""
        await self._server.close()


async def _read_text(answer: aiohttp.ClientResponse) -> str:
    """Read a body, which may be broken text but must not be endless."""
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise OSError(f"an answer of more than {_MOST_BYTES} bytes")
    return body.decode("utf-8", "replace")


def _read_answer(answer: Any, seconds: float) -> ChatResponse:
    """Read a completion; no content is an empty text, no usage is zero tokens."""
    choice = answer["choices"][0]
    text = choice["message"]["content"]
    if not isinstance(text, str | None):
        raise TypeError("content is no text")
    usage = answer.get("usage") or {}
    return ChatResponse(
        # Half a surrogate pair is valid JSON but cannot be stored as text.
        text=(text or "").encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
        input_tokens=int(usage.get("prompt_tokens") or 0),
        output_tokens=int(usage.get("completion_tokens") or 0),
        latency_s=seconds,
        finish_reason=str(choice.get("finish_reason") or "stop"),
    )


def _model_names(text: str) -> list[str] | None:
    """Names that a server lists; none if it lists nothing readable, None for what is no JSON."""
    try:
        listed: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    try:
        return [str(model["id"]) for model in listed["data"]]
    except (LookupError, TypeError):
        return []


def _seconds(retry_after: str) -> float:
    try:
        seconds = float(retry_after)
    except ValueError:
        return 0.0
    return min(max(seconds, 0.0), 60.0) if math.isfinite(seconds) else 0.0
