"""How long to wait for others, across every lock on the way: one deadline in all, however many queues there are."""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# A transaction of another lasts about as long as a timer needs to fire, so the first attempts only give way.
_YIELDS = 300


class Patience:
    """Lasts `wait_s` seconds. With `signs`, it begins anew whenever they change, but never lasts beyond `at_most_s`."""

    __slots__ = ("_deadline", "_end", "_seen", "_signs", "_started", "_wait_s")

    def __init__(self, wait_s: float, *, signs: Callable[[], object] | None = None, at_most_s: float = 0.0) -> None:
        self._started = time.monotonic()
        self._wait_s = wait_s
        self._deadline = self._started + wait_s
        self._end = self._started + max(wait_s, at_most_s)
        self._signs = signs
        self._seen = None if signs is None else signs()

    @property
    def waited_s(self) -> float:
        return time.monotonic() - self._started

    def lasts(self) -> bool:
        """Whether to go on waiting."""
        now = time.monotonic()
        if self._signs is not None:
            seen = self._signs()
            if seen != self._seen:
                self._seen = seen
                self._deadline = min(now + self._wait_s, self._end)
        return now < self._deadline


class BusyHandler:
    """SQLite's: impatient, since the turnstile leaves one waiter at a time.

    While `patience` is set it is what lasts, and others may have used it up in part; else every wait has its own.
    """

    def __init__(self, wait_s: float) -> None:
        self._wait_s = wait_s
        self._own = Patience(0.0)
        self.patience: Patience | None = None

    def __call__(self, attempt: int) -> bool:
        if attempt == 0:
            self._own = Patience(self._wait_s)
        if not (self.patience or self._own).lasts():
            return False
        if attempt < _YIELDS:
            os.sched_yield()
        else:
            time.sleep(0.0001 if attempt < 2 * _YIELDS else 0.001)
        return True
