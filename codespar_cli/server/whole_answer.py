"""An answer in one write. uvicorn writes head and body apart: two system calls, two packets, and a sender woken twice.

Offered to the application as an extension of the scope (asgi.readthedocs.io, "Extensions"); what cannot be answered so is
sent as usual.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeAlias

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

WholeAnswer: TypeAlias = Callable[[int, Iterable[tuple[bytes, bytes]], bytes], bool]
"""Takes a status, headers that are our own (they are not looked at again), and the body, whose length they say. Whether
it was answered; if not, nothing was."""


def whole_answer(cycle: RequestResponseCycle) -> WholeAnswer:
    """For a request whose body was read to its end, and which is not HEAD."""
    return partial(_answer, cycle)


def _answer(cycle: RequestResponseCycle, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> bool:
    if cycle.disconnected or cycle.response_started or cycle.flow.write_paused:
        return False
    lines = [b"%s: %s\r\n" % pair for pair in (*cycle.default_headers, *headers)]
    if not cycle.keep_alive:
        lines.append(b"connection: close\r\n")
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.transport.write(b"".join((STATUS_LINE[status], *lines, b"\r\n", body)))
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True
