"""What a connection may do before there is a request: uvicorn's protocol with limits on headers and on patience.

The parser underneath (llhttp) limits neither a header's line nor all of them nor what stands between the chunks of a
body, and a connection that never sends anything would be kept for ever. All of it is cut off here, before anything is
made of the bytes.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from codespar_cli.server.requests import WHOLE_ANSWER
from codespar_cli.server.whole_answer import whole_answer

MAX_HEADERS = 64 << 10
MAX_LINE = 16 << 10
HEADERS_WITHIN_S = 10.0
MAX_CONNECTIONS = 2000
_FRAMING = 64 << 10
_MOST_SMALL_CHUNKS = 4096
_SMALL_CHUNK = 64  # bytes
_FRAMING_PER_BYTE = 1
_END = b"\r\n\r\n"


def _refusal(status: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
    return head % (status, len(body)) + body


_TOO_LARGE = _refusal(b"431 Request Header Fields Too Large", b'{"error":"headers too large"}')
_MALFORMED = _refusal(b"400 Bad Request", b'{"error":"malformed request"}')
_SLOW = _refusal(b"408 Request Timeout", b'{"error":"too slow"}')


class GuardedProtocol(HttpToolsProtocol):
    """`uvicorn.Config(http=GuardedProtocol)`."""

    most = MAX_CONNECTIONS
    """How many connections there may be; a subclass says otherwise where files are scarce."""
    waiting: dict[GuardedProtocol, None]
    """Every connection of the server, in the order of their last whole header: the first has been at it the longest."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._reading_headers = True
        self._size = 0
        self._line = 0
        self._tail = b""
        self._named = 0
        self._framing = self._body = self._chunks = self._whole_body = 0
        self._completed = False
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.waiting[self] = None
        if len(self.waiting) > self.most:
            # Not the newcomer: a genuine sender is done in milliseconds, and many idle ones must not keep it out.
            next(iter(self.waiting)).transport.abort()
        self._be_patient()

    def connection_lost(self, exc: Exception | None) -> None:
        self.waiting.pop(self, None)
        self._lose_patience()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """A sender may close its half once it has sent all: whether it is still to be answered."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body:
            return False
        cycle.keep_alive = False
        return True

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        reading = self._reading_headers
        if reading and not self._may_grow_by(data):
            self._refuse(_TOO_LARGE)
            return
        self._completed, self._body = False, 0
        super().data_received(data)
        if self._completed:
            return  # what is left over is the next request's, and less than one read
        if self._reading_headers:
            if self._patience is None and not self.transport.is_closing():
                self._be_patient()  # most headers come in one piece, and need none
            self._grown_by(data)
        elif not reading:
            self._framing += len(data) - self._body * (1 + _FRAMING_PER_BYTE)
            if self._framing > _FRAMING and not self.transport.is_closing():
                self.transport.abort()

    # ── what the parser found ──

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > MAX_LINE:
            raise ValueError  # what is raised in here, the parser hands to `data_received`

    def on_header(self, name: bytes, value: bytes) -> None:
        """Exact where several requests came in one read."""
        size = len(name) + len(value) + 4
        self._named += size
        if size > MAX_LINE or self._named > MAX_HEADERS:
            raise ValueError
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            raise ValueError  # the parser would take the body for what comes after an upgrade that is not made
        self._lose_patience()
        self._reading_headers = False
        self._framing = self._named = self._chunks = self._whole_body = 0
        self.waiting.pop(self, None)
        self.waiting[self] = None
        super().on_headers_complete()
        if self.scope["method"] != "HEAD":  # its answer has no body
            self.scope["extensions"] = {WHOLE_ANSWER: whole_answer(self.cycle)}  # type: ignore[dict-item]

    def on_body(self, body: bytes) -> None:
        self._body += len(body)
        self._whole_body += len(body)
        self._chunks += 1
        if self._chunks > _MOST_SMALL_CHUNKS and self._whole_body < self._chunks * _SMALL_CHUNK:
            raise ValueError  # bytes in chunks of their own cost a thousand times what they would together
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._reading_headers = self._completed = True
        self._size = self._line = self._named = 0
        self._tail = b""
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(_MALFORMED)

    def _refuse(self, answer: bytes) -> None:
        # An answer to an earlier request of this connection must not be taken for this one's.
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(answer)
        self._lose_patience()
        self.transport.close()

    # ── patience ──

    def _be_patient(self) -> None:
        """For one request's headers, all of them together: a byte now and then does not prolong it."""
        self._lose_patience()
        self._patience = self.loop.call_later(HEADERS_WITHIN_S, self._give_up)

    def _lose_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        if not self.transport.is_closing():
            self._refuse(_SLOW) if self._size else self.transport.abort()

    # ── size ──

    def _may_grow_by(self, data: bytes) -> bool:
        """Whether what belongs to the headers, as far as it is here, is small enough."""
        if self._line + len(data) <= MAX_LINE and self._size + len(data) <= MAX_HEADERS:
            return True  # whatever of it belongs to them
        joined = self._tail + data
        end = joined.find(_END)
        part = data if end < 0 else data[: max(end + len(_END) - len(self._tail), 0)]
        if self._size + len(part) > MAX_HEADERS:
            return False
        first, *others = part.split(b"\n")
        return self._line + len(first) <= MAX_LINE and all(len(line) <= MAX_LINE for line in others)

    def _grown_by(self, data: bytes) -> None:
        """All of it was headers, and there are more to come."""
        self._tail = (self._tail + data)[-(len(_END) - 1) :]
        self._size += len(data)
        newline = data.rfind(b"\n")
        self._line = self._line + len(data) if newline < 0 else len(data) - newline - 1


def guarded(most: int) -> type[GuardedProtocol]:
    """The protocol of one server, which may have this many connections."""
    return type("Guarded", (GuardedProtocol,), {"most": min(most, MAX_CONNECTIONS), "waiting": {}})
