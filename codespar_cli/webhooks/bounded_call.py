"""Asking a stranger's connector: one that hangs, blocks or ends its thread must not stop the receiver."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from typing import Any

_AT_ONCE = 4


class Overdue(Exception):
    """It did not answer in time, or still has not answered earlier calls."""


class BoundedCalls:
    """Calls of one connector, each on a thread and an event loop of its own.

    A thread cannot be ended from outside: one that hangs is left alone, and after a few of them nothing more is asked.
    """

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        self._busy = 0

    async def ask(self, call: Callable[[], Any]) -> Any:
        """What `call`, or the coroutine it answers, comes to. Raises Overdue, and whatever it raises."""
        if self._busy >= _AT_ONCE:
            raise Overdue(f"{self._busy} earlier calls are still under way")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        self._busy += 1

        def settle(result: Any, error: BaseException | None) -> None:
            self._busy -= 1
            if answer.done():
                return
            if error is None:
                answer.set_result(result)
            else:
                answer.set_exception(error)

        def work() -> None:
            result, error = None, None
            try:
                result = _result(call)
            except BaseException as raised:  # SystemExit, too: the thread is ours
                error = raised if isinstance(raised, Exception) else RuntimeError(type(raised).__name__)
            try:
                loop.call_soon_threadsafe(settle, result, error)
            except RuntimeError:
                return  # the loop was closed: nobody waits any more

        threading.Thread(target=work, name="codespar-connector", daemon=True).start()
        try:
            async with asyncio.timeout(self._within_s):
                return await answer
        except TimeoutError:
            if not answer.cancelled():
                raise  # the connector's own
            raise Overdue(f"no answer within {self._within_s:g} s") from None


def _result(call: Callable[[], Any]) -> Any:
    async def awaited() -> Any:
        found = call()
        return await found if inspect.isawaitable(found) else found

    return asyncio.run(awaited())
