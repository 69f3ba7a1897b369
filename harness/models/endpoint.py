"""One OpenAI-compatible server over aiohttp: asked once at a time of asking, told apart by failure.

`Endpoint.attempt` makes one try and says what became of it: an answer, a failure that may pass
(`TryAgain`: 429, 5xx, dropped connections, timeouts, unreadable answers), or one that will not.
Which endpoint is tried, and how often, is `harness.models.replicas`. The connection pool has no cap
of its own, since the harness already limits what is in flight. The key is never written anywhere.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import Field

from harness.errors import EndpointError, PromptTooLong, UnknownName, UsageError
from harness.options import Options

if TYPE_CHECKING:
    import aiohttp

KEY_VARIABLE = "OPENAI_API_KEY"
_RETRIED = {408, 409, 425, 429}
_GONE = {502, 503, 504}
_TOO_LONG = (
    *("context length", "context_length", "context size", "context window", "maximum context"),
    *("too long", "max_model_len", "maximum model length"),
)
_MOST_BYTES = 64 * 2**20
_SECRET_LENGTH = 8

Answer = TypeVar("Answer")


class EndpointOptions(Options):
    """Arguments of a server (``--model-arg``)."""

    timeout_s: float = Field(default=300.0, gt=0)
    """Seconds for one try of a request."""
    retries: int = Field(default=6, ge=0)
    """Tries after the first."""
    backoff_s: float = Field(default=0.5, ge=0)
    """First pause between tries in seconds; doubles each time, at most 30."""


class TryAgain(Exception):
    """A try failed in a way that may pass.

    Attributes:
        pause_s: what the server asks to wait, at least.
        gone: whether the whole server seems to be away, not only this request in trouble.
    """

    def __init__(self, reason: str, pause_s: float = 0.0, *, gone: bool = False) -> None:
        super().__init__(reason)
        self.pause_s = pause_s
        self.gone = gone


class Unreachable(UsageError):
    """Nothing answers at an address."""


@dataclass(frozen=True)
class Served:
    """What a server says of a model."""

    engine_version: str
    """Empty where the server does not tell, which vLLM does."""
    max_model_len: int | None
    root: str
    """Last part of the folder or hub id that the name stands for; empty where it does not tell."""


class Endpoint:
    """A server at a base URL.

    Raises:
        UsageError: the address is none.
    """

    def __init__(self, url: str, key: str, timeout_s: float) -> None:
        if not url.startswith(("http://", "https://")):
            raise UsageError(f"--base-url '{url}' must start with http:// or https://.")
        if "@" in url.partition("://")[2].partition("/")[0]:
            raise UsageError(
                f"--base-url must hold no login, since it is saved with results; {KEY_VARIABLE} "
                "holds the server's key."
            )
        if any(ord(one) < 32 for one in key):
            raise UsageError(f"{KEY_VARIABLE} holds a control character; set it to the key alone.")
        self.url = url.rstrip("/")
        if not self.url.endswith("/v1"):
            self.url += "/v1"
        self.in_flight = 0
        """Requests under way here."""
        self._key = key
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def open(self, model: str) -> Served:
        """Connect, and check that the server has the model.

        Raises:
            UsageError: the server cannot be reached, wants another key, or lacks the model.
        """
        import aiohttp

        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        self._session = aiohttp.ClientSession(
            headers=headers,
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=self._timeout_s),
        )
        try:
            entry = await self._check(model)
            version = await self._version()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            await self.close()
            raise Unreachable(
                f"no server answers at {self.url} ({type(error).__name__}); start one, or set "
                "--base-url to its address."
            ) from error
        except BaseException:
            await self.close()
            raise
        length = entry.get("max_model_len")
        known = length if isinstance(length, int) else None
        root = str(entry.get("root") or "")
        return Served(version, known, root.rstrip("/").rpartition("/")[2])

    async def attempt(
        self, path: str, body: Mapping[str, Any], read: Callable[[Any], Answer]
    ) -> Answer:
        """Post JSON once and read the JSON answer.

        Raises:
            TryAgain: it failed in a way that may pass.
            PromptTooLong: the server says that the prompt exceeds its window.
            EndpointError: the server refuses the request.
        """
        self.in_flight += 1
        try:
            status, retry_after, text = await self._post(path, body)
        finally:
            self.in_flight -= 1
        if status == 200:
            return self._readable(text, read)
        reason = f"status {status}: {self.shown(text)}"
        if status in _RETRIED or status >= 500:
            raise TryAgain(reason, _seconds(retry_after), gone=status in _GONE)
        if status == 413 or (status == 400 and any(one in text.lower() for one in _TOO_LONG)):
            raise PromptTooLong(f"{self.url}{path}: {self.shown(text)}")
        raise EndpointError(f"{self.url}{path}: {reason}")

    async def alive(self, patience_s: float = 5.0) -> bool:
        """Whether anything answers at all."""
        import aiohttp

        try:
            timeout = aiohttp.ClientTimeout(total=patience_s)
            async with self._opened().get(f"{self.url}/models", timeout=timeout) as answer:
                return answer.status < 500
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def shown(self, answer: Any) -> str:
        """The beginning of an answer for a message, without the key that it may repeat."""
        return repr(without_key(str(answer), self._key)[:300])

    def _readable(self, text: str, read: Callable[[Any], Answer]) -> Answer:
        try:
            answer = json.loads(text)
        except (ValueError, RecursionError):
            raise TryAgain(f"answer is no JSON: {self.shown(text)}") from None
        try:
            return read(answer)
        except (LookupError, TypeError, AttributeError, ValueError, OverflowError) as error:
            raise TryAgain(f"unreadable answer ({error}): {self.shown(answer)}") from error

    async def _post(self, path: str, body: Mapping[str, Any]) -> tuple[int, str, str]:
        import aiohttp

        session = self._opened()
        try:
            async with session.post(f"{self.url}{path}", json=body) as answer:
                text = await read_text(answer, _MOST_BYTES)
                return answer.status, answer.headers.get("Retry-After", ""), text
        except TimeoutError as error:
            raise TryAgain(f"no answer within {self._timeout_s:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            reason = f"{type(error).__name__} {error}".strip()
            raise TryAgain(reason, gone=not isinstance(error, TooLargeError)) from error

    async def _check(self, model: str) -> Mapping[str, Any]:
        """Ask the server for its models; returns what it says of the wanted one."""
        status, text = await self._get(f"{self.url}/models")
        if status != 200:
            mend = f"set {KEY_VARIABLE}" if status in (401, 403) else "check --base-url"
            raise UsageError(f"{self.url}/models answers {status}; {mend}.")
        served = listed_models(text)
        if served is None:
            raise UsageError(f"{self.url}/models answers with no JSON; check --base-url.")
        if served and model not in served:
            raise UnknownName(f"model of the server {self.url}", model, served)
        return served.get(model, {})

    async def _version(self) -> str:
        """The version of a vLLM server; empty for others, which have no such page."""
        status, text = await self._get(f"{self.url.removesuffix('/v1')}/version")
        return told_version(text) if status == 200 else ""

    async def _get(self, url: str) -> tuple[int, str]:
        import aiohttp

        patience = aiohttp.ClientTimeout(total=min(20.0, self._timeout_s))
        async with self._opened().get(url, timeout=patience) as answer:
            return answer.status, await read_text(answer, _MOST_BYTES)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise EndpointError(f"the connection to {self.url} is not open")
        return self._session


class TooLargeError(OSError):
    """An answer without end."""


def without_key(text: str, key: str) -> str:
    """A text without the key, which a server or an exception may repeat."""
    # A short key is a placeholder such as "EMPTY", which is no secret.
    return text.replace(key, "[key]") if len(key) >= _SECRET_LENGTH else text


def told_version(text: str) -> str:
    """The version that vLLM tells at /version; empty for any other text."""
    try:
        found = json.loads(text)["version"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    return found if isinstance(found, str) else ""


async def read_text(answer: aiohttp.ClientResponse, most: int) -> str:
    """Read a body, which may be broken text but must not be endless: at most so many bytes."""
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > most:
            raise TooLargeError(f"an answer of more than {most} bytes")
    return body.decode("utf-8", "replace")


def listed_models(text: str) -> dict[str, Mapping[str, Any]] | None:
    """Models that a server lists; none if it lists nothing readable, None for what is no JSON."""
    try:
        listed: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    try:
        return {str(model["id"]): dict(model) for model in listed["data"]}
    except (LookupError, TypeError, ValueError):
        return {}


def _seconds(retry_after: str) -> float:
    try:
        seconds = float(retry_after)
    except ValueError:
        return 0.0
    return min(max(seconds, 0.0), 60.0) if math.isfinite(seconds) else 0.0
