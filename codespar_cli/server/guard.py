"""What a connection may do before there is a request: uvicorn's protocol with limits on headers and on patience.

The parser underneath (llhttp) limits neither a header's line nor all of them, and a connection that never sends anything
would be kept for ever. Both are cut off here, before anything is made of the bytes.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEADERS = 64 << 10
MAX_LINE = 16 << 10
HEADERS_WITHIN_S = 10.0
MAX_CONNECTIONS = 2000
_END = b"\r\n\r\n"
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\n"
    b'content-length: 21\r\nconnection: close\r\n\r\n{"error":"too large"}'
)


class GuardedProtocol(HttpToolsProtocol):
    """`uvicorn.Config(http=GuardedProtocol)`."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._reading_headers = True
        self._size = 0
        self._line = 0
        self._tail = b""
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
            return
        self._be_patient()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose_patience()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._reading_headers and not self._within_limits(data):
            self.transport.write(_TOO_LARGE)
            self.transport.close()
            return
        super().data_received(data)

    def on_headers_complete(self) -> None:
        self._lose_patience()
        self._reading_headers = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._reading_headers = True
        self._size = self._line = 0
        self._tail = b""
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._reading_headers and not self.transport.is_closing():
            self._be_patient()

    # ── patience ──

    def _be_patient(self) -> None:
        """For the next request's headers, all of them together: a byte now and then does not prolong it."""
        self._lose_patience()
        self._patience = self.loop.call_later(HEADERS_WITHIN_S, self._give_up)

    def _lose_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.abort()

    # ── size ──

    def _within_limits(self, data: bytes) -> bool:
        """Whether what belongs to the headers, as far as it is here, is small enough."""
        joined = self._tail + data
        end = joined.find(_END)
        part = data if end < 0 else data[: max(end + len(_END) - len(self._tail), 0)]
        self._tail = joined[-(len(_END) - 1) :]
        self._size += len(part)
        if self._size > MAX_HEADERS:
            return False
        lines = part.split(b"\n")
        self._line += len(lines[0])
        if self._line > MAX_LINE or any(len(line) > MAX_LINE for line in lines[1:]):
            return False
        if len(lines) > 1:
            self._line = len(lines[-1])
        return True
