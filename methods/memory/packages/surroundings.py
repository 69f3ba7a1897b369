"""The surroundings of a package in its worker: no telemetry, a still clock, ids drawn from seeds.

A killed run asks for the same answers again, which the journal finds by the content of the
request. So nothing that differs from one execution to the next may get into a prompt: neither
today's date nor a random id. All of this is global, which is why it belongs into a worker only.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import uuid
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

_FORGOTTEN = (
    "OPENAI_",
    "OPENROUTER_",
    "AZURE_OPENAI_",
    "LANGSMITH_",
    "LANGCHAIN_",
    "MEM0_",
    "MOS_",
)
"""Beginnings of variables that would lead a package to another server or another store."""
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_QUIET = {
    "MEM0_TELEMETRY": "False",
    "LANGSMITH_TRACING": "false",
    "LANGCHAIN_TRACING_V2": "false",
    "ANONYMIZED_TELEMETRY": "False",
    "POSTHOG_DISABLED": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
}
_BEGINNING = datetime(2025, 1, 1, tzinfo=UTC)


def seclude(folder: Path) -> None:
    """Set the environment so that a package keeps to a folder and to the address it is given."""
    for name in list(os.environ):
        if name.startswith(_FORGOTTEN) or name.lower() in _PROXIES:
            del os.environ[name]
    os.environ.update(_QUIET)
    os.environ["MEM0_DIR"] = str(folder / "mem0")
    os.environ["MEMOS_BASE_PATH"] = str(folder / "memos")


class Chance:
    """Random ids that depend on the item that is learned, and on nothing else."""

    def __init__(self) -> None:
        self._random = random.Random(0)
        self._busy = threading.Lock()

    def begin(self, rng: random.Random) -> None:
        """An item begins; `rng` depends on the stream and the item."""
        with self._busy:
            self._random = rng
        random.seed(rng.getrandbits(64))

    def uuid4(self) -> uuid.UUID:
        """What `uuid.uuid4` gives from now on."""
        with self._busy:
            return uuid.UUID(int=self._random.getrandbits(128), version=4)

    def rule(self) -> None:
        """Take the place of `uuid.uuid4`; before a package is imported, which may copy it."""
        uuid.uuid4 = self.uuid4


class Clock:
    """A clock that an item sets and that each look moves on by a microsecond.

    Step n is n seconds after the beginning of 2025, so that the date in a prompt is the same for a
    day's worth of items, and what was written later has the later time.
    """

    def __init__(self) -> None:
        self._now = _BEGINNING
        self._busy = threading.Lock()

    def begin(self, step: int) -> None:
        """An item begins."""
        with self._busy:
            self._now = _BEGINNING + timedelta(seconds=step)

    def now(self, tz: tzinfo | None = None) -> datetime:
        """The time, without a zone where none is asked for."""
        with self._busy:
            self._now += timedelta(microseconds=1)
            return self._now.astimezone(tz) if tz else self._now.replace(tzinfo=None)

    def rule(self, *modules: Any) -> None:
        """Take the place of the class ``datetime`` in modules that imported it by name."""
        clock = self

        class Still(datetime):
            """A `datetime` whose present is the clock's."""

            @classmethod
            def now(cls, tz: tzinfo | None = None) -> datetime:  # pyright: ignore[reportIncompatibleMethodOverride]
                return clock.now(tz)

            @classmethod
            def utcnow(cls) -> datetime:  # pyright: ignore[reportIncompatibleMethodOverride]
                return clock.now()

        for module in modules:
            module.datetime = Still


class Complaints(logging.Handler):
    """Counts what a package logs as an error, or with an exception, instead of raising it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Count a record."""
        if record.levelno >= logging.ERROR or record.exc_info:
            self.count += 1

    def listen(self) -> None:
        """Hear all loggers that pass on what they log."""
        logging.getLogger().addHandler(self)
