"""The policy's store in memory: for tests, for replaying the past, and for looking at a store that is not there yet."""

from __future__ import annotations

import os
import threading
from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from codespar_cli.plugins.policy.approval import Approval
from codespar_cli.plugins.policy.periods import key_length
from codespar_cli.plugins.policy.store import CounterKey, CounterState, Hold, Record

_END = 1 << 62


class MemoryStore:
    """One process, nothing on disk. A transaction that fails is undone step by step, unless nobody will ask for it."""

    def __init__(self, *, undoable: bool = True) -> None:
        self.contents = Contents()
        self._undoable = undoable
        self._mutex = threading.RLock()

    @contextmanager
    def write(self) -> Iterator[MemoryTransaction]:
        with self._mutex:
            transaction = MemoryTransaction(self.contents, undoable=self._undoable)
            try:
                yield transaction
            except BaseException:
                transaction.undo()
                raise

    @contextmanager
    def read(self) -> Iterator[MemoryTransaction]:
        with self._mutex:
            yield MemoryTransaction(self.contents)

    def check(self) -> None:
        pass

    def records(self, kinds: Collection[str] = ()) -> Iterator[Record]:
        return iter([record for record in self.contents.records if not kinds or record.kind in kinds])

    def source(self, policy_hash: str) -> str | None:
        return self.contents.sources.get(policy_hash)


class Counter:
    """`entries` (of a rolling counter) and `parts` (of holds) are sorted by time, each with its amount.

    What has lapsed is dropped when something is added, and taken off when it is read.
    """

    __slots__ = ("entries", "held", "parts", "value")

    def __init__(self) -> None:
        self.value = 0
        self.held = 0
        self.entries: list[tuple[int, int]] = []
        self.parts: list[tuple[int, str, int]] = []

    def copy(self) -> Counter:
        twin = Counter()
        twin.value, twin.held = self.value, self.held
        twin.entries, twin.parts = self.entries.copy(), self.parts.copy()
        return twin


class Contents:
    def __init__(self) -> None:
        self.latest = 0
        self.counters: defaultdict[CounterKey, Counter] = defaultdict(Counter)
        self.holds: dict[str, Hold] = {}
        self.open: defaultdict[tuple[str, ...], dict[str, Hold]] = defaultdict(dict)
        self.parts: dict[str, dict[CounterKey, int]] = {}
        self.requests: dict[str, Approval] = {}
        self.sources: dict[str, str] = {}
        self.records: list[Record] = []
        self.secret = os.urandom(32)


