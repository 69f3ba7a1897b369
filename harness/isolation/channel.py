"""Messages between two processes over a socket: pickled plain values behind their length.

Only the harness's own value types are read back, so that a message builds data and runs nothing.
"""

from __future__ import annotations

import asyncio
import builtins
import importlib
import io
import pickle
import socket
from typing import Any, ClassVar

MOST_BYTES = 64 * 2**20
"""Of one message; a memory that says more at once is broken."""

_HEADER_BYTES = 8
_VALUES = (
    "harness.models.chat",
    "harness.models.client",
    "harness.protocols.stream.settings",
    "harness.protocols.stream.types",
)
_PLAIN = {"set", "frozenset", "complex", "bytearray", "range", "slice"}


class TooLarge(Exception):
    """A message beyond `MOST_BYTES`."""


class Channel:
    """One end of a socket, for one asyncio loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket) -> Channel:
        """Talk over a connected socket, which is the channel's from now on."""
        return cls(*await asyncio.open_connection(sock=end))

    async def send(self, message: Any) -> None:
        """Send a message.

        Raises:
            TooLarge: it is too long.
            OSError: the other side is gone.
        """
        body = pickle.dumps(message)
        if len(body) > MOST_BYTES:
            raise TooLarge(f"a message of {len(body) / 2**20:.0f} MiB")
        # One write for a message: several tasks may send.
        self._writer.write(len(body).to_bytes(_HEADER_BYTES, "big") + body)
        await self._writer.drain()

    async def receive(self) -> Any:
        """Wait for the next message.

        Raises:
            EOFError: the other side is gone.
            TooLarge: it is too long.
            pickle.UnpicklingError: it holds something else than values.
        """
        try:
            header = await self._reader.readexactly(_HEADER_BYTES)
            size = int.from_bytes(header, "big")
            if size > MOST_BYTES:
                raise TooLarge(f"a message of {size / 2**20:.0f} MiB")
            body = await self._reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise EOFError from error
        return _Values(io.BytesIO(body)).load()

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


class _Values(pickle.Unpickler):
    """Reads values of the harness's own types."""

    known: ClassVar[frozenset[str]] = frozenset(_VALUES)

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """Find a type that a message may name."""
        if module_name == "builtins" and global_name in _PLAIN:
            return getattr(builtins, global_name)
        if module_name in self.known:
            found = getattr(importlib.import_module(module_name), global_name, None)
            if isinstance(found, type):
                return found
        raise pickle.UnpicklingError(f"{module_name}.{global_name} is no value of a message")
