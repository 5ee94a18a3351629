"""Requests that one process takes and another one answers.

The accepting end sends a request's head, and of its body what has come with it. More of the body is carried when the
answering end wants it, one piece at a time: what a sender may fill memory with is the same as in one process. Whoever
has sent its whole body and hangs up is told of.

    accepting -> answering   request  number, index, facts, the first piece or None
                             piece    number, bytes, whether there is more
                             gone     number
    answering -> accepting   more     number
                             the number, and what the handler answered
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from codespar_cli.server import requests
from codespar_cli.server.app import Address, Log, answered
from codespar_cli.server.link import Link
from codespar_cli.server.requests import Request, Response


class Carrying:
    """One request, at the accepting end. `tell` takes the parts of a message."""

    def __init__(self, number: int, request: Request, tell: Callable[..., None]) -> None:
        self._number = number
        self._request = request
        self._tell = tell
        self._wanted = asyncio.Semaphore(0)

    def more(self) -> None:
        self._wanted.release()

    async def carry(self, index: int, answer: asyncio.Future[Any]) -> Response:
        """Raises what `answer` raises."""
        first = self._at_hand()
        self._tell("request", self._number, index, self._request.facts(), first)
        feeding = asyncio.get_running_loop().create_task(self._feed(first))
        try:
            return Response(*await answer)
        finally:
            feeding.cancel()
            if not answer.done() or answer.cancelled():
                self._tell("gone", self._number)

    def _at_hand(self) -> tuple[bytes, bool] | None:
        if self._request.values(b"expect"):
            return None  # asking for the body would invite it
        return self._piece(self._request.at_hand())

    def _piece(self, message: requests.Message | None) -> tuple[bytes, bool] | None:
        if message is None or message["type"] == "http.disconnect":
            return None
        more = bool(message.get("more_body", False))
        self._request.whole = not more
        return bytes(message.get("body", b"")), more

    async def _feed(self, piece: tuple[bytes, bool] | None) -> None:
        while piece is None or piece[1]:
            await self._wanted.acquire()
            piece = self._piece(await self._request.receive())
            if piece is None:
                self._tell("gone", self._number)
                return
            self._tell("piece", self._number, *piece)
        message = await self._request.receive()
        if message["type"] == "http.disconnect":
            self._tell("gone", self._number)


class Answering:
    """The answering end, for all links."""

    def __init__(self, addresses: Sequence[Address], log: Log) -> None:
        self._addresses = addresses
        self._log = log
        self._bodies: dict[tuple[Link, int], _Body] = {}

    def begin(
        self, link: Link, number: int, index: int, facts: tuple[Any, ...], piece: tuple[bytes, bool] | None
    ) -> Coroutine[Any, Any, None]:
        """What is to be run for one request."""
        body = self._bodies[link, number] = _Body(lambda: link.send(("more", number)))
        if piece is not None:
            body.take(*piece)
        return self._answer(link, number, self._addresses[index], Request.from_facts(facts, body.receive))

    def piece(self, link: Link, number: int, data: bytes, more: bool) -> None:
        if body := self._bodies.get((link, number)):
            body.take(data, more)

    def gone(self, link: Link, number: int) -> None:
        if body := self._bodies.get((link, number)):
            body.end()

    def lost(self, link: Link) -> None:
        """The process at its other end died, and with it its connections."""
        for (other, _), body in self._bodies.items():
            if other is link:
                body.end()

    async def _answer(self, link: Link, number: int, address: Address, request: Request) -> None:
        try:
            response = await answered(address.handler, request, self._log)
            # Nobody waits for what is not there; the other end has told so itself.
            link.send((number, True, tuple(response or Response(500))))
        finally:
            del self._bodies[link, number]


class _Body:
    """Pieces in their order, as ASGI's `receive` gives them."""

    def __init__(self, want: Callable[[], None]) -> None:
        self._want = want
        self._pieces: deque[requests.Message] = deque()
        self._whole = self._gone = False
        self._changed = asyncio.Event()

    def take(self, data: bytes, more: bool) -> None:
        self._pieces.append({"type": "http.request", "body": data, "more_body": more})
        self._whole = not more
        self._changed.set()

    def end(self) -> None:
        self._gone = True
        self._changed.set()

    async def receive(self) -> requests.Message:
        if not self._pieces and not self._whole and not self._gone:
            self._want()
        while not self._pieces:
            if self._gone:
                return {"type": "http.disconnect"}
            self._changed.clear()
            await self._changed.wait()
        return self._pieces.popleft()
