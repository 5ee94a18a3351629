"""Requests that the server has got and not answered yet: what each was, so that its answer is known when it comes."""

from __future__ import annotations

from threading import Lock
from typing import Any, Generic, TypeVar

from codespar_cli.mcp.message import id_key

T = TypeVar("T")
MOST = 100_000
"""Requests that are remembered at once; a server that never answers makes the oldest be forgotten."""


class InFlight(Generic[T]):
    """By id, safe to share between the two directions. An id that is used twice at once is answered in order."""

    def __init__(self, most: int = MOST) -> None:
        self._waiting: dict[Any, list[T]] = {}
        self._lock = Lock()
        self._count = 0
        self._most = most

    def __len__(self) -> int:
        return self._count

    def add(self, id_: Any, request: T) -> T | None:
        """Remember one; answers the oldest when it had to be forgotten for it."""
        with self._lock:
            self._waiting.setdefault(id_key(id_), []).append(request)
            self._count += 1
            return self._pop(next(iter(self._waiting))) if self._count > self._most else None

    def take(self, id_: Any) -> T | None:
        """The request with this id, which is then no longer waiting."""
        with self._lock:
            return self._pop(id_key(id_))

    def look(self, id_: Any) -> T | None:
        with self._lock:
            waiting = self._waiting.get(id_key(id_))
            return waiting[0] if waiting else None

    def take_all(self) -> list[T]:
        with self._lock:
            found = [request for waiting in self._waiting.values() for request in waiting]
            self._waiting.clear()
            self._count = 0
            return found

    def _pop(self, key: Any) -> T | None:
        waiting = self._waiting.get(key)
        if not waiting:
            return None
        request = waiting.pop(0)
        self._count -= 1
        if not waiting:
            del self._waiting[key]
        return request
