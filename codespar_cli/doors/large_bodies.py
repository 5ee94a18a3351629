"""Large bodies are made into values a few at a time: 1 MiB of `{},{},…` takes some 40 MB, and the interpreter all to itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

from codespar_cli.doors.turns import Overdue

T = TypeVar("T")
SMALL = 1 << 16
_MOST_AT_ONCE = 2


class LargeBodies:
    """`most` of them have values in memory at once; the others wait, as long as whoever asks has patience."""

    def __init__(self, most: int = _MOST_AT_ONCE) -> None:
        self._free = asyncio.Semaphore(most)

    @asynccontextmanager
    async def read(self, raw: bytes, reading: Callable[[bytes], T], *, until: float) -> AsyncIterator[T]:
        """What `reading` makes of `raw`, until it is left. A large one is read on a thread.

        `until` is a time of the event loop's clock. Raises Overdue where it was not read by then, and what `reading` raises.
        """
        if len(raw) <= SMALL:
            yield reading(raw)
            return
        with _due("too many large bodies at once"):
            async with asyncio.timeout_at(until):
                await self._free.acquire()
        job = asyncio.ensure_future(asyncio.to_thread(reading, raw))
        try:
            with _due("a large body took too long to read"):
                async with asyncio.timeout_at(until):
                    found = await asyncio.shield(job)
            yield found
        finally:
            # A thread cannot be stopped: the place is free when it is done, not when nobody waits for it any more.
            job.add_done_callback(self._leave)

    def _leave(self, job: asyncio.Future[T]) -> None:
        self._free.release()
        if not job.cancelled():
            job.exception()  # it was told, or nobody waits to be told


@contextmanager
def _due(words: str) -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise Overdue(words) from None
