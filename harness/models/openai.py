"""Any OpenAI-compatible server: chat, completions and embeddings, in the form of its API.

What a request says becomes a body, what comes back becomes a `ChatResponse`; trying again is
`harness.models.replicas`. The key comes from ``OPENAI_API_KEY`` and is never written anywhere.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from harness import options
from harness.errors import EndpointError, PromptTooLong, UsageError
from harness.models.base import NO_HOST, Ability, Host, ModelIdentity, ModelRequest
from harness.models.chat import (
    ChatModel,
    ChatRequest,
    ChatResponse,
    Choices,
    Form,
    Overflow,
    Pattern,
    Schema,
    TokenLogprob,
    ToolCall,
)
from harness.models.embedders import RankingModel
from harness.models.endpoint import (
    KEY_VARIABLE,
    Answer,
    Endpoint,
    EndpointOptions,
    Served,
)
from harness.models.replicas import Replicas
from harness.models.search import Embedder, Ranker, VectorRanker
from harness.options import Options
from harness.registry import About

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEFAULT_URL = "https://api.openai.com/v1"
_TEXTS_PER_REQUEST = 256
_SENT_IF_SET = (
    *("presence_penalty", "frequency_penalty"),
    # Engines know these, the API of OpenAI itself refuses them.
    *("top_k", "min_p", "repetition_penalty"),
)
_USUAL = ChatRequest(())


class OpenAIOptions(EndpointOptions):
    """Arguments of a server (``--model-arg``)."""

    limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """Name of the request's field for the longest answer; newer OpenAI models want the second."""


class Wire:
    """One model behind OpenAI-compatible servers: requests out, answers in.

    Args:
        model: the name that the servers know it by.
        replicas: the servers.
        limit_field: name of the field for the longest answer.
    """

    def __init__(self, model: str, replicas: Replicas, limit_field: str = "max_tokens") -> None:
        self.model = model
        self._replicas = replicas
        self._limit_field = limit_field
        self._window: int | None = None

    @property
    def urls(self) -> list[str]:
        """Addresses of the servers."""
        return self._replicas.urls

    async def open(self) -> Served:
        """Connect to the servers and check that they have the model."""
        served = await self._replicas.open(self.model)
        self._window = served.max_model_len
        return served

    async def post(
        self, path: str, body: Mapping[str, Any], read: Callable[[Any], Answer]
    ) -> Answer:
        """Post a body of the caller's own; the model's name is added."""
        return await self._replicas.post(path, {"model": self.model, **body}, read)

    async def ask(self, request: ChatRequest) -> ChatResponse:
        """Ask a server; a prompt that is too long is cut if the request says so."""
        path = "/chat/completions" if request.prompt is None else "/completions"
        read = _read_chat if request.prompt is None else _read_completion
        body = {"model": self.model, **_sampling(request, self._limit_field), **_content(request)}
        started = time.perf_counter()
        cut = False
        try:
            answer = await self._replicas.post(path, body, read, request.stream)
        except PromptTooLong:
            if request.overflow is Overflow.REFUSE:
                raise
            cut = True
            body |= self._truncation(request)
            answer = await self._replicas.post(path, body, read, request.stream)
        return ChatResponse(**answer, latency_s=time.perf_counter() - started, truncated=cut)

    async def close(self) -> None:
        """Close the connections."""
        await self._replicas.close()

    def _truncation(self, request: ChatRequest) -> dict[str, Any]:
        if self._window is None:
            raise PromptTooLong(
                "the prompt is too long, and the server does not tell its context window, so that "
                "it cannot be cut"
            )
        room = self._window - request.max_tokens
        if room < 1:
            raise PromptTooLong(
                f"max_tokens={request.max_tokens} leaves no room for a prompt in a context window "
                f"of {self._window}"
            )
        side = "left" if request.overflow is Overflow.KEEP_END else "right"
        return {"truncate_prompt_tokens": room, "truncation_side": side}


