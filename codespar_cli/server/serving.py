"""Running an application: listening, telling where, and ending in order when a signal says so."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from codespar_cli.errors import CodesparError, MissingExtra
from codespar_cli.server.app import App, Log

if TYPE_CHECKING:
    import uvicorn

DRAIN_S = 10
"""How long requests that are under way get to finish after SIGTERM."""
_KEEP_ALIVE_S = 30
_OTHER_FILES = 100  # stores, pipes, what routes open


def listen(host: str, port: int, *, allow: Callable[[str], None] = lambda address: None) -> socket.socket:
    """A bound socket. Raises CodesparError, and what `allow` raises, which is told the address before it is bound."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise _cannot(host, port, error) from None
    allow(str(place[0]))
    try:
        found = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _cannot(host, port, error) from None
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(place)
        # Two servers may bind before either listens; only the first may listen.
        found.listen(2048)
    except OSError as error:
        found.close()
        raise _cannot(host, port, error) from None
    return found


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach it."""
    from ipaddress import ip_address

    return ip_address(address.partition("%")[0]).is_loopback


def _cannot(host: str, port: int, error: OSError | UnicodeError) -> CodesparError:
    words = (getattr(error, "strerror", None) or "that is no host").lower()
    return CodesparError(
        f"cannot listen on {host}:{port}: {words}",
        code="cannot_listen",
        hint="codespar serve --host HOST --port PORT",
    )


def require_extra() -> None:
    """Raises MissingExtra."""
    try:
        import httptools
        import uvicorn
    except ImportError:
        raise MissingExtra("`codespar serve`", "server") from None
    del httptools, uvicorn


def _calm_the_collector() -> None:
    """What was imported stays: a full collection need not walk it each time, nor come after every few requests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 1000)


def run(
    app: App,
    listening: socket.socket,
    *,
    ready: Callable[[str], None],
    stopping: Callable[[int], None] = lambda requests: None,
    log: Log,
) -> None:
    """Serve until SIGTERM or SIGINT. `ready` is told the URL once requests are answered; `stopping`, after a signal, how
    many requests are under way.

    The second signal ends the process at once, without another word: what was answered is durable.
    Raises MissingExtra, and what entering the application's life raises.
    """
    require_extra()
    import uvicorn

    from codespar_cli.server.guard import guarded

    _calm_the_collector()
    config = uvicorn.Config(
        app,
        http=guarded(_files() - _OTHER_FILES),
        ws="none",
        loop="auto",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=2048,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
    )

    ending = _Ending()

    async def serve() -> None:
        server = _server(config, ending, stopping)
        async with app.alive():
            teller = asyncio.create_task(_tell(server, lambda: ready(url_of(listening))))
            try:
                await server.serve(sockets=[listening])
            finally:
                teller.cancel()

    with ending.by_signal(), _words_of_uvicorn(log), asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(serve())


class _Ending:
    """Whether a signal came, and whom to tell. It may come before there is a server."""

    def __init__(self) -> None:
        self.asked = False
        self.server: uvicorn.Server | None = None

    def take(self, server: uvicorn.Server) -> None:
        self.server = server
        server.should_exit = self.asked

    @contextmanager
    def by_signal(self) -> Iterator[None]:
        before = {number: signal.signal(number, self._handle) for number in (signal.SIGINT, signal.SIGTERM)}
        # Whoever started us may ignore it, and then an ended command is gone before its exit code could be read.
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _handle(self, number: int, _frame: object) -> None:
        if self.asked:
            os._exit(128 + number)
        self.asked = True
        if self.server is not None:
            self.server.should_exit = True


def _server(config: uvicorn.Config, ending: _Ending, stopping: Callable[[int], None]) -> uvicorn.Server:
    import uvicorn

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            # uvicorn's own would raise the signal once more when it is done, and the process end by it.
            ending.take(self)
            yield

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            if ending.asked:
                stopping(sum(not task.done() for task in self.server_state.tasks))
            await super().shutdown(sockets)

    return Server(config)


@contextmanager
def _words_of_uvicorn(log: Log) -> Iterator[None]:
    import logging

    from codespar_cli.server.log import ServersWords

    logger, handler = logging.getLogger("uvicorn"), ServersWords(log)
    propagated, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagated


async def _tell(server: uvicorn.Server, ready: Callable[[], None]) -> None:
    while not server.started:  # noqa: ASYNC110  uvicorn tells nobody
        await asyncio.sleep(0.01)
    ready()


def _files() -> int:
    """How many files this process may have open: as many as it is allowed to allow itself."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def url_of(listening: socket.socket) -> str:
    place: Any = listening.getsockname()
    host = f"[{place[0]}]" if ":" in place[0] else place[0]
    return f"http://{host}:{place[1]}"
