"""`GET /metrics`: counters for who has the token. The names of tools and what they cost are nobody else's business, and a
server that takes webhooks is often reachable by everybody: through a proxy or a tunnel every request comes from this machine.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable

from codespar_cli.server.app import Address
from codespar_cli.server.requests import Refused, Request, Response

PATH = "/metrics"
LEAST_TOKEN = 16
_PROMETHEUS = b"text/plain; version=0.0.4; charset=utf-8"
_OPENMETRICS = b"application/openmetrics-text; version=1.0.0; charset=utf-8"


def scraped(token: str, text: Callable[[bool], str]) -> Address:
    """`text` is called in a thread of its own, and told whether OpenMetrics is wanted."""
    expected = token.encode()

    async def answer(request: Request) -> Response:
        if not _is_allowed(request, expected):
            raise Refused(401, "no valid token", told="unauthorized", headers=(("www-authenticate", "Bearer"),))
        openmetrics = any(b"application/openmetrics-text" in value for value in request.values(b"accept"))
        body = await asyncio.to_thread(text, openmetrics)
        return Response(200, body.encode(), _OPENMETRICS if openmetrics else _PROMETHEUS)

    return Address("GET", PATH, answer)


def _is_allowed(request: Request, expected: bytes) -> bool:
    given = request.values(b"authorization")
    if len(given) != 1:
        return False
    scheme, _, token = given[0].partition(b" ")
    return scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(), expected)