class MemoryTransaction:
    """Remembers how to take back what it did."""

    def __init__(self, contents: Contents, *, undoable: bool = True) -> None:
        self._contents = contents
        self._undoable = undoable
        self._steps: list[Callable[[], object]] = []
        self._touched: set[CounterKey] = set()

    def undo(self) -> None:
        for step in reversed(self._steps):
            step()

    # ── reading ──

    def clock(self, now: int) -> int:
        return now

    def latest(self) -> int:
        return self._contents.latest

    def secret(self) -> bytes:
        return self._contents.secret

    def state(self, key: CounterKey, now: int) -> CounterState:
        counter = self._contents.counters.get(key)
        if counter is None:
            return CounterState(0, 0)
        used, held = counter.value, counter.held
        if counter.entries and (length := key_length(key.window)):
            for at, amount in counter.entries:
                if at + length > now:
                    break
                used -= amount
        for until, _, amount in counter.parts:
            if until > now:
                break
            held -= amount
        return CounterState(used, held)

    def reliefs(self, key: CounterKey, now: int) -> Iterator[tuple[int, int]]:
        counter, length = self._contents.counters.get(key) or Counter(), key_length(key.window)
        leaving = [(at + length, amount) for at, amount in counter.entries]
        held = [(until, amount) for until, _, amount in counter.parts]
        return iter(sorted(relief for relief in leaving + held if relief[0] > now))

    def keys(self, space: str, tenant: str) -> list[CounterKey]:
        return sorted(key for key in self._contents.counters if (key.space, key.tenant) == (space, tenant))

    def hold(self, id: str) -> Hold | None:
        return self._contents.holds.get(id)

    def oldest_hold(self, space: str, tenant: str, agent: str, tool: str, now: int) -> Hold | None:
        found = self._contents.open.get((space, tenant, agent, tool), {}).values()
        return min(found, key=lambda hold: (hold.expires_at <= now, hold.taken_at), default=None)

    def approval(self, token: str) -> Approval | None:
        return self._contents.requests.get(token)

    def approval_for(self, tenant: str, digest: str) -> Approval | None:
        for approval in reversed(self._contents.requests.values()):
            if (approval.tenant, approval.digest) == (tenant, digest):
                return approval
        return None

    def approvals(self, tenant: str) -> list[Approval]:
        return [approval for approval in self._contents.requests.values() if approval.tenant == tenant]

    # ── writing ──

    def advance(self, now: int) -> None:
        contents, before = self._contents, self._contents.latest
        if now > before:
            contents.latest = now
            self._steps.append(lambda: setattr(contents, "latest", before))

    def count(self, key: CounterKey, amount: int, at: int, now: int) -> None:
        counter = self._counter(key)
        if length := key_length(key.window):
            lapsed = bisect_right(counter.entries, (now - length, _END))
            counter.value -= sum(gone for _, gone in counter.entries[:lapsed])
            del counter.entries[:lapsed]
            if at + length <= now:
                return  # it has left the window already
            insort(counter.entries, (at, amount))
        counter.value += amount

    def arrive(self, key: CounterKey, arrival: int) -> None:
        self._counter(key).value = arrival

    def take(self, hold: Hold, parts: Mapping[CounterKey, int]) -> None:
        contents = self._contents
        contents.holds[hold.id] = hold
        contents.parts[hold.id] = dict(parts)
        opened = contents.open[hold[1:5]]
        opened[hold.id] = hold
        for key, until in parts.items():
            counter = self._counter(key)
            lapsed = bisect_right(counter.parts, (hold.taken_at, "\U0010ffff", 0))
            counter.held += hold.estimate - sum(part[2] for part in counter.parts[:lapsed])
            del counter.parts[:lapsed]
            insort(counter.parts, (until, hold.id, hold.estimate))
        self._steps += [
            lambda: contents.holds.pop(hold.id),
            lambda: contents.parts.pop(hold.id),
            lambda: opened.pop(hold.id),
        ]

    def settle(self, hold: Hold, amount: int, now: int) -> list[CounterKey]:
        keys = list(self._contents.parts[hold.id])
        self._close(hold, "settled")
        for key in keys:
            self.count(key, amount, hold.taken_at, now)
        return keys

    def free(self, hold: Hold) -> None:
        self._close(hold, "released")

    def put_approval(self, approval: Approval) -> None:
        requests, before = self._contents.requests, self._contents.requests.get(approval.token)
        requests[approval.token] = approval
        self._steps.append(
            lambda: requests.pop(approval.token) if before is None else requests.update({before.token: before})
        )

    def keep_source(self, policy_hash: str, text: str) -> None:
        self._contents.sources.setdefault(policy_hash, text)

    def record(self, at: int, kind: str, actor: str, body: Mapping[str, Any]) -> None:
        records = self._contents.records
        records.append(Record(at, kind, actor, body))
        self._steps.append(records.pop)

    # ── inside ──

    def _counter(self, key: CounterKey) -> Counter:
        counters = self._contents.counters
        if self._undoable and key not in self._touched:
            self._touched.add(key)
            before = counters[key].copy() if key in counters else None
            self._steps.append(lambda: counters.pop(key) if before is None else counters.update({key: before}))
        return counters[key]

    def _close(self, hold: Hold, state: str) -> None:
        contents = self._contents
        before, opened = contents.holds[hold.id], contents.open[hold[1:5]]
        was_open = opened.pop(hold.id, None)
        contents.holds[hold.id] = hold._replace(state=state)
        for key, until in contents.parts[hold.id].items():
            counter = self._counter(key)
            part = (until, hold.id, hold.estimate)
            if part in counter.parts:
                counter.parts.remove(part)
                counter.held -= hold.estimate
        self._steps.append(lambda: contents.holds.update({hold.id: before}))
        if was_open is not None:
            self._steps.append(lambda: opened.update({hold.id: was_open}))
