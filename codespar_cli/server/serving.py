"""Running an application: listening, telling where, and ending in order when a signal says so."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from codespar_cli.errors import CodesparError, MissingExtra
from codespar_cli.server.app import App

DRAIN_S = 10
"""How long requests that are under way get to finish after SIGTERM."""


def listen(host: str, port: int) -> socket.socket:
    """A bound socket. Raises CodesparError."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _cannot(host, port, error) from None
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(place)
    except OSError as error:
        found.close()
        raise _cannot(host, port, error) from None
    return found


def _cannot(host: str, port: int, error: OSError) -> CodesparError:
    return CodesparError(
        f"cannot listen on {host}:{port}: {(error.strerror or str(error)).lower()}",
        code="cannot_listen",
        hint="codespar serve --port PORT",
    )


def run(app: App, listening: socket.socket, *, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT. `ready` is told the URL once requests are answered. Raises MissingExtra."""
    try:
        import uvicorn

        from codespar_cli.server.guard import GuardedProtocol
    except ImportError:
        raise MissingExtra("`codespar serve`", "server") from None

    config = uvicorn.Config(
        app,
        http=GuardedProtocol,
        ws="none",
        loop="auto",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=2048,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=DRAIN_S,
    )
    server = uvicorn.Server(config)

    async def told() -> None:
        while not server.started and not server.should_exit:  # noqa: ASYNC110  uvicorn tells nobody
            await asyncio.sleep(0.01)
        if server.started:
            ready(url_of(listening))

    async def both() -> None:
        teller = asyncio.create_task(told())
        try:
            await server.serve(sockets=[listening])
        finally:
            teller.cancel()

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(both())


def url_of(listening: socket.socket) -> str:
    place: Any = listening.getsockname()
    host = f"[{place[0]}]" if ":" in place[0] else place[0]
    return f"http://{host}:{place[1]}"
