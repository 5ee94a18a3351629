"""Two threads that carry lines, one each way, between a client and its server.

A line goes out whole, so that what the proxy says itself can stand between two of the server's lines and never in one.
Only a line of the server's that is too long to be read is passed on in pieces, as it comes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import Protocol

from codespar_cli.mcp.lines import MOST_BYTES, Line, LineCutter

_READ_AT_ONCE = 1 << 18


class Judge(Protocol):
    """What is asked about each line: `Screen`, or whatever stands in for it."""

    def from_client(self, line: bytes) -> tuple[bool, bytes]: ...

    def overlong(self) -> tuple[bool, bytes]: ...

    def from_server(self, line: bytes) -> bytes: ...


class Relay:
    """`client_in`, `client_out`, `server_in` and `server_out` are descriptors; the two of the server are ours to close.

    `client_left` is called once, when the client has closed its end or nobody reads what it would get.
    """

    def __init__(
        self,
        judge: Judge,
        *,
        client_in: int,
        client_out: int,
        server_in: int,
        server_out: int,
        client_left: Callable[[], None],
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._judge = judge
        self._client_in = client_in
        self._client_out = client_out
        self._server_in = server_in
        self._server_out = server_out
        self._client_left = client_left
        self._most = most_bytes
        self._to_client = Lock()
        self._moved = 0
        self._writes = False
        self._mid_line = False
        self._waiting: list[bytes] = []
        self.reader_gone = Event()
        self._down = Thread(target=self._carry_down, name="from-server", daemon=True)

    def start(self) -> None:
        Thread(target=self._carry_up, name="from-client", daemon=True).start()
        self._down.start()

    def drain(self, patience_s: float) -> None:
        """Once the server has ended: until its output is out, or nothing came for so long (someone else holds the pipe)."""
        while self._down.is_alive():
            before = self._moved
            self._down.join(patience_s)
            if self._moved == before and not self._writes:
                return

    # ── from the client ──

    def _carry_up(self) -> None:
        cutter = LineCutter(self._most)
        try:
            while data := self._read_client():
                self._send_up(cutter.feed(data))
            self._send_up(cutter.rest())
        except OSError:
            # The server reads no more. The client is to notice, as it would without us: nobody reads its end either.
            nowhere = os.open(os.devnull, os.O_RDONLY)
            os.dup2(nowhere, self._client_in)
            os.close(nowhere)
        else:
            self._client_left()
        finally:
            with suppress(OSError):
                os.close(self._server_in)

    def _read_client(self) -> bytes:
        try:
            return os.read(self._client_in, _READ_AT_ONCE)
        except OSError:
            return b""

    def _send_up(self, lines: list[Line]) -> None:
        passed: list[bytes] = []
        for line in lines:
            if line.whole:
                passes, reply = self._judge.from_client(line.data)
            elif line.ends:
                passes, reply = self._judge.overlong()
            else:
                continue
            if passes:
                passed.append(line.data)
            if reply:
                self._say(reply)
        if passed:
            _write(self._server_in, b"".join(passed) if len(passed) > 1 else passed[0])

    def _say(self, reply: bytes) -> None:
        with self._to_client:
            if self._mid_line:
                self._waiting.append(reply)
            else:
                self._deliver(reply)

    # ── from the server ──

    def _carry_down(self) -> None:
        cutter = LineCutter(self._most)
        try:
            while data := os.read(self._server_out, _READ_AT_ONCE):
                self._send_down(cutter.feed(data))
                self._moved += 1
            self._send_down(cutter.rest())
        except OSError:
            pass
        finally:
            with suppress(OSError):
                os.close(self._server_out)

    def _send_down(self, lines: list[Line]) -> None:
        if not lines:
            return
        data = b"".join([self._judge.from_server(line.data) if line.whole else line.data for line in lines])
        with self._to_client:
            # What waits was said while a line was under way, which has come to its end by now or is still in pieces.
            self._deliver(data)
            self._mid_line = not lines[-1].ends
            if self._waiting and not self._mid_line:
                self._deliver(b"".join(self._waiting))
                self._waiting.clear()

    def _deliver(self, data: bytes) -> None:
        """Under the lock. When nobody reads any more the server still does not wait for anybody."""
        if self.reader_gone.is_set():
            return
        self._writes = True
        try:
            _write(self._client_out, data)
        except OSError:
            self.reader_gone.set()
            self._client_left()
        finally:
            self._writes = False


def _write(descriptor: int, data: bytes) -> None:
    """All of it, also to a descriptor that someone made non-blocking. Raises OSError."""
    written = os.write(descriptor, data) if len(data) <= 4096 else 0
    if written == len(data):
        return
    view = memoryview(data)[written:]
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            import select

            select.select([], [descriptor], [])
