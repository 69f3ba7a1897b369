"""The response cache (``--cache``): no answer is bought twice, across runs and processes.

One SQLite file in the cache folder, keyed by everything that determines an answer: model, revision,
engine with version and settings, and the whole request. Only repeatable requests take part: greedy
ones, or drawn with a seed. Equal requests that are under way at the same time share one answer.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.data import cache_dir
from harness.errors import StorageError, UnknownName, UsageError
from harness.models.base import ModelIdentity
from harness.models.chat import ChatRequest, ChatResponse

_TABLE = """
create table if not exists answers (
    key text primary key, model text not null, answer text not null, bought_at real not null
) without rowid
"""


@dataclass(frozen=True)
class CacheInfo:
    """What ``harness cache info`` prints."""

    path: str
    bytes: int
    answers: int
    models: dict[str, int]
    """Answers by model."""


def cache_path() -> Path:
    """Where the cache is."""
    return cache_dir() / "responses.sqlite"


class ResponseCache:
    """The open cache, for one model.

    Raises:
        UsageError: it cannot be opened.
    """

    def __init__(self, identity: ModelIdentity) -> None:
        self._model = identity.id
        engine = [identity.id, identity.revision, identity.engine, identity.engine_version]
        # Two servers may give one name to different models.
        servers = identity.settings.get("servers", [])
        self._prefix = json.dumps([*engine, identity.decisive(), servers], sort_keys=True)
        self._under_way: dict[str, asyncio.Future[ChatResponse]] = {}
        path = cache_path()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = _open(path)
        except (OSError, sqlite3.Error) as error:
            raise _unusable(error) from error

    async def answer(
        self, request: ChatRequest, buy: Callable[[ChatRequest], Awaitable[ChatResponse]]
    ) -> ChatResponse:
        """The known answer, or one that is bought now and known from now on."""
        key = hashlib.sha256(f"{self._prefix}{request.key()}".encode()).hexdigest()
        found = self._read(key)
        if found is not None:
            return found
        other = self._under_way.get(key)
        if other is not None:
            await asyncio.wait({other})
            response = _result(other)
            if response is not None:
                return replace(response, cached=True)
            # Who bought has failed or was cancelled: each of the waiting asks for itself.
            return await self._bought(key, request, buy)
        promise = self._under_way[key] = asyncio.get_running_loop().create_future()
        try:
            response = await self._bought(key, request, buy)
            promise.set_result(response)
        finally:
            promise.cancel()
            del self._under_way[key]
        return response

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    async def _bought(
        self, key: str, request: ChatRequest, buy: Callable[[ChatRequest], Awaitable[ChatResponse]]
    ) -> ChatResponse:
        response = await buy(request)
        self._write(key, response)
        return response

    def _read(self, key: str) -> ChatResponse | None:
        try:
            row = self._connection.execute(
                "select answer from answers where key = ?", (key,)
            ).fetchone()
            return replace(ChatResponse.read(json.loads(row[0])), cached=True) if row else None
        except (sqlite3.Error, ValueError, TypeError, LookupError) as error:
            raise _damaged(error) from error

    def _write(self, key: str, response: ChatResponse) -> None:
        row = (key, self._model, json.dumps(response.as_json()), time.time())
        try:
            self._connection.execute("insert or ignore into answers values (?, ?, ?, ?)", row)
        except sqlite3.Error as error:
            raise _damaged(error) from error


def info() -> CacheInfo:
    """Count what is in the cache."""
    path = cache_path()
    if not path.is_file():
        return CacheInfo(str(path), 0, 0, {})
    try:
        with closing(_open(path)) as connection:
            rows: list[Any] = connection.execute(
                "select model, count(*) from answers group by model order by model"
            ).fetchall()
    except sqlite3.Error as error:
        raise _unusable(error) from error
    models = {str(model): int(count) for model, count in rows}
    size = sum(one.stat().st_size for one in _files(path) if one.is_file())
    return CacheInfo(str(path), size, sum(models.values()), models)


def clear(model: str | None = None) -> int | None:
    """Forget all answers, or those of one model, by the name that `info` gives it.

    Returns:
        How many; None where the file was damaged and is gone, whatever was in it.

    Raises:
        UnknownName: there is no answer of this model.
        UsageError: the file cannot be changed.
    """
    path = cache_path()
    if model is not None and model not in info().models:
        raise UnknownName("model of the response cache", model, info().models)
    if not path.is_file():
        return 0
    try:
        with closing(_open(path)) as connection:
            if model is None:
                done = connection.execute("delete from answers")
            else:
                done = connection.execute("delete from answers where model = ?", (model,))
            connection.execute("vacuum")
            return done.rowcount
    except sqlite3.DatabaseError as error:
        if model is not None or isinstance(error, sqlite3.OperationalError):
            raise _unusable(error) from error
        return _delete(path)


def _delete(path: Path) -> None:
    try:
        for one in _files(path):
            one.unlink(missing_ok=True)
    except OSError as error:
        raise _unusable(error) from error


def _files(path: Path) -> tuple[Path, ...]:
    """The file, and those that SQLite lays beside it."""
    return tuple(path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm"))


def _open(path: Path) -> sqlite3.Connection:
    """Open the file; every statement is its own transaction, other processes may write too."""
    connection = sqlite3.connect(path, timeout=30.0, isolation_level=None)
    try:
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = off")
        connection.execute(_TABLE)
    except BaseException:
        connection.close()
        raise
    return connection


def _result(done: asyncio.Future[ChatResponse]) -> ChatResponse | None:
    return None if done.cancelled() or done.exception() else done.result()


def _unusable(error: Exception) -> UsageError:
    return UsageError(
        f"the response cache {cache_path()} cannot be used ({error}); harness cache clear starts "
        "a new one, or set HARNESS_CACHE to another folder."
    )


def _damaged(error: Exception) -> StorageError:
    return StorageError(
        f"the response cache {cache_path()} failed ({error}); make room or run harness cache "
        "clear, then the same command again; finished samples are kept."
    )
