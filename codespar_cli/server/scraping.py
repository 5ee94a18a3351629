"""`GET /metrics`: counters for who has the token. The names of tools and what they cost are nobody else's business, and a
server that takes webhooks is often reachable by everybody: through a proxy or a tunnel every request comes from this machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from codespar_cli.server.app import Address
from codespar_cli.server.bearer import CHALLENGE, Bearer
from codespar_cli.server.requests import Refused, Request, Response

PATH = "/metrics"
_PROMETHEUS = b"text/plain; version=0.0.4; charset=utf-8"
_OPENMETRICS = b"application/openmetrics-text; version=1.0.0; charset=utf-8"


def scraped(token: str, text: Callable[[bool], str]) -> Address:
    """`text` is called in a thread of its own, and told whether OpenMetrics is wanted."""
    bearer = Bearer(token)

    async def answer(request: Request) -> Response:
        if not bearer.admits(request):
            raise Refused(401, "no valid token", told="unauthorized", headers=CHALLENGE)
        openmetrics = any(b"application/openmetrics-text" in value for value in request.values(b"accept"))
        body = await asyncio.to_thread(text, openmetrics)
        return Response(200, body.encode(), _OPENMETRICS if openmetrics else _PROMETHEUS)

    return Address("GET", PATH, answer)
