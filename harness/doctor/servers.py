"""Servers that the user names: whether they answer, what they serve, and the key they get.

The key is sent to them as a run would, and is never told: neither it nor a part of it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from harness.doctor.finding import Asked, Finding, State
from harness.models.endpoint import (
    KEY_VARIABLE,
    listed_models,
    read_text,
    told_version,
    without_key,
)
from harness.text import clean

if TYPE_CHECKING:
    import aiohttp

_PATIENCE_S = 5.0
_MOST_BYTES = 2**20
_MOST_NAMES = 8


def answering(asked: Asked) -> Iterator[Finding]:
    """Every server that was named."""
    named = os.environ.get("HARNESS_BASE_URL", "").split(",")
    addresses = asked.base_urls or tuple(one.strip() for one in named if one.strip())
    if addresses:
        yield from asyncio.run(_look_at_all(addresses))
    elif os.environ.get("OPENAI_BASE_URL"):
        where = _shown(os.environ["OPENAI_BASE_URL"])
        said = f"OPENAI_BASE_URL names {where}; to ask it"
        yield Finding("servers", "default", State.NOTE, said, f"harness doctor --base-url {where}")


def key(asked: Asked) -> Iterator[Finding]:
    """Whether a key is set, and nothing else about it."""
    del asked
    value = os.environ.get(KEY_VARIABLE)
    if value is None:
        said = "not set; only servers that ask for a key need it"
    else:
        said = "set" if value.strip() else "set, but empty"
    state = State.OK if value and value.strip() else State.NOTE
    yield Finding("servers", KEY_VARIABLE, state, said)


def without_secret(text: str) -> str:
    """A text without the key."""
    return without_key(text, os.environ.get(KEY_VARIABLE, "").strip())


async def _look_at_all(addresses: Sequence[str]) -> list[Finding]:
    import aiohttp

    secret = os.environ.get(KEY_VARIABLE, "").strip()
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    patience = aiohttp.ClientTimeout(total=_PATIENCE_S)
    async with aiohttp.ClientSession(headers=headers, timeout=patience) as session:
        return list(await asyncio.gather(*(_look_at(session, one) for one in addresses)))


async def _look_at(session: aiohttp.ClientSession, address: str) -> Finding:
    """Ask a server for its models and its version."""
    import aiohttp

    shown, root = _shown(address), address.rstrip("/").removesuffix("/v1")
    if not address.startswith(("http://", "https://")):
        return _broken(shown, "the address must start with http:// or https://")
    try:
        status, text = await _get(session, f"{root}/v1/models")
        version = await _version(session, root) if status == 200 else ""
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        return _broken(shown, f"no server answers ({type(error).__name__})", "start one")
    if status in (401, 403):
        refused = f"refuses the key in {KEY_VARIABLE}" if os.environ.get(KEY_VARIABLE) else ""
        said = f"answers {status}: {refused or 'it wants a key'}"
        return _broken(shown, said, f"set {KEY_VARIABLE}")
    if status != 200:
        return _broken(shown, f"/v1/models answers {status}", "check the address")
    served = [_model(one) for one in (listed_models(text) or {}).values()]
    if not served:
        said = f"/v1/models of this server lists no model{version}"
        return Finding("servers", shown, State.NOTE, said)
    more = f" and {len(served) - _MOST_NAMES} more" if len(served) > _MOST_NAMES else ""
    listed = ", ".join(served[:_MOST_NAMES])
    return Finding("servers", shown, State.OK, f"serves {listed}{more}{version}")


async def _version(session: aiohttp.ClientSession, root: str) -> str:
    """What vLLM says of itself; others do not know the question."""
    status, text = await _get(session, f"{root}/version")
    told = told_version(text) if status == 200 else ""
    return f"; version {_plain(told)}" if told else ""


async def _get(session: aiohttp.ClientSession, url: str) -> tuple[int, str]:
    async with session.get(url) as answer:
        return answer.status, await read_text(answer, _MOST_BYTES)


def _model(listed: Mapping[str, Any]) -> str:
    name, window, owner = listed["id"], listed.get("max_model_len"), listed.get("owned_by")
    facts = [_plain(owner)] if owner else []
    facts += [f"window {_plain(window)}"] if window else []
    return f"{_plain(name)} ({', '.join(facts)})" if facts else _plain(name)


def _plain(value: Any) -> str:
    """A foreign value made safe to show: no key, no control characters, not endless."""
    return clean(without_secret(str(value)))[:100]


def _shown(address: str) -> str:
    """An address without the name and password that it may hold."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return "unreadable address"
    login, _, host = parts.netloc.rpartition("@")
    host = f"***@{host}" if login else host
    return clean(f"{parts.scheme}://{host}{parts.path}" if host else parts.path)


def _broken(shown: str, said: str, mend: str = "") -> Finding:
    return Finding("servers", shown, State.BROKEN, said, mend)
