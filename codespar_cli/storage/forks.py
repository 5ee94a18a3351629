"""No SQLite file is open across a fork.

A copied process inherits SQLite's own table of the locks that its original holds: it would wait for locks that were
released long ago, and skip taking others that it believes to have. So whoever forks waits until no transaction is
under way, every file is closed, and both processes open what they need anew.
"""

from __future__ import annotations

import os
import time
from _thread import RLock  # what `threading.RLock` is
from _weakref import ref  # what `weakref.ref` is

from codespar_cli.core.light_typing import Protocol

FORK_WAIT_S = 10.0


class Forkable(Protocol):
    def hold(self, wait_s: float) -> bool:
        """Close the file, and let nobody open it. False, and nothing held: a transaction did not end in time."""

    def let_go(self) -> None:
        """In the original, after `hold`."""

    def start_anew(self, *, usable: bool) -> None:
        """In the copy. Not `usable`: the file was open, and what is known of it here is wrong."""


_registered: dict[int, ref[Forkable]] = {}  # by their identity
_lock = RLock()  # one fork at a time, and nothing is added during one
_found: list[Forkable] = []
_held: list[Forkable] = []


def register(one: Forkable) -> None:
    with _lock:
        number = id(one)
        _registered[number] = ref(one, lambda gone: _forget(number, gone))


def _forget(number: int, gone: ref[Forkable]) -> None:
    # Its number may be another's by now. Takes no lock: this may run anywhere, also while a fork is prepared.
    if _registered.get(number) is gone:
        del _registered[number]


def _before() -> None:
    _lock.acquire()
    _found[:] = [one for one in [refer() for refer in list(_registered.values())] if one is not None]
    deadline = time.monotonic() + FORK_WAIT_S
    _held.extend(one for one in _found if one.hold(max(deadline - time.monotonic(), 0.0)))


def _in_original() -> None:
    while _held:
        _held.pop().let_go()
    _found.clear()
    _lock.release()


def _in_copy() -> None:
    global _lock
    _lock = RLock()
    held = {id(one) for one in _held}
    for one in _found:
        one.start_anew(usable=id(one) in held)
    _held.clear()
    _found.clear()


os.register_at_fork(before=_before, after_in_parent=_in_original, after_in_child=_in_copy)
