"""Interpreters, each used and dropped by the thread that made it: regorus refuses anything else with a panic."""

from __future__ import annotations

import atexit
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

MOST = 64
"""Interpreters a thread keeps; of more the one that was not used for longest is made anew when it is needed."""


class _Shelf:
    __slots__ = ("__weakref__", "engines", "thread")

    def __init__(self) -> None:
        self.engines: OrderedDict[int, Any] = OrderedDict()
        self.thread = threading.get_ident()


class _Own(threading.local):
    def __init__(self) -> None:
        self.shelf = _Shelf()
        _SHELVES.add(self.shelf)


_SHELVES: WeakSet[_Shelf] = WeakSet()
_OWN = _Own()


def engine_for(number: int, make: Callable[[], Any]) -> Any:
    """The calling thread's interpreter of the policy with this number."""
    engines = _OWN.shelf.engines
    engine = engines.get(number)
    if engine is None:
        engine = engines[number] = make()
        if len(engines) > MOST:
            engines.popitem(last=False)
    engines.move_to_end(number)
    return engine


def drop(number: int) -> None:
    """After a panic nobody knows what an interpreter is in."""
    _OWN.shelf.engines.pop(number, None)


@atexit.register
def _leave_to_the_process() -> None:
    """What daemon threads still hold would be dropped by the thread that ends the process: it is never dropped."""
    own = threading.get_ident()
    left = [engine for shelf in list(_SHELVES) if shelf.thread != own for engine in shelf.engines.values()]
    if left:
        import ctypes

        for engine in left:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(engine))
