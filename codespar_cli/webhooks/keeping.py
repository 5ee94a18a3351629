"""The keeping process: what accepting processes take is stored here, all of it in the same commits, and read here."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any

from codespar_cli.core.clock import from_micros
from codespar_cli.errors import CodesparError
from codespar_cli.server.acceptors import STOP, Supervisor
from codespar_cli.server.app import Log
from codespar_cli.server.link import Link, Message
from codespar_cli.server.relay import Answering
from codespar_cli.server.requests import Refused
from codespar_cli.server.serving import DRAIN_S, Ending
from codespar_cli.webhooks.endpoints import Endpoints
from codespar_cli.webhooks.inbox.delivery import Arrival
from codespar_cli.webhooks.inbox.group_commit import GroupCommit
from codespar_cli.webhooks.inbox.store import Accepted
from codespar_cli.webhooks.keys import KeysUnavailable
from codespar_cli.webhooks.upkeep import Health

_LOOK_S = 0.05
_BUSY_S = 0.05
_COUNTED_WITHIN_S = 1.0
_MORE_S = 2.0


class Keeping:
    """`look` is called when there is something new to read."""

    def __init__(
        self,
        endpoints: Endpoints,
        commit: GroupCommit,
        health: Health,
        answering: Answering,
        *,
        look: Callable[[], None],
        log: Log,
    ) -> None:
        self._endpoints = endpoints
        self._commit = commit
        self._health = health
        self._answering = answering
        self._look = look
        self._log = log
        self._links: list[Link] = []
        self._ready: set[Link] = set()
        self._counted: list[int] = []
        self._last_at = float("-inf")
        self._tasks: set[asyncio.Task[None]] = set()
        self._gone = False
        self._ends = False

    def busy(self) -> bool:
        """Whether deliveries came just now."""
        return time.monotonic() - self._last_at < _BUSY_S

    async def serve(
        self,
        supervisor: Supervisor,
        count: int,
        ending: Ending,
        *,
        ready: Callable[[], None],
        stopping: Callable[[int], None],
    ) -> None:
        """Until a signal. `ready` is called when `count` of them accept. Raises CodesparError when all are gone for good."""
        loop = asyncio.get_running_loop()
        supervisor.control.setblocking(False)
        loop.add_reader(supervisor.control, partial(self._told, supervisor))
        try:
            told = False
            while not ending.asked and not self._gone:
                await asyncio.sleep(_LOOK_S)
                if not told and len(self._ready) >= count:
                    told = True
                    ready()
            if self._gone:
                raise CodesparError(
                    "the accepting processes were ended by somebody", code="acceptors_gone", hint="codespar serve"
                )
            await self._stopped(supervisor, stopping)
        finally:
            loop.remove_reader(supervisor.control)
            for task in self._tasks:
                task.cancel()

    async def _stopped(self, supervisor: Supervisor, stopping: Callable[[int], None]) -> None:
        self._ends = True
        with suppress(OSError):
            supervisor.control.send(STOP)
        wanted = len(self._links)
        for link in self._links:
            link.send(("stop",))
        await _until(lambda: len(self._counted) >= wanted or not self._links, _COUNTED_WITHIN_S)
        stopping(sum(self._counted))
        await _until(lambda: not self._links, DRAIN_S + _MORE_S)

    # ── what the supervisor says ──

    def _told(self, supervisor: Supervisor) -> None:
        try:
            data, files, _, _ = socket.recv_fds(supervisor.control, 4096, 16)
        except BlockingIOError:
            return
        except OSError:
            data, files = b"", []
        for file in files:
            self._start(self._linked(socket.socket(fileno=file)))
        for line in data.decode().splitlines():
            if line.startswith("ended"):
                code = int(line.split()[1])
                how = f"signal {-code}" if code < 0 else f"exit code {code}"
                self._log(f"an accepting process ended ({how}); another one takes its place")
        if not data:
            self._gone = True
            asyncio.get_running_loop().remove_reader(supervisor.control)

    async def _linked(self, link: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        _, found = await loop.create_unix_connection(lambda: Link(self._take, self._lost), sock=link)
        self._links.append(found)
        if self._ends:  # it was begun before the supervisor heard of that
            found.send(("stop",))

    def _lost(self, link: Link) -> None:
        self._answering.lost(link)
        self._ready.discard(link)
        if link in self._links:
            self._links.remove(link)

    # ── what an accepting process says ──

    def _take(self, link: Link, message: Message) -> None:
        kind, *facts = message
        if kind == "arrival":
            self._arrived(link, *facts)
        elif kind == "keys":
            self._start(self._answer_keys(link, *facts))
        elif kind == "health":
            self._start(self._answer_health(link, *facts))
        elif kind == "request":
            self._start(self._answering.begin(link, *facts))
        elif kind == "piece":
            self._answering.piece(link, *facts)
        elif kind == "gone":
            self._answering.gone(link, *facts)
        elif kind == "line":
            self._log(facts[0])
        elif kind == "stopping":
            self._counted.append(facts[0])
        elif kind == "ready":
            self._ready.add(link)

    def _arrived(self, link: Link, number: int, *facts: Any) -> None:
        self._last_at = time.monotonic()
        arrival = Arrival(*facts)
        arrival = arrival._replace(received_at=from_micros(arrival.received_at))  # type: ignore[arg-type]
        try:
            committed = self._commit.begin(arrival)
        except CodesparError as error:
            link.send((number, False, str(error)))
            return
        committed.add_done_callback(partial(self._committed, link, number))

    def _committed(self, link: Link, number: int, committed: asyncio.Future[Accepted]) -> None:
        if committed.cancelled():
            return
        error = committed.exception()
        if error is not None:
            words = str(error) if isinstance(error, CodesparError) else type(error).__name__
            link.send((number, False, words))
            return
        accepted = committed.result()
        link.send((number, True, tuple(accepted)))
        if accepted.verdict == "new":
            self._look()

    async def _answer_keys(self, link: Link, number: int, tenant: str, provider: str, seconds: float) -> None:
        keys = self._endpoints.served[tenant, provider].keys
        assert keys is not None
        try:
            values = await keys.not_older_than(seconds)
        except KeysUnavailable as error:
            link.send((number, False, str(error)))
        else:
            link.send((number, True, (values, keys.fetched_at)))

    async def _answer_health(self, link: Link, number: int) -> None:
        try:
            await self._health.check()
        except Refused as error:
            link.send((number, False, str(error)))
        else:
            link.send((number, True, None))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _until(done: Callable[[], bool], within_s: float) -> None:
    end = time.monotonic() + within_s
    while not done() and time.monotonic() < end:  # noqa: ASYNC110  several things bring it about
        await asyncio.sleep(_LOOK_S)