class OpenAIChat(ChatModel):
    """``openai:NAME`` at ``--base-url``."""

    about: ClassVar[About] = About(
        "A model of any OpenAI-compatible server (--base-url; key from OPENAI_API_KEY).",
        "POST /v1/chat/completions, POST /v1/completions",
        licence="the model's own",
    )
    Options: ClassVar[type[Options]] = OpenAIOptions
    uses_base_url: ClassVar[bool] = True
    abilities: ClassVar[frozenset[Ability]] = frozenset(
        {
            Ability.COMPLETION,
            Ability.LOGPROBS,
            Ability.PENALTIES,
            Ability.SCHEMA,
            Ability.TOOLS,
        }
    )

    def __init__(self, request: ModelRequest) -> None:
        if not request.target:
            raise UsageError("openai needs a model: --model openai:NAME")
        self._request = request
        chosen = options.build(OpenAIOptions, dict(request.args), f"model '{request}'")
        self._wire = Wire(request.target, remote(request, chosen), chosen.limit_field)

    async def start(self, host: Host = NO_HOST) -> ModelIdentity:
        """Check that the servers have the model."""
        del host
        return remote_identity(self._request, await self._wire.open(), self._wire.urls)

    async def chat(self, request: ChatRequest) -> ChatResponse:
        """Ask the server."""
        return await self._wire.ask(request)

    async def close(self) -> None:
        """Close the connections."""
        await self._wire.close()


class OpenAIEmbedder(RankingModel):
    """``--embedder openai:NAME`` at ``--base-url``."""

    about: ClassVar[About] = About(
        "Embeddings of an OpenAI-compatible server.", "POST /v1/embeddings", "the model's own"
    )
    Options: ClassVar[type[Options]] = EndpointOptions
    uses_base_url: ClassVar[bool] = True

    def __init__(self, request: ModelRequest) -> None:
        if not request.target:
            raise UsageError("openai needs a model: --embedder openai:NAME")
        self._request = request
        chosen = options.build(EndpointOptions, dict(request.args), f"embedder '{request}'")
        self._replicas = remote(request, chosen)
        self._cache: dict[str, NDArray[np.float32]] = {}

    async def start(self, host: Host = NO_HOST) -> ModelIdentity:
        """Check that the servers have the model."""
        del host
        return remote_identity(
            self._request, await self._replicas.open(self._request.target), self._replicas.urls
        )

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

        def read(answer: Any) -> NDArray[np.float32]:
            rows = sorted(answer["data"], key=lambda row: row["index"])
            return np.asarray([row["embedding"] for row in rows], dtype=np.float32)

        body = {"model": self._request.target, "input": list(texts)}
        vectors = await self._replicas.post("/embeddings", body, read)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True) if vectors.ndim == 2 else vectors
        usable = int((np.isfinite(lengths) & (lengths > 0)).sum())
        if vectors.ndim != 2 or len(vectors) != len(texts) or usable != len(texts):
            raise EndpointError(f"{usable} usable embeddings for {len(texts)} texts")
        return vectors / lengths

    async def close(self) -> None:
        """Close the connections."""
        await self._replicas.close()


def remote(request: ModelRequest, chosen: EndpointOptions) -> Replicas:
    """The servers that a request names; OpenAI's own where it names none."""
    default = os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL
    key = os.environ.get(KEY_VARIABLE, "").strip()
    endpoints = [Endpoint(url, key, chosen.timeout_s) for url in request.base_urls or (default,)]
    # One address may be written in several ways.
    return Replicas(list({one.url: one for one in endpoints}.values()), chosen)


def remote_identity(request: ModelRequest, served: Served, urls: Sequence[str]) -> ModelIdentity:
    """What is known of a model that somebody else serves."""
    # Only vLLM answers at /version; whether it runs batch-invariant, nobody can ask.
    engine = "vllm" if served.engine_version else "openai-compatible"
    settings: dict[str, Any] = {"servers": sorted(urls)}
    if served.max_model_len is not None:
        settings["max_model_len"] = served.max_model_len
    if served.root:
        settings["root"] = served.root
    return ModelIdentity(request.target, request.revision, engine, served.engine_version, settings)


