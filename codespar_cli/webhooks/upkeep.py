"""What a receiver does now and then: see that the inbox can be written, and remove what is old."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

from codespar_cli.core.clock import Clock
from codespar_cli.errors import CodesparError
from codespar_cli.server.app import Log
from codespar_cli.server.requests import Refused, Request, Response, answer
from codespar_cli.webhooks.background import beside
from codespar_cli.webhooks.inbox.store import InboxStore

_PROBED_S = 1.0
_TROUBLE_S = 60.0
_PURGE_EVERY_S = 3600.0


class Health:
    """`GET /healthz`: whether a delivery could be stored now. However often it is asked, the store is written once a
    second.

    `trouble` answers what kept the last delivery out. On a full disk the little that is written to look may still fit in,
    so that counts until a delivery is stored again. Whoever stands in front may send none as long as the answer is 503:
    when the same trouble has lasted for a minute, what is written to look counts again.
    """

    def __init__(
        self,
        store: InboxStore,
        *,
        trouble: Callable[[], Exception | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._clock = clock
        self._last_trouble = trouble
        self._known: Exception | None = None
        self._known_since = float("-inf")
        self._asked_at = float("-inf")
        self._trouble: str | None = None
        self._turn = asyncio.Lock()

    async def answer(self, _request: Request) -> Response:
        """Raises Refused (503)."""
        await self.check()
        return answer(200, status="ok")

    async def check(self) -> None:
        """Raises Refused (503)."""
        async with self._turn:
            if self._clock() - self._asked_at >= _PROBED_S:
                self._trouble = await asyncio.to_thread(self._probed)
                self._asked_at = self._clock()
        words = self._trouble or self._kept_out()
        if words is not None:
            raise Refused(503, f"the inbox cannot be written: {words}", told="the inbox cannot be written")

    def _kept_out(self) -> str | None:
        """What kept the last delivery out, while that is news."""
        found = self._last_trouble()
        if found is not self._known:
            self._known, self._known_since = found, self._clock()
        if found is None or self._clock() - self._known_since >= _TROUBLE_S:
            return None
        return str(found) if isinstance(found, CodesparError) else type(found).__name__

    def _probed(self) -> str | None:
        try:
            self._store.probe()
        except CodesparError as error:
            return str(error)
        return None


class Purge:
    """Deliveries older than `retention` go, once an hour."""

    def __init__(
        self,
        store: InboxStore,
        retention: timedelta,
        *,
        clock: Clock,
        log: Log,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._sleep = sleep
        self._retention = retention
        self._clock = clock
        self._log = log

    def alive(self) -> AbstractAsyncContextManager[None]:
        return beside(self._run())

    async def _run(self) -> None:
        while True:
            try:
                if self._store.exists:
                    await asyncio.to_thread(self._store.purge, self._clock() - self._retention)
            except CodesparError as error:
                self._log(f"old deliveries cannot be removed: {error}")
            except Exception as error:  # a store that breaks its promise must not end this for good
                self._log(f"old deliveries cannot be removed: {type(error).__name__}")
            await self._sleep(_PURGE_EVERY_S)
