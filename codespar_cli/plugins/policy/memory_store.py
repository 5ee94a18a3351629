"""The policy's store in memory: for tests, and for looking at a store that is not there yet."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, NamedTuple

from codespar_cli.plugins.policy.periods import key_length
from codespar_cli.plugins.policy.store import CounterKey, CounterState, Hold


class MemoryRecord(NamedTuple):
    at: int
    kind: str
    actor: str
    body: Mapping[str, Any]


class MemoryStore:
    """One process, nothing on disk. A transaction that fails leaves no trace."""

    def __init__(self) -> None:
        self.contents = _Contents()
        self._mutex = threading.RLock()

    @contextmanager
    def write(self) -> Iterator[MemoryTransaction]:
        with self._mutex:
            before = deepcopy(self.contents)
            try:
                yield MemoryTransaction(self.contents)
            except BaseException:
                self.contents = before
                raise

    @contextmanager
    def read(self) -> Iterator[MemoryTransaction]:
        with self._mutex:
            yield MemoryTransaction(deepcopy(self.contents))

    def check(self) -> None:
        pass


class _Contents:
    def __init__(self) -> None:
        self.latest = 0
        self.values: dict[CounterKey, int] = {}
        self.entries: dict[CounterKey, list[tuple[int, int]]] = {}
        self.holds: dict[str, Hold] = {}
        self.parts: dict[str, dict[CounterKey, int]] = {}
        self.records: list[MemoryRecord] = []
        self.secret = os.urandom(32)


class MemoryTransaction:
    """Everything is added up afresh each time: slow, and hard to get wrong."""

    def __init__(self, contents: _Contents) -> None:
        self._contents = contents

    def latest(self) -> int:
        return self._contents.latest

    def secret(self) -> bytes:
        return self._contents.secret

    def state(self, key: CounterKey, now: int) -> CounterState:
        used = self._contents.values.get(key, 0)
        if length := key_length(key.window):
            used = sum(amount for at, amount in self._contents.entries.get(key, ()) if at + length > now)
        return CounterState(used, sum(amount for until, amount in self._held(key) if until > now))

    def reliefs(self, key: CounterKey, now: int) -> Iterator[tuple[int, int]]:
        length = key_length(key.window)
        leaving = [(at + length, amount) for at, amount in self._contents.entries.get(key, ())]
        return iter(sorted(relief for relief in leaving + self._held(key) if relief[0] > now))

    def keys(self, space: str, tenant: str) -> list[CounterKey]:
        held = {key for parts in self._contents.parts.values() for key in parts}
        every = held | set(self._contents.values) | set(self._contents.entries)
        return sorted(key for key in every if (key.space, key.tenant) == (space, tenant))

    def hold(self, id: str) -> Hold | None:
        return self._contents.holds.get(id)

    def oldest_hold(self, space: str, tenant: str, agent: str, tool: str, now: int) -> Hold | None:
        wanted = ("open", space, tenant, agent, tool)
        found = [
            hold
            for hold in self._contents.holds.values()
            if (hold.state, hold.space, hold.tenant, hold.agent, hold.tool) == wanted
        ]
        return min(found, key=lambda hold: (hold.expires_at <= now, hold.taken_at), default=None)

    def advance(self, now: int) -> None:
        self._contents.latest = max(self._contents.latest, now)

    def count(self, key: CounterKey, amount: int, at: int, now: int) -> None:
        if key_length(key.window):
            self._contents.entries.setdefault(key, []).append((at, amount))
        else:
            self._contents.values[key] = self._contents.values.get(key, 0) + amount

    def arrive(self, key: CounterKey, arrival: int) -> None:
        self._contents.values[key] = arrival

    def take(self, hold: Hold, parts: Mapping[CounterKey, int]) -> None:
        self._contents.holds[hold.id] = hold
        self._contents.parts[hold.id] = dict(parts)

    def settle(self, hold: Hold, amount: int, now: int) -> list[CounterKey]:
        keys = list(self._contents.parts[hold.id])
        for key in keys:
            self.count(key, amount, hold.taken_at, now)
        self._contents.holds[hold.id] = hold._replace(state="settled")
        return keys

    def free(self, hold: Hold) -> None:
        self._contents.holds[hold.id] = hold._replace(state="released")

    def record(self, at: int, kind: str, actor: str, body: Mapping[str, Any]) -> None:
        self._contents.records.append(MemoryRecord(at, kind, actor, body))

    def _held(self, key: CounterKey) -> list[tuple[int, int]]:
        return [
            (parts[key], self._contents.holds[number].estimate)
            for number, parts in self._contents.parts.items()
            if key in parts and self._contents.holds[number].state == "open"
        ]
