"""A request as handlers see it, and what they answer. Plain ASGI (asgi.readthedocs.io, "HTTP & WebSocket")."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple, Self, TypeAlias
from urllib.parse import unquote

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
WHOLE_ANSWER = "codespar.whole_answer"
"""The extension of the scope by which a server takes a whole answer at once (server/whole_answer.py)."""


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
    """What is known before the body is read: method, segments of the path, headers as they came, the address's
    parameters."""

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
    def segments(self) -> list[str]:
        """What stands between the slashes of the path as it came, without the query, each percent-decoded by itself: a
        slash that was encoded separates nothing."""
        raw = self._scope.get("raw_path")  # optional in ASGI; the path itself is decoded already
        if raw is None:
            return str(self._scope["path"]).split("/")
        segments: list[str] = raw.decode("latin-1").split("/")
        return [unquote(segment) for segment in segments] if b"%" in raw else segments

    @property
    def query(self) -> bytes:
        """What stands behind the path's question mark, as it came."""
        return bytes(self._scope.get("query_string", b""))

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

    def check_length(self, limit: int) -> None:
        """Raises Refused (413) for a body that is declared as larger than `limit` bytes."""
        declared = self.declared_length()
        if declared is not None and declared > limit:
            raise Refused(413, f"the body is declared as {declared} bytes, at most {limit} are taken", told="too large")

    async def body(self, limit: int, *, within_s: float, place: Place | None = None) -> bytes:
        """The raw bytes of the body.

        Raises:
            Refused: 413 above `limit` bytes, declared or found; 408 after `within_s` seconds; 503 without room.
            Disconnected: the sender went away.
        """
        self.check_length(limit)
        if self.whole:
            return b""
        arriving = self._collect(limit, place)
        try:
            wanted = arriving.send(None)
        except (
            StopIteration
        ) as all_of_it:  # most bodies are here with their headers: no deadline has to be set for them
            found: bytes = all_of_it.value
            return found
        try:
            async with asyncio.timeout(within_s):
                return await _Begun(arriving, wanted)
        except TimeoutError:
            raise Refused(408, f"the body was not there within {within_s:g} s", told="too slow") from None
        except asyncio.CancelledError:
            if place is not None and place.evicted:
                raise Refused(503, "too many slow bodies at once", told="busy", headers=RETRY_SOON) from None
            raise

    async def _collect(self, limit: int, place: Place | None) -> bytes:
        found: bytes | bytearray = b""
        while True:
            if found and place is not None:
                place.wait()
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            if chunk := message.get("body", b""):
                if len(found) + len(chunk) > limit:
                    raise Refused(413, f"the body is larger than {limit} bytes", told="too large")
                if place is not None:
                    place.take(len(chunk))
                # Not a list of them: one byte in a packet of its own would cost forty. And grown in its place: copied
                # for every chunk, a body of 20 MB would take a second of everybody's time.
                if isinstance(found, bytearray):
                    found += chunk
                else:
                    found = bytearray(found + chunk) if found else chunk
            if not message.get("more_body", False):
                self.whole = True
                if place is not None:
                    place.settle()
                return bytes(found)

    def is_gone(self) -> bool:
        """Whether the sender has hung up, once its body was read to its end."""
        found = self.at_hand()
        return found is not None and found["type"] == "http.disconnect"

    def at_hand(self) -> Message | None:
        """What of the body has come, or the news that the sender has gone; None where that would have to be waited for."""
        waiting: Any = self._receive()
        try:
            waiting.send(None)
        except StopIteration as done:
            found: Message = done.value
            return found
        waiting.close()
        return None

    async def receive(self) -> Message:
        """The next piece of the body, or the news that the sender has gone."""
        return await self._receive()

    def facts(self) -> tuple[Any, ...]:
        """All but the body, for another process."""
        scope = self._scope
        kept = {key: scope[key] for key in ("method", "path", "raw_path", "query_string") if key in scope}
        return {**kept, "headers": [*scope["headers"]], "client": scope.get("client")}, dict(self.parameters)

    @classmethod
    def from_facts(cls, facts: tuple[Any, ...], receive: Receive) -> Request:
        scope, parameters = facts
        return cls(scope, receive, parameters)

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


class _Begun:
    """The rest of a coroutine that was begun by hand and wants `wanted` from the event loop."""

    __slots__ = ("_coroutine", "_wanted")

    def __init__(self, coroutine: Coroutine[Any, Any, bytes], wanted: Any) -> None:
        self._coroutine = coroutine
        self._wanted = wanted

    def __await__(self) -> Generator[Any, Any, bytes]:
        coroutine, wanted = self._coroutine, self._wanted
        try:
            while True:
                try:
                    given = yield wanted
                except GeneratorExit:
                    coroutine.close()
                    raise
                except BaseException as error:  # it was cancelled
                    wanted = coroutine.throw(error)
                else:
                    wanted = coroutine.send(given)
        except StopIteration as done:
            found: bytes = done.value
            return found


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

    def place(self) -> Place:
        """Room for one request's body, until it is answered: to be entered, and left then."""
        return Place(self)

    def make(self, wanted: int, newcomer: Place) -> None:
        """Raises Refused (503)."""
        while self.left < wanted:
            oldest = next((place for place in self.places if place.taken), None)
            if oldest is None or oldest is newcomer:
                raise Refused(503, "too many bodies at once", told="busy", headers=RETRY_SOON)
            oldest.evict()


class Place:
    """One body's share of a `Room`."""

    __slots__ = ("_room", "_task", "evicted", "taken")

    def __init__(self, room: Room) -> None:
        self._room = room
        self._task: asyncio.Task[Any] | None = None
        self.taken = 0
        self.evicted = False

    def __enter__(self) -> Self:
        self._room.places[self] = None
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def wait(self) -> None:
        """There is more to come: from now on this task can be ended to make room."""
        if self._task is None:
            self._task = asyncio.current_task()

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
