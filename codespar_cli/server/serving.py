"""Running an application: listening, telling where, and ending in order when a signal says so."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codespar_cli.core.webhook_options import MOST_WORKERS
from codespar_cli.errors import CodesparError, MissingExtra
from codespar_cli.server.app import App, Log

if TYPE_CHECKING:
    import uvicorn

DRAIN_S = 10
"""How long requests that are under way get to finish after SIGTERM."""
_KEEP_ALIVE_S = 30
_FREED_WITHIN_S = 1.0
_LOOK_S = 0.02
_QUOTA = Path("/sys/fs/cgroup/cpu.max")
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
        _bind(found, place)
        # Two servers may bind before either listens; only the first may listen.
        found.listen(2048)
    except OSError as error:
        found.close()
        raise _cannot(host, port, error) from None
    return found


def _bind(found: socket.socket, place: Any) -> None:
    """Raises OSError. Those who accepted for a process that was killed may be a moment behind it."""
    end = time.monotonic() + _FREED_WITHIN_S
    while True:
        try:
            found.bind(place)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > end:
                raise
            time.sleep(_LOOK_S)
        else:
            return


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
    ready: Callable[[], None],
    stopping: Callable[[int], None] = lambda requests: None,
    log: Log,
    ending: Ending | None = None,
    share: int = 1,
) -> None:
    """Serve until SIGTERM or SIGINT, or, where there is an `ending`, until that is asked for. `ready` is called once requests are answered; `stopping`, after a signal, how
    many requests are under way. `share` is how many processes share what connections there may be.

    The second signal ends the process at once, without another word: what was answered is durable.
    Raises MissingExtra, and what entering the application's life raises.
    """
    require_extra()
    import uvicorn

    from codespar_cli.server.guard import MAX_CONNECTIONS, guarded

    _calm_the_collector()
    config = uvicorn.Config(
        app,
        http=guarded(min(_files() - _OTHER_FILES, MAX_CONNECTIONS // share)),
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

    found = Ending() if ending is None else ending

    async def serve() -> None:
        server = _server(config, found, stopping)
        async with app.alive():
            teller = asyncio.create_task(_tell(server, ready))
            try:
                await server.serve(sockets=[listening])
            finally:
                teller.cancel()

    with (
        found.by_signal() if ending is None else nullcontext(),
        _words_of_uvicorn(log),
        asyncio.Runner(loop_factory=config.get_loop_factory()) as runner,
    ):
        runner.run(serve())


def keep(work: Callable[[Ending], Coroutine[Any, Any, None]]) -> None:
    """Run the process that keeps what others accept, until SIGTERM or SIGINT, which `work` finds out from what it is given.
    The second signal ends it at once, and with it the others."""
    from uvicorn.loops.auto import auto_loop_factory

    _calm_the_collector()
    ending = Ending()
    with ending.by_signal(), asyncio.Runner(loop_factory=auto_loop_factory(use_subprocess=False)) as runner:
        runner.run(work(ending))


class Ending:
    """Whether a signal came, and whom to tell. It may come before there is a server."""

    def __init__(self) -> None:
        self.asked = False
        self.server: uvicorn.Server | None = None

    def take(self, server: uvicorn.Server) -> None:
        self.server = server
        server.should_exit = self.asked

    def ask(self) -> None:
        self.asked = True
        if self.server is not None:
            self.server.should_exit = True

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
        self.ask()


def _server(config: uvicorn.Config, ending: Ending, stopping: Callable[[int], None]) -> uvicorn.Server:
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


def default_workers() -> int:
    """As many processes as this one may use processors, and not more than help. One where the system does not end those
    that we begin together with us."""
    if sys.platform != "linux":
        return 1
    return min(len(os.sched_getaffinity(0)), _quota(_QUOTA), MOST_WORKERS)


def _quota(path: Path) -> int:
    """Of how many processors a container may use the time, rounded up ("Control Group v2", cpu.max)."""
    try:
        allowed, period = path.read_text().split()
        return -(-int(allowed) // int(period))
    except (OSError, ValueError, ZeroDivisionError):  # "max": as many as there are
        return MOST_WORKERS


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
