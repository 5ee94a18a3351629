"""A request as handlers see it, and what they answer. Plain ASGI (asgi.readthedocs.io, "HTTP & WebSocket")."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]


class Response(NamedTuple):
    status: int
    body: bytes = b""
    content_type: bytes = b"application/json"
    headers: tuple[tuple[str, str], ...] = ()


class Refused(Exception):
    """A request that is answered with an error. The message is for the log; the sender reads `told`."""

    def __init__(
        self, status: int, words: str, *, told: str | None = None, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(words)
        self.status = status
        self.told = words if told is None else told
        self.headers = headers


class Disconnected(Exception):
    """Nobody waits for an answer any more."""


def answer(status: int, /, **facts: Any) -> Response:
    """A small JSON object."""
    return Response(status, json.dumps(facts, separators=(",", ":")).encode())


class Request:
    """What is known before the body is read: method, path, headers as they came, parameters of the address."""

    __slots__ = ("_receive", "_scope", "_values", "parameters", "whole")

    def __init__(self, scope: Scope, receive: Receive, parameters: Mapping[str, str]) -> None:
        self._scope = scope
        self._receive = receive
        self._values: dict[bytes, list[bytes]] | None = None
        self.parameters = parameters
        self.whole = not self.values(b"transfer-encoding") and not self.declared_length()
        """Whether the body was read to its end, so that the connection can be used again. There may be none."""

    @property
    def method(self) -> str:
        return str(self._scope["method"])

    @property
    def path(self) -> str:
        """Without the query, percent-decoded."""
        return str(self._scope["path"])

    @property
    def client(self) -> str:
        """The peer's address."""
        client = self._scope.get("client")
        return str(client[0]) if client else "?"

    @property
    def headers(self) -> Sequence[tuple[bytes, bytes]]:
        """Names in lower case, in the order received, repeated ones each by itself."""
        found: Sequence[tuple[bytes, bytes]] = self._scope["headers"]
        return found

    def values(self, name: bytes) -> list[bytes]:
        """Every value of a header, which is named in lower case."""
        if self._values is None:
            self._values = {}
            for key, value in self.headers:
                self._values.setdefault(key, []).append(value)
        return self._values.get(name, [])

    def declared_length(self) -> int | None:
        """What Content-Length says; None without one. The parser has refused those that are no number."""
        found = self.values(b"content-length")
        return int(found[0]) if found else None

    async def body(self, limit: int, *, within_s: float, place: Place | None = None) -> bytes:
        """The raw bytes of the body.

        Raises:
            Refused: 413 above `limit` bytes, declared or found; 408 after `within_s` seconds; 503 without room.
            Disconnected: the sender went away.
        """
        declared = self.declared_length()
        if declared is not None and declared > limit:
            raise Refused(413, f"the body is declared as {declared} bytes, at most {limit} are taken", told="too large")
        if self.whole:
            return b""
        try:
            async with asyncio.timeout(within_s):
                return await self._collect(limit, place)
        except TimeoutError:
            raise Refused(408, f"the body was not there within {within_s:g} s", told="too slow") from None
        except asyncio.CancelledError:
            if place is not None and place.evicted:
                raise Refused(503, "too many slow bodies at once", told="busy", headers=RETRY_SOON) from None
            raise

    async def _collect(self, limit: int, place: Place | None) -> bytes:
        found: bytes | bytearray = b""
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            if chunk := message.get("body", b""):
                if len(found) + len(chunk) > limit:
                    raise Refused(413, f"the body is larger than {limit} bytes", told="too large")
                if place is not None:
                    place.take(len(chunk))
                # Not a list of them: one byte in a packet of its own would cost forty.
                found = found + chunk if isinstance(found, bytearray) else bytearray(found + chunk) if found else chunk
            if not message.get("more_body", False):
                self.whole = True
                if place is not None:
                    place.settle()
                return bytes(found)

    async def drain(self, limit: int, *, within_s: float) -> None:
        """Read on and forget, so that a sender who is still sending gets to read its answer."""
        size = 0
        try:
            async with asyncio.timeout(within_s):
                while size < limit:
                    message = await self._receive()
                    size += len(message.get("body", b""))
                    if message["type"] == "http.disconnect" or not message.get("more_body", False):
                        return
        except TimeoutError:
            return


RETRY_SOON = (("retry-after", "5"),)


class Room:
    """How many bytes of bodies may be in memory at once, over all requests.

    When there is no room left, whoever has been at it the longest goes, not the newcomer: a genuine sender is done in
    milliseconds, and many slow ones must not keep it out.
    """

    def __init__(self, size: int) -> None:
        self.left = size
        self.places: dict[Place, None] = {}
        """Those whose body is not whole yet, in the order of entering."""

    @contextmanager
    def place(self) -> Iterator[Place]:
        """Room for one request's body, until it is answered."""
        place = Place(self, asyncio.current_task())
        self.places[place] = None
        try:
            yield place
        finally:
            place.leave()

    def make(self, wanted: int, newcomer: Place) -> None:
        """Raises Refused (503)."""
        while self.left < wanted:
            oldest = next((place for place in self.places if place.taken), None)
            if oldest is None or oldest is newcomer:
                raise Refused(503, "too many bodies at once", told="busy", headers=RETRY_SOON)
            oldest.evict()


class Place:
    """One body's share of a `Room`."""

    def __init__(self, room: Room, task: asyncio.Task[Any] | None) -> None:
        self._room = room
        self._task = task
        self.taken = 0
        self.evicted = False

    def take(self, size: int) -> None:
        """Raises Refused (503)."""
        self._room.make(size, self)
        self.taken += size
        self._room.left -= size

    def settle(self) -> None:
        """The body is whole: it is not this sender who is slow."""
        self._room.places.pop(self, None)

    def evict(self) -> None:
        self.evicted = True
        self.leave()
        if self._task is not None:
            self._task.cancel()

    def leave(self) -> None:
        self.settle()
        self._room.left += self.taken
        self.taken = 0
