"""What happens to a delivery until it is answered: verified, parsed, stored, in this order, and only then 200.

Nothing of a body is looked at before its signature holds over the bytes as received. What is wrong with a signature is
said to the operator; the sender reads one answer for every cause.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from codespar_cli.core.blame import hosts_own
from codespar_cli.core.clock import Clock
from codespar_cli.core.headers import Headers
from codespar_cli.core.text import clean_line, is_unicode, visible
from codespar_cli.core.webhook_body import parse_body
from codespar_cli.errors import CodesparError
from codespar_cli.server.app import Address, Log
from codespar_cli.server.requests import RETRY_SOON, Refused, Request, Response, Room
from codespar_cli.webhooks.authenticity import Refusal, refusal, staleness
from codespar_cli.webhooks.endpoints import Endpoint, Endpoints
from codespar_cli.webhooks.inbox.delivery import Arrival, Verdict
from codespar_cli.webhooks.inbox.kept_headers import kept_headers
from codespar_cli.webhooks.inbox.store import Accepted
from codespar_cli.webhooks.keys import KeysUnavailable

BODY_WITHIN_S = 20.0
"""Jira, the most patient of the six, waits as long for its answer."""
BODIES = 96 << 20
LARGE = 256 << 10
"""Bytes of a body from which on it is hashed, parsed and read on a thread, so that the others are answered meanwhile."""
_JUST_NOW_S = 0.05
_MAX_DELIVERY_ID = 200
_STATUS: dict[Verdict, bytes] = {"new": b"accepted", "duplicate": b"duplicate", "suspected_replay": b"suspected_replay"}


class Fresh(NamedTuple):
    """A delivery that was stored just now and answered, with what its connector needs to read it. A large one comes as it
    was received: its payload takes many times the room, and even letting go of it takes long."""

    id: int
    tenant: str
    provider: str
    payload: Any
    headers: Headers
    size: int
    raw: bytes | None = None


class _Content(NamedTuple):
    """What a genuine body says of itself."""

    payload: Any
    delivery_id: str | None
    stale: Refusal | None


class Committing(Protocol):
    async def submit(self, arrival: Arrival) -> Accepted:
        """Answers when the arrival is durable. Raises CodesparError."""
        ...


class Receiver:
    """`fresh` is told of each new delivery, and must not wait."""

    def __init__(
        self,
        endpoints: Endpoints,
        commit: Committing,
        *,
        clock: Clock,
        log: Log,
        fresh: Callable[[Fresh], None],
        room: Room | None = None,
        body_within: timedelta = timedelta(seconds=BODY_WITHIN_S),
    ) -> None:
        self._endpoints = endpoints
        self._commit = commit
        self._clock = clock
        self._log = log
        self._fresh = fresh
        self._room = room or Room(BODIES)
        self._within_s = body_within.total_seconds()
        self._last_at = float("-inf")
        self._large = (
            asyncio.Lock()
        )  # one at a time: parsers seldom let go of the interpreter, and much of the memory is theirs

    @property
    def addresses(self) -> list[Address]:
        return [
            Address("POST", "/webhooks/{provider}", self.receive),
            Address("POST", "/webhooks/{tenant}/{provider}", self.receive),
        ]

    def busy(self) -> bool:
        """Whether deliveries came just now: more of them are likely on their way."""
        return time.monotonic() - self._last_at < _JUST_NOW_S

    async def receive(self, request: Request) -> Response:
        """Raises Refused, Disconnected."""
        endpoint = self._endpoints.find(request.parameters.get("tenant"), request.parameters["provider"])
        if endpoint is None:
            raise Refused(404, "no such endpoint", told="not found")
        if endpoint.keys is None:
            self._check_no_browser(endpoint, request)
        request.check_length(endpoint.wire.max_body)
        _check_type(endpoint, request)
        self._check_single(endpoint, request)
        with self._room.place() as place:
            raw = await request.body(endpoint.wire.max_body, within_s=self._within_s, place=place)
            headers = Headers.of(request.headers)
            secrets = await self._verified(endpoint, request, raw, headers)
            content = await self._content(endpoint, request, raw, headers, timed=endpoint.timed and secrets is not None)
            if content.stale is not None:
                raise self._unauthorized(endpoint, request, content.stale.words)
            arrival = Arrival(
                endpoint.tenant,
                endpoint.provider,
                content.delivery_id,
                raw,
                kept_headers(request.headers, endpoint.wire, secrets or ()),
                self._clock(),
                verified=secrets is not None,
            )
            self._last_at = time.monotonic()
            accepted = await self._committed(arrival)
        if accepted.verdict == "new":
            unread = raw if len(raw) > LARGE else None
            self._fresh(
                Fresh(accepted.id, endpoint.tenant, endpoint.provider, content.payload, headers, len(raw), unread)
            )
        body = b'{"status":"%s","id":%d}' % (_STATUS[accepted.verdict], accepted.id)
        return Response(endpoint.wire.ack, body)

    # ── before the body ──

    def _check_no_browser(self, endpoint: Endpoint, request: Request) -> None:
        """Where nothing is verified, being on this machine is all that counts, and every web page that its user opens can
        send a form to loopback. A browser says where it comes from, and under which name it knows us (DNS rebinding)."""
        for name in (b"origin", b"sec-fetch-site", b"sec-fetch-mode", b"referer"):
            if request.values(name):
                raise self._refused(403, endpoint, request, f"a browser's request: {name.decode()}", told="forbidden")
        for host in request.values(b"host"):
            if not _is_loopback_name(host.decode("latin-1")):
                raise self._refused(403, endpoint, request, "it is addressed to another host", told="forbidden")

    def _check_single(self, endpoint: Endpoint, request: Request) -> None:
        """A header that comes twice says two things, and which of them counts is anybody's guess."""
        for name, is_signature in endpoint.single:
            found = len(request.values(name))
            if found > 1 and is_signature:
                raise self._unauthorized(endpoint, request, f"the header {name.decode()} is given {found} times")
            if found > 1:
                raise self._refused(400, endpoint, request, f"the header {name.decode()} is given {found} times")
            if not found and is_signature and endpoint.keys is not None:
                raise self._unauthorized(endpoint, request, f"no signature: the header {name.decode()} is missing")

    # ── really from them ──

    async def _verified(
        self, endpoint: Endpoint, request: Request, raw: bytes, headers: Headers
    ) -> tuple[str, ...] | None:
        """The secrets that the signature was good with; None where nothing is verified. Raises Refused."""
        keys = endpoint.keys
        if keys is None:
            return None
        try:
            secrets = keys.known() or await keys.current()
            refused = await _judged(endpoint, raw, headers, secrets)
            if refused is not None and refused.cause in {"bad_signature", "no_secret"}:
                newest = await keys.newest()
                if newest != secrets:
                    secrets = newest
                    refused = await _judged(endpoint, raw, headers, secrets)
        except KeysUnavailable as error:
            raise Refused(503, f"{_name(endpoint)}: {error}", told="not ready", headers=RETRY_SOON) from None
        if refused is not None:
            raise self._unauthorized(endpoint, request, refused.words)
        return secrets

    def _unauthorized(self, endpoint: Endpoint, request: Request, words: str) -> Refused:
        return self._refused(401, endpoint, request, words, told="unauthorized")

    def _refused(
        self, status: int, endpoint: Endpoint, request: Request, words: str, *, told: str | None = None
    ) -> Refused:
        self._log(f"{status} to {request.client} at {_name(endpoint)}: {words}")
        return Refused(status, words, told=told)

    # ── what it says, and where it goes ──

    async def _content(
        self, endpoint: Endpoint, request: Request, raw: bytes, headers: Headers, *, timed: bool
    ) -> _Content:
        """Raises Refused (400)."""
        now = self._clock() if timed else None
        try:
            if len(raw) <= LARGE:
                return _content_of(endpoint, raw, headers, now)
            async with self._large:
                return await asyncio.to_thread(_large_content_of, endpoint, raw, headers, now)
        except ValueError as error:
            raise self._refused(400, endpoint, request, f"unparsable: {error}", told="unparsable") from None

    async def _committed(self, arrival: Arrival) -> Accepted:
        try:
            return await self._commit.submit(arrival)
        except CodesparError as error:
            raise Refused(503, f"not stored: {error}", told="not stored", headers=RETRY_SOON) from None


