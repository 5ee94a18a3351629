"""A route that calls a function of an installed package, named by an entry point in the group `codespar.routes`."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Mapping
from typing import Any

from codespar_cli.core.blame import words_of
from codespar_cli.core.loader import Installed, installed_plugins
from codespar_cli.core.text import clean_line, nearest, visible
from codespar_cli.errors import ConfigError
from codespar_cli.webhooks.known_secrets import KnownSecrets
from codespar_cli.webhooks.routes.deed import Failed, on_own_thread
from codespar_cli.webhooks.routes.event_document import EventDocument
from codespar_cli.webhooks.routes.route import Route

KIND = "routes"


def installed_functions() -> Mapping[str, Installed]:
    """Raises ConfigError for a name that two distributions claim."""
    return installed_plugins(KIND)


class Call:
    """`function(event, delivery)`, sync or async, on a thread and an event loop of its own.

    An async one that takes too long is cancelled. A sync one cannot be: its thread is left alone, and while as many hang
    as the route may run at once nothing more is asked of it.
    """

    def __init__(self, route: Route, function: Callable[..., Any], known: KnownSecrets | None = None) -> None:
        self._function = function
        self._limit_s = route.timeout.total_seconds()
        self._most = route.concurrency
        self._known = known or KnownSecrets()
        self._lock = threading.Lock()
        self._left = 0

    async def do(self, document: EventDocument) -> None:
        """Raises Failed."""
        if self._left >= self._most:
            raise Failed(f"not called: {self._left} earlier calls still hang")
        one = _OneCall(lambda: self._function(document.event, document.delivery))
        over = False

        def ended() -> None:
            nonlocal over
            with self._lock:
                self._left -= int(one.left)
                over = True

        try:
            async with asyncio.timeout(self._limit_s):
                await on_own_thread(one.run, name="codespar-route", ended=ended)
        except BaseException as error:
            late = not over
            if late:
                with self._lock:
                    if not over:
                        one.left = True
                        self._left += 1
                one.cancel()
            if late and isinstance(error, TimeoutError):
                raise Failed(f"took longer than {self._limit_s:g} s") from None
            if isinstance(error, Exception) and not isinstance(error, asyncio.CancelledError):
                words = clean_line(
                    self._known.masked(words_of(error)), 200
                )  # masked first: a cut could hide a secret's half
                raise Failed(f"{type(error).__name__}: {words}".rstrip(": ")) from None
            raise


class _OneCall:
    """`left` says that nobody waits for it any more."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self.left = False

    def run(self) -> None:
        found = self._call()
        if inspect.isawaitable(found):
            try:
                asyncio.run(self._awaited(found))
            except asyncio.CancelledError:
                raise RuntimeError("the call cancelled itself") from None

    async def _awaited(self, found: Any) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        if not self.left:
            await found

    def cancel(self) -> None:
        loop, task = self._loop, self._task
        if loop is not None and task is not None:
            try:
                loop.call_soon_threadsafe(task.cancel)
            except RuntimeError:
                return  # it has just ended


def function_of(route: Route, installed: Mapping[str, Installed]) -> Callable[..., Any]:
    """Raises ConfigError: no such entry point, or it cannot be loaded, or it is nothing to call."""
    point = installed.get(route.target)
    if point is None:
        close = nearest(route.target, installed)
        known = ", ".join(f"`{visible(name)}`" for name in sorted(installed)) or "none is installed"
        raise ConfigError(
            f"the route `{route.name}` calls `{visible(route.target)}`, expected an entry point in `codespar.{KIND}`:"
            f" {known}",
            key="routes.call",
            hint=f"did you mean `{visible(close)}`?" if close else "pip install the package that offers it",
        )
    try:
        found = point.load()
    except Exception as error:
        words = clean_line(f"{type(error).__name__}: {words_of(error)}", 200)
        raise ConfigError(
            f"the route `{route.name}` calls `{visible(point.name)}`, which cannot be loaded: {words}",
            key="routes.call",
            hint=f"pip install --force-reinstall {point.distribution}",
        ) from error
    if not callable(found):
        raise ConfigError(
            f"the route `{route.name}` calls `{visible(point.name)}`, expected a function, found a"
            f" {type(found).__name__}",
            key="routes.call",
            hint=f"pip show {point.distribution}",
        )
    return found  # type: ignore[no-any-return]  # callable, and nothing more is known