def _sampling(request: ChatRequest, limit_field: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        limit_field: request.max_tokens,
    }
    for name in _SENT_IF_SET:
        value = getattr(request, name)
        if value != getattr(_USUAL, name):
            body[name] = value
    if request.stop:
        body["stop"] = list(request.stop)
    if request.seed is not None:
        body["seed"] = request.seed
    return body


def _content(request: ChatRequest) -> dict[str, Any]:
    """What is asked, and in which form it is to be answered."""
    body = _form(request.form)
    if request.prompt is not None:
        if request.logprobs is not None or request.score_prompt:
            body["logprobs"] = request.logprobs or 0
        if request.score_prompt:
            body["echo"] = True
        return {"prompt": request.prompt, **body}
    if request.logprobs is not None:
        body |= {"logprobs": True, "top_logprobs": request.logprobs}
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": json.loads(tool.parameters),
                },
            }
            for tool in request.tools
        ]
        body["tool_choice"] = str(request.tool_choice)
    return {"messages": [one.as_json() for one in request.messages], **body}


def _form(form: Form | None) -> dict[str, Any]:
    if isinstance(form, Schema):
        schema = {"name": "answer", "schema": json.loads(form.schema)}
        return {"response_format": {"type": "json_schema", "json_schema": schema}}
    if isinstance(form, Choices):
        return {"structured_outputs": {"choice": list(form.texts)}}
    if isinstance(form, Pattern):
        return {"structured_outputs": {"regex": form.regex}}
    return {}


def _read_chat(answer: Any) -> dict[str, Any]:
    """Fields of a `ChatResponse`; no content is an empty text, no usage is zero tokens."""
    choice = answer["choices"][0]
    message = choice["message"]
    called = message.get("tool_calls") or ()
    scored = (choice.get("logprobs") or {}).get("content") or ()
    return {
        **_usage(answer, choice),
        "text": _text(message.get("content") if called else message["content"]),
        "reasoning": _text(message.get("reasoning") or message.get("reasoning_content")),
        "tool_calls": tuple(
            ToolCall(
                _text(one.get("id")),
                _text(one["function"]["name"]),
                _text(one["function"]["arguments"]),
            )
            for one in called
        ),
        "logprobs": tuple(
            TokenLogprob(
                _text(one["token"]),
                _number(one["logprob"]),
                tuple(
                    (_text(top["token"]), _number(top["logprob"]))
                    for top in one.get("top_logprobs") or ()
                ),
            )
            for one in scored
        ),
    }


def _read_completion(answer: Any) -> dict[str, Any]:
    """Fields of a `ChatResponse` from the older form of an answer."""
    choice = answer["choices"][0]
    found = choice.get("logprobs") or {}
    tops = found.get("top_logprobs") or [None] * len(found.get("tokens") or ())
    rows = zip(found.get("tokens") or (), found.get("token_logprobs") or (), tops, strict=True)
    return {
        **_usage(answer, choice),
        "text": _text(choice["text"]),
        "logprobs": tuple(
            TokenLogprob(
                _text(token),
                None if logprob is None else _number(logprob),
                tuple((_text(text), _number(value)) for text, value in (top or {}).items()),
            )
            for token, logprob, top in rows
        ),
    }


def _usage(answer: Any, choice: Any) -> dict[str, Any]:
    usage = answer.get("usage") or {}
    return {
        "input_tokens": int(usage.get("prompt_tokens") or 0),
        "output_tokens": int(usage.get("completion_tokens") or 0),
        "finish_reason": str(choice.get("finish_reason") or "stop"),
    }


def _text(value: Any) -> str:
    if not isinstance(value, str | None):
        raise TypeError("what should be text is none")
    # Half a surrogate pair is valid JSON but cannot be stored as text.
    return (value or "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _number(value: Any) -> float:
    number = float(value)
    if math.isnan(number):
        raise ValueError("a log-probability is NaN")
    return number
