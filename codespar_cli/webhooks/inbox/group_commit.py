"""Many arrivals in one commit: while one is being synced, those that come meanwhile gather for the next.

One thread writes. What it takes is whatever waits; what it answers goes back to the event loop in one call per batch,
since waking the loop for every arrival would cost more than storing it.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from codespar_cli.errors import StoreBusy, StoreCorrupt, StoreError, StoreUnreachable
from codespar_cli.webhooks.inbox.delivery import Arrival
from codespar_cli.webhooks.inbox.store import Accepted, InboxStore

MAX_WAITING = 1024
MAX_WAITING_BYTES = 64 << 20
"""What may wait in memory, beyond which arrivals are turned away: the sender will try again."""
_BATCH = 256
_BATCH_BYTES = 16 << 20
_LARGE = 1 << 20
"""Writing a body of many megabytes takes a good part of a second: one at a time, and what is small comes in between."""
_SINGLY_S = 2.0

Answer: TypeAlias = Accepted | Exception


class _Waiting(NamedTuple):
    arrival: Arrival
    answer: asyncio.Future[Accepted]


class GroupCommit:
    """For one event loop, that which first submits."""

    def __init__(
        self, store: InboxStore, *, max_waiting: int = MAX_WAITING, max_waiting_bytes: int = MAX_WAITING_BYTES
    ) -> None:
        self._store = store
        self._max_waiting = max_waiting
        self._max_bytes = max_waiting_bytes
        self._waiting: deque[_Waiting] = deque()
        self._large: deque[_Waiting] = deque()
        self._count = 0  # waiting or being written; both are the event loop's own
        self._bytes = 0
        self._wake = threading.Event()
        self._closing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._drained: asyncio.Future[None] | None = None
        self.trouble: Exception | None = None
        """Why the store took nothing the last time that something was to be stored; None when it did."""

    @property
    def waiting(self) -> int:
        """How many arrivals were submitted and not answered yet."""
        return self._count

    async def submit(self, arrival: Arrival) -> Accepted:
        """Answers when the arrival is durable. One that is given up, or cancelled, may be stored all the same.

        Raises what `begin` raises, and what the store raises.
        """
        return await self.begin(arrival)

    def begin(self, arrival: Arrival) -> asyncio.Future[Accepted]:
        """The same for who does not wait: the future has the answer, or what the store raised.

        Raises StoreBusy with the code `inbox_full` when too much waits already, StoreError `inbox_closed` after `close`.
        """
        size = len(arrival.raw)
        if self._closing:
            raise _closed()
        # One that is alone may be of any size: the receiver has its own limit for that.
        if self._count >= self._max_waiting or (self._count and self._bytes + size > self._max_bytes):
            raise StoreBusy("the inbox cannot keep up", code="inbox_full", hint="codespar doctor")
        loop = self._loop or self._start()
        waiting = _Waiting(arrival, loop.create_future())
        self._count += 1
        self._bytes += size
        (self._large if size > _LARGE else self._waiting).append(waiting)
        self._wake.set()
        return waiting.answer

    async def close(self, within: float = 10.0) -> bool:
        """Take no more, and write what waits; whether all of it was written within so many seconds.

        Whoever waits for the rest is told that it failed. The store stays open.
        """
        self._closing = True
        if self._loop is None:
            return True
        self._drained = self._drained or self._loop.create_future()
        self._wake.set()
        done, _ = await asyncio.wait([self._drained], timeout=within)
        if not done:
            left = [each for queue in (self._waiting, self._large) for each in _taken(queue, sys.maxsize, sys.maxsize)]
            self._answer([(each, _closed()) for each in left])
        return bool(done)

    # ── in the event loop ──

    def _start(self) -> asyncio.AbstractEventLoop:
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._write, name="codespar-inbox", daemon=True).start()
        return self._loop

    def _answer(self, answers: Sequence[tuple[_Waiting, Answer]]) -> None:
        for waiting, answer in answers:
            self._count -= 1
            self._bytes -= len(waiting.arrival.raw)
            if waiting.answer.done():
                continue  # cancelled
            if isinstance(answer, Exception):
                waiting.answer.set_exception(answer)
            else:
                waiting.answer.set_result(answer)

    def _end(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    # ── in the writer's thread ──

    def _write(self) -> None:
        assert self._loop is not None
        try:
            while True:
                self._wake.wait()
                self._wake.clear()
                while self._waiting or self._large:
                    self._commit(_taken(self._waiting, _BATCH, _BATCH_BYTES))
                    self._commit(_taken(self._large, 1, _BATCH_BYTES))
                if self._closing and not self._waiting and not self._large:
                    self._loop.call_soon_threadsafe(self._end)
                    return
        except RuntimeError:
            return  # the loop was closed: nobody is left to answer

    def _commit(self, batch: Sequence[_Waiting]) -> None:
        """Raises RuntimeError when the event loop was closed."""
        if batch:
            assert self._loop is not None
            answers = self._stored([waiting.arrival for waiting in batch])
            self._loop.call_soon_threadsafe(self._answer, list(zip(batch, answers, strict=True)))

    def _stored(self, arrivals: Sequence[Arrival]) -> Sequence[Answer]:
        try:
            accepted = self._store.accept(arrivals)
        except (StoreBusy, StoreUnreachable, StoreCorrupt) as error:
            self.trouble = error
            return [error] * len(arrivals)
        except Exception as error:
            if len(arrivals) > 1:
                return self._singly(arrivals, error)
            if getattr(error, "code", "") != "unstorable":  # which is the arrival's own fault
                self.trouble = error
            return [error]
        self.trouble = None
        return accepted

    def _singly(self, arrivals: Sequence[Arrival], cause: Exception) -> Sequence[Answer]:
        """One of them may be what the store cannot take, and must not keep out the others."""
        answers: list[Answer] = []
        end = time.monotonic() + _SINGLY_S
        for arrival in arrivals:
            if time.monotonic() > end:
                answers.append(cause)
                continue
            answers.extend(self._stored([arrival]))
        return answers


def _taken(queue: deque[_Waiting], most: int, most_bytes: int) -> list[_Waiting]:
    """From the front of a queue. Both threads may take: each popleft is whole."""
    batch: list[_Waiting] = []
    total = 0
    while len(batch) < most and (not batch or total < most_bytes):
        try:
            waiting = queue.popleft()
        except IndexError:
            break
        batch.append(waiting)
        total += len(waiting.arrival.raw)
    return batch


def _closed() -> StoreError:
    return StoreError("the inbox takes no more deliveries: it is being closed", code="inbox_closed")
