"""Values between processes of one server, over a pair of sockets that nobody else has."""

from __future__ import annotations

import asyncio
import marshal
import struct
from collections.abc import Callable
from typing import Any, TypeAlias, cast

Message: TypeAlias = tuple[Any, ...]
"""Of numbers, text, bytes, tuples and None: what `marshal` takes, which both ends read alike, being one program."""

_LENGTH = struct.Struct("<Q")


class Link(asyncio.Protocol):
    """One end. What is sent in one turn of the event loop goes out in one write."""

    def __init__(self, take: Callable[[Link, Message], None], lost: Callable[[Link], None]) -> None:
        self._take = take
        self._lost = lost
        self._buffer = bytearray()
        self._out: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()

    def send(self, message: Message) -> None:
        """Never waits; whoever is gone gets nothing."""
        if self._transport is None:
            return
        if not self._out:
            self._loop.call_soon(self._flush)
        data = marshal.dumps(message)
        self._out += (_LENGTH.pack(len(data)), data)

    def close(self) -> None:
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def _flush(self) -> None:
        out, self._out = self._out, []
        if out and self._transport is not None:
            self._transport.write(b"".join(out))

    # ── what the event loop calls ──

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._lost(self)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        at, size = 0, len(buffer)
        while size - at >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(buffer, at)
            end = at + _LENGTH.size + length
            if end > size:
                break
            with memoryview(buffer) as view:
                message = marshal.loads(view[at + _LENGTH.size : end])  # noqa: S302  our own process wrote it
            at = end
            self._take(self, message)
        if at:
            del buffer[:at]
