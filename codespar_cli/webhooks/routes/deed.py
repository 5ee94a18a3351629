"""What a route does with an event, as the dispatcher sees it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from codespar_cli.webhooks.routes.event_document import EventDocument

T = TypeVar("T")


class Failed(Exception):
    """One attempt was in vain. The message is a line for people, without secrets.

    `final`: another attempt would do no good. `after`: not before this time has passed.
    """

    def __init__(self, words: str, *, final: bool = False, after: timedelta | None = None) -> None:
        super().__init__(words)
        self.final = final
        self.after = after


class Deed(Protocol):
    async def do(self, document: EventDocument) -> None:
        """Do it once, within the route's timeout. Raises Failed; anything else that is raised is a failure, too.

        Cancelled, it ends what it began as far as it can be ended.
        """
        ...


async def on_own_thread(work: Callable[[], T], *, name: str, ended: Callable[[], None] = lambda: None) -> T:
    """What `work` comes to, on a thread that nobody waits for at the end: it may hang for good.

    `ended` is called on that thread when `work` is over. Raises what `work` raises.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        if answer.done():
            return
        if error is None:
            answer.set_result(result)
        else:
            answer.set_exception(error)

    def body() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:  # SystemExit, too: the thread is ours
            # A future does not take StopIteration.
            whole = isinstance(raised, Exception) and not isinstance(raised, StopIteration)
            error = raised if whole else RuntimeError(type(raised).__name__)
        ended()
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:
            return  # the loop was closed: nobody waits any more

    threading.Thread(target=body, name=name, daemon=True).start()
    return await answer
