"""After the 200: what each delivery says is read by its connector and recorded, with the routes that want it.

New deliveries come straight from memory. Those that nobody got to, because a receiver ended in between or could not
keep up, are found in the store: at the start, now and then, and whenever memory would not hold them.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any, TypeAlias

from codespar_cli.core.blame import hosts_own, words_of
from codespar_cli.core.clock import Clock
from codespar_cli.core.headers import Headers
from codespar_cli.core.hooks import IntegrationEvent, IntegrationHook
from codespar_cli.core.text import clean_line
from codespar_cli.core.webhook_body import parse_body
from codespar_cli.errors import CodesparError
from codespar_cli.server.app import Log
from codespar_cli.webhooks.bounded_call import BoundedCalls, Overdue
from codespar_cli.webhooks.inbox.delivery import Body, Reading
from codespar_cli.webhooks.inbox.store import InboxStore
from codespar_cli.webhooks.receiver import LARGE, Fresh
from codespar_cli.webhooks.told_event import made_fit, told_of

Wanted: TypeAlias = Callable[[IntegrationEvent, str], Sequence[str]]
"""The names of the routes that want an event of a tenant."""

CONNECTOR_WITHIN_S = 10.0
LOOK_EVERY_S = 5.0
_BATCH = 128
_MOST = 256  # parsed payloads in memory are what the collector walks
_MOST_BYTES = 32 << 20
_AGAIN_S = 1.0
_SLICE_S = 0.002
_PAUSE = 20  # slices
_END_WITHIN_S = 5.0
_ABANDONED = timedelta(minutes=1)


class Reader:
    """`recorded` is told how many events of a batch have routes, so that whoever serves those can begin. While `busy`,
    because senders wait for their 200, reading takes a small share of the time."""

    def __init__(
        self,
        store: InboxStore,
        hooks: Mapping[str, IntegrationHook],
        *,
        wanted: Wanted,
        clock: Clock,
        log: Log,
        recorded: Callable[[int], None] = lambda count: None,
        busy: Callable[[], bool] = lambda: False,
        connector_within_s: float = CONNECTOR_WITHIN_S,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._store = store
        self._hooks = hooks
        self._wanted = wanted
        self._clock = clock
        self._log = log
        self._recorded = recorded
        self._busy = busy
        self._slice_began = time.monotonic()
        self._look_every_s = look_every_s
        self._strangers = {name: BoundedCalls(connector_within_s) for name, hook in hooks.items() if _is_strange(hook)}
        self._fresh: deque[Fresh] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
        self._behind = True
        self._ending = False

    def offer(self, fresh: Fresh) -> None:
        """Read this one soon. Never waits, and never fails: what does not fit into memory is in the store."""
        if len(self._fresh) >= _MOST or self._bytes + fresh.size > _MOST_BYTES:
            self._behind = True
        else:
            self._fresh.append(fresh)
            self._bytes += fresh.size
        self._wake.set()

    def look(self) -> None:
        """There is something new in the store. Never waits."""
        self._behind = True
        self._wake.set()

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        """Reading goes on inside. What is in memory is finished before it is left, the rest waits in the store."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            self._ending = True
            self._wake.set()
            await asyncio.wait([task], timeout=_END_WITHIN_S)
            task.cancel()
            await asyncio.wait([task])

    # ── the loop ──

    async def _run(self) -> None:
        while True:
            try:
                if self._fresh:
                    await self._record([await self._read(fresh) for fresh in self._taken()])
                elif self._ending:
                    return
                elif self._behind:
                    self._behind = False  # something may be said to be new meanwhile
                    self._behind = await self._catch_up() or self._behind
                else:
                    await self._rest(self._look_every_s)
            except CodesparError as error:
                self._log(f"deliveries cannot be recorded, they wait in the inbox: {error}")
                self._behind = True
                if self._ending:
                    return
                await self._rest(_AGAIN_S, whatever_comes=True)

    def _taken(self) -> list[Fresh]:
        taken = [self._fresh.popleft() for _ in range(min(_BATCH, len(self._fresh)))]
        self._bytes -= sum(fresh.size for fresh in taken)
        return taken

    async def _rest(self, seconds: float, *, whatever_comes: bool = False) -> None:
        """Until there is something to do, or it is time to look whether another process left something."""
        if not whatever_comes:
            self._wake.clear()
        try:
            async with asyncio.timeout(seconds):
                await (asyncio.sleep(seconds) if whatever_comes else self._wake.wait())
        except TimeoutError:
            self._behind = True

    async def _catch_up(self) -> bool:
        """Some of what is unread in the store. Whether there is more of it. Raises CodesparError."""
        bodies = await asyncio.to_thread(self._store.unread, _BATCH)
        in_memory = {fresh.id for fresh in self._fresh}
        readings = []
        for body in bodies:
            if body.delivery.id in in_memory:
                continue
            if body.delivery.provider in self._hooks:
                readings.append(await self._read(_fresh_of(body)))
            elif self._clock() - body.delivery.received_at > _ABANDONED:  # another receiver may know the provider
                name = clean_line(body.delivery.provider, 60)
                readings.append(Reading(body.delivery.id, None, error=f"`{name}` is not an active integration"))
        await self._record(readings)
        return bool(readings)

    async def _record(self, readings: Sequence[Reading]) -> None:
        """Raises CodesparError."""
        if not readings:
            return
        await asyncio.to_thread(self._store.read_all, readings, at=self._clock())
        routed = sum(1 for reading in readings if reading.routes)
        if routed:
            self._recorded(routed)

    # ── one delivery ──

    async def _read(self, fresh: Fresh) -> Reading:
        """Never raises for what a connector does."""
        await self._give_way()
        try:
            event = await self._asked(fresh)
            if event is None:
                return Reading(fresh.id, None)
            if not isinstance(event, IntegrationEvent):
                kind = clean_line(type(event).__name__, 60)
                return Reading(
                    fresh.id, None, error=f"the connector answered a {kind}, expected an IntegrationEvent or None"
                )
            if fresh.provider in self._strangers:
                event = made_fit(event)
            return Reading(fresh.id, told_of(event), tuple(self._wanted(event, fresh.tenant)))
        except Overdue as error:
            return Reading(fresh.id, None, error=f"the connector does not answer: {error}")
        except BaseException as error:
            if hosts_own(error):
                raise
            words = clean_line(words_of(error), 200)
            return Reading(fresh.id, None, error=f"the connector failed: {type(error).__name__}: {words}".rstrip(": "))

    async def _give_way(self) -> None:
        """Deliveries that wait for their 200 come first."""
        worked = time.monotonic() - self._slice_began
        if self._busy() and not self._ending:
            if worked < _SLICE_S:
                return
            await asyncio.sleep(min(worked, _SLICE_S) * _PAUSE)
        else:
            await asyncio.sleep(0)
        self._slice_began = time.monotonic()

    async def _asked(self, fresh: Fresh) -> Any:
        call = partial(_handled, self._hooks[fresh.provider], fresh)
        stranger = self._strangers.get(fresh.provider)
        if stranger is not None:
            return await stranger.ask(call)
        if fresh.raw is None:
            return await call()
        return await asyncio.to_thread(lambda: asyncio.run(call()))


def _handled(hook: IntegrationHook, fresh: Fresh) -> Coroutine[Any, Any, IntegrationEvent | None]:
    """A large body is parsed here, on the thread that asks."""
    payload = fresh.payload if fresh.raw is None else _payload_of(fresh.raw)
    return hook.handle_webhook(payload, fresh.headers)


def _is_strange(hook: object) -> bool:
    """Whether this is somebody else's code. Ours answers at once."""
    return not type(hook).__module__.startswith("codespar_cli.")


def _fresh_of(body: Body) -> Fresh:
    delivery, size = body.delivery, len(body.raw)
    large = size > LARGE
    payload, raw = (None, body.raw) if large else (_payload_of(body.raw), None)
    return Fresh(delivery.id, delivery.tenant, delivery.provider, payload, Headers.of(body.headers), size, raw)


def _payload_of(raw: bytes) -> Any:
    try:
        return parse_body(raw)
    except ValueError:
        return None  # it was parsed on receipt; a store that changed it is the store's to tell
