"""The ASGI application: a table of addresses, each with its method and its handler, and what every answer has in common.

An address is looked up before anything of the body is read. A handler that breaks answers 500 and is told to the log,
and never more than that to the sender.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import NamedTuple, TypeAlias

from codespar_cli.server.requests import (
    WHOLE_ANSWER,
    Disconnected,
    Receive,
    Refused,
    Request,
    Response,
    Scope,
    Send,
    answer,
)

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]
Log: TypeAlias = Callable[[str], None]
Life: TypeAlias = Callable[[], AbstractAsyncContextManager[None]]
"""Something that runs beside the requests. Entered before the first of them and left after the last."""

_DRAINED = 64 << 20
_DRAIN_S = 2.0
_NO_PARAMETERS: Mapping[str, str] = {}


class Address(NamedTuple):
    """`path` is `/webhooks/{provider}`: a segment in braces becomes a parameter of that name, and is never empty."""

    method: str
    path: str
    handler: Handler


class App:
    """`life` is entered in order, and left in the reverse one."""

    def __init__(self, addresses: Sequence[Address], *, log: Log, life: Sequence[Life] = ()) -> None:
        self._addresses = [(address, address.path.split("/")) for address in addresses]
        self._log = log
        self._life = life

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        """Raises what entering a life raises."""
        async with AsyncExitStack() as stack:
            for enter in self._life:
                await stack.enter_async_context(enter())
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, _NO_PARAMETERS)
        response = await answered(self._handle, request, self._log)
        if response is None:
            return
        headers = [
            (b"content-type", response.content_type),
            (b"content-length", b"%d" % len(response.body)),
            *((name.encode(), value.encode()) for name, value in response.headers),
        ]
        at_once = scope.get("extensions", _NO_PARAMETERS).get(WHOLE_ANSWER)
        if at_once is not None and request.whole and at_once(response.status, headers, response.body):
            return
        if not request.whole:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body, "more_body": not request.whole})
        if not request.whole:
            # Closed at once, the connection would be reset under a sender that has not read its answer yet.
            await request.drain(_DRAINED, within_s=_DRAIN_S)
            await send({"type": "http.response.body", "body": b""})

    async def _handle(self, request: Request) -> Response:
        address, request.parameters = self._found(request.method, request.segments)
        return await address.handler(request)

    def _found(self, method: str, segments: Sequence[str]) -> tuple[Address, Mapping[str, str]]:
        """Raises Refused: 404 for no such address, 405 for another method."""
        allowed = []
        for address, pattern in self._addresses:
            parameters = _match(pattern, segments)
            if parameters is None:
                continue
            if address.method == method:
                return address, parameters
            allowed.append(address.method)
        if allowed:
            raise Refused(405, "another method", told="method not allowed", headers=(("allow", ", ".join(allowed)),))
        raise Refused(404, "no such address", told="not found")


async def answered(handler: Handler, request: Request, log: Log) -> Response | None:
    """What a handler answers or refuses; None when nobody waits any more."""
    try:
        return await handler(request)
    except Refused as error:
        if error.status >= 500:
            log(f"{error.status} to {request.client}: {error}")
        return answer(error.status, error=error.told)._replace(headers=error.headers)
    except Disconnected:
        return None
    except Exception as error:
        log(f"500 to {request.client}: {type(error).__name__}")
        return answer(500, error="internal error")


def _match(pattern: Sequence[str], segments: Sequence[str]) -> Mapping[str, str] | None:
    if len(pattern) != len(segments):
        return None
    found: dict[str, str] = {}
    for expected, given in zip(pattern, segments, strict=True):
        if expected.startswith("{") and given:
            found[expected[1:-1]] = given
        elif expected != given:
            return None
    return found
