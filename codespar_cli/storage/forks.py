"""No SQLite file is open across a fork.

A copied process inherits SQLite's own table of the locks that its original holds: it would wait for locks that were
released long ago, and skip taking others that it believes to have. So whoever forks waits until no transaction is
under way, every file is closed, and both processes open what they need anew.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Protocol
from weakref import WeakSet

FORK_WAIT_S = 10.0


class Forkable(Protocol):
    def hold(self, wait_s: float) -> bool:
        """Close the file, and let nobody open it. False, and nothing held: a transaction did not end in time."""
        ...

    def let_go(self) -> None:
        """In the original, after `hold`."""
        ...

    def start_anew(self, *, usable: bool) -> None:
        """In the copy. Not `usable`: the file was open, and what is known of it here is wrong."""
        ...


_registered: WeakSet[Forkable] = WeakSet()
_lock = threading.RLock()  # one fork at a time, and nothing is added during one
_found: list[Forkable] = []
_held: list[Forkable] = []


def register(one: Forkable) -> None:
    with _lock:
        _registered.add(one)


def _before() -> None:
    _lock.acquire()
    _found[:] = _registered
    deadline = time.monotonic() + FORK_WAIT_S
    _held.extend(one for one in _found if one.hold(max(deadline - time.monotonic(), 0.0)))


def _in_original() -> None:
    while _held:
        _held.pop().let_go()
    _found.clear()
    _lock.release()


def _in_copy() -> None:
    global _lock
    _lock = threading.RLock()
    held = {id(one) for one in _held}
    for one in _found:
        one.start_anew(usable=id(one) in held)
    _held.clear()
    _found.clear()


os.register_at_fork(before=_before, after_in_parent=_in_original, after_in_child=_in_copy)
