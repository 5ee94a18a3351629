"""One thread that does what may wait for a lock or a disk, in the order it came up, while the event loop goes on.

One and not several: two threads of a process that ask the policy's store at once pay for it, since whoever finds it taken
looks again after a millisecond. Whoever asks waits for `deadline_s` at most. What was not begun by then is never done, and
what is done too late is given back.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

T = TypeVar("T")
DEADLINE_S = 2.0
MOST_WAITING = 64
MOST_KEPT = 1000
_END_S = 5.0


class Overdue(Exception):
    """No answer in time, or too many who wait for one."""


class Turns:
    """`log` is told of what went wrong where nobody waits for it. Alive between entering and leaving `alive`."""

    def __init__(
        self,
        log: Callable[[str], None],
        *,
        deadline_s: float = DEADLINE_S,
        most_waiting: int = MOST_WAITING,
        most_kept: int = MOST_KEPT,
    ) -> None:
        self._log = log
        self._deadline_s = deadline_s
        self._most_waiting = most_waiting
        self._most_kept = most_kept
        self._queue: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="codespar-doors", daemon=True)

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        """What was begun or has to be done is done before it is left, within 5 s."""
        self._thread.start()
        try:
            yield
        finally:
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join, _END_S)
            if self._thread.is_alive():
                self._log("stopped while the policy's store did not answer; what was still to be recorded is lost")

    async def take(
        self,
        act: Callable[[], T],
        *,
        give_back: Callable[[T], object] = lambda result: None,
        keep: bool = False,
        until: float | None = None,
    ) -> T:
        """What `act` answers, on the thread. Raises Overdue, and what `act` raises.

        `until` is a time of the event loop's clock by which an answer is due if that is earlier than `deadline_s` from now.

        A result that nobody takes any more goes to `give_back`, on the thread. With `keep`, `act` is done although
        nobody waits for it any more.
        """
        if self._queue.qsize() >= (self._most_kept if keep else self._most_waiting):
            raise Overdue("too many calls wait for an answer")
        turn = _Turn(act, give_back, keep=keep)
        now = asyncio.get_running_loop().time()
        due = now + self._deadline_s if until is None else min(until, now + self._deadline_s)
        self._queue.put(turn.run)
        try:
            async with asyncio.timeout_at(due):
                return await turn.answer
        except TimeoutError:
            if turn.has_failed():
                raise  # of `act` itself
            self._abandon(turn)
            raise Overdue(f"no answer within {self._deadline_s:g} s") from None
        except asyncio.CancelledError:
            self._abandon(turn)
            raise

    def later(self, act: Callable[[], object]) -> None:
        """Have it done when its turn comes; nobody hears of it."""
        if self._queue.qsize() < self._most_kept:
            self._queue.put(act)

    def _abandon(self, turn: _Turn[Any]) -> None:
        turn.abandon()
        self._queue.put(turn.clear)  # a result that was on its way

    def _work(self) -> None:
        while (act := self._queue.get()) is not None:
            try:
                act()
            except BaseException as error:  # a plugin's SystemExit, too: the thread must outlive it
                self._log(f"a door could not finish: {type(error).__name__}")


class _Turn(Generic[T]):
    """Exactly one of three things happens: it is not begun, its result is taken, or given back."""

    def __init__(self, act: Callable[[], T], give_back: Callable[[T], object], *, keep: bool) -> None:
        self._act = act
        self._give_back = give_back
        self._keep = keep
        self._lock = threading.Lock()
        self._abandoned = False
        self._results: list[T] = []
        self._loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[T] = self._loop.create_future()

    def run(self) -> None:
        """On the thread."""
        if self._abandoned and not self._keep:
            return
        try:
            result = self._act()
        except BaseException as raised:
            self._tell(None, raised if isinstance(raised, Exception) else RuntimeError(type(raised).__name__))
            return
        with self._lock:
            wanted = not self._abandoned
            if wanted:
                self._results.append(result)
        if wanted:
            self._tell(result, None)
        else:
            self._give_back(result)

    def has_failed(self) -> bool:
        """Whether what it raised has arrived."""
        return self.answer.done() and not self.answer.cancelled() and self.answer.exception() is not None

    def abandon(self) -> None:
        """By the one who waited."""
        with self._lock:
            self._abandoned = True

    def clear(self) -> None:
        """On the thread, once it is abandoned: give back what came to nobody."""
        with self._lock:
            results, self._results = self._results, []
        for result in results:
            self._give_back(result)

    def _tell(self, result: Any, error: Exception | None) -> None:
        def settle() -> None:
            if self.answer.done():
                return
            if error is not None:
                self.answer.set_exception(error)
            else:
                self.answer.set_result(result)

        try:
            self._loop.call_soon_threadsafe(settle)
        except RuntimeError:
            self.abandon()  # the loop was closed: nobody waits any more
            self.clear()