def _is_loopback_name(host: str) -> bool:
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return name.lower() in {"localhost", "::1"} or (name.startswith("127.") and name.replace(".", "").isdigit())


def _check_type(endpoint: Endpoint, request: Request) -> None:
    """Raises Refused (415)."""
    encodings = b",".join(request.values(b"content-encoding"))
    if encodings and any(coding.strip().lower() not in {b"", b"identity"} for coding in encodings.split(b",")):
        raise Refused(415, "a compressed body", told="content-encoding not supported")
    types = request.values(b"content-type")
    if len(types) > 1 or (types and not endpoint.takes(types[0].decode("latin-1"))):
        raise Refused(415, "another type", told="content-type not supported")


async def _judged(endpoint: Endpoint, raw: bytes, headers: Headers, secrets: tuple[str, ...]) -> Refusal | None:
    if len(raw) > LARGE:  # hashing lets go of the interpreter, so that the others go on
        return await asyncio.to_thread(refusal, endpoint.hook, endpoint.provider, raw, headers, secrets)
    return refusal(endpoint.hook, endpoint.provider, raw, headers, secrets)


def _content_of(endpoint: Endpoint, raw: bytes, headers: Headers, now: datetime | None) -> _Content:
    """`now` is None where no time is signed. Raises ValueError for a body that is not parsable."""
    payload = parse_body(raw)
    stale = None if now is None else staleness(endpoint.hook, payload, headers, now)
    return _Content(payload, _delivery_id(endpoint, payload, headers), stale)


def _large_content_of(endpoint: Endpoint, raw: bytes, headers: Headers, now: datetime | None) -> _Content:
    """The same without the payload, which is let go of on the caller's thread."""
    return _content_of(endpoint, raw, headers, now)._replace(payload=None)


def _delivery_id(endpoint: Endpoint, payload: Any, headers: Headers) -> str | None:
    """As the connector tells it. None, so that the body stands for it, where it cannot."""
    if not endpoint.identifying:
        return None
    hook: Any = endpoint.hook
    try:
        found = hook.delivery_id(payload, headers)
    except BaseException as error:  # another's plugin: the delivery is genuine all the same
        if hosts_own(error):
            raise
        return None
    if not isinstance(found, str) or not is_unicode(found):
        return None
    return clean_line(found, _MAX_DELIVERY_ID) or None


def _name(endpoint: Endpoint) -> str:
    return f"{visible(endpoint.tenant)}/{visible(endpoint.provider)}"
