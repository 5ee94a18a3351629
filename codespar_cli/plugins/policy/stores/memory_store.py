"""The policy's store in memory: for tests, for replaying the past, and for looking at a store that is not there yet."""

from __future__ import annotations

import os
import threading
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from heapq import merge
from itertools import islice
from typing import Any

from codespar_cli.plugins.policy.approvals.approval import Approval
from codespar_cli.plugins.policy.language.periods import key_length
from codespar_cli.plugins.policy.stores.counters import FULL, CounterKey, CounterState, Hold, Record
from codespar_cli.plugins.policy.stores.stored_rows import waiting_under

_END = 1 << 62
_LAST = "\U0010ffff"  # sorts after every id of a hold


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


class Reckoning:
    """How much of a list sorted by time lies at or before a moment. Goes on from where it stopped: time seldom goes back."""

    __slots__ = ("at", "count", "total")

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """The list has changed."""
        self.at, self.count, self.total = -_END, 0, 0

    def by(self, items: Sequence[tuple[Any, ...]], now: int) -> int:
        """The amounts, which stand last in each item, of those whose time, which stands first, has come."""
        if now < self.at:
            self.forget()
        self.at = now
        while self.count < len(items) and items[self.count][0] <= now:
            self.total += items[self.count][-1]
            self.count += 1
        return self.total

    def put(self, items: list[tuple[Any, ...]], item: tuple[Any, ...]) -> None:
        """Insert in order: at the end, nearly always."""
        if not items or items[-1] <= item:
            items.append(item)
            if item[0] > self.at:
                return
        else:
            insort(items, item)
        self.forget()


class Counter:
    """`entries` (of a rolling counter) and `parts` (of holds) are sorted by time, each with its amount.

    What has lapsed is dropped when something is added, and taken off when it is read.
    """

    __slots__ = ("entries", "held", "lapsed", "left", "parts", "value")

    def __init__(self) -> None:
        self.value = 0
        self.held = 0
        self.left, self.lapsed = Reckoning(), Reckoning()
        self.entries: list[tuple[Any, ...]] = []
        self.parts: list[tuple[Any, ...]] = []

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
        self.parts: dict[str, tuple[tuple[CounterKey, int], ...]] = {}
        self.requests: dict[str, Approval] = {}
        # When the requests that wait expire, in order, by tenant, agent and policy.
        self.waiting: defaultdict[tuple[str, str, str], list[int]] = defaultdict(list)
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
            used -= counter.left.by(counter.entries, now - length)
        if counter.parts:
            held -= counter.lapsed.by(counter.parts, now)
        return CounterState(used, held)

    def states(self, keys: Sequence[CounterKey], now: int) -> list[CounterState]:
        return [self.state(key, now) for key in keys]

    def reliefs(self, key: CounterKey, now: int) -> Iterator[tuple[int, int]]:
        counter, length = self._contents.counters.get(key) or Counter(), key_length(key.window)
        entries, parts = counter.entries, counter.parts
        first = bisect_right(entries, (now - length, _END)) if length else len(entries)
        leaving = ((at + length, amount) for at, amount in islice(entries, first, None))
        held = ((until, amount) for until, _, amount in islice(parts, bisect_right(parts, (now, _LAST, 0)), None))
        return merge(leaving, held)

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

    def approvals(self, tenant: str, after: int = -1) -> list[Approval]:
        requests = self._contents.requests.values()
        return [approval for approval in requests if approval.tenant == tenant and approval.expires_at > after]

    def waiting(self, tenant: str, agent: str, policy: str, after: int) -> int:
        expiries = self._contents.waiting.get((tenant, agent, policy), [])
        return len(expiries) - bisect_right(expiries, after)

    # ── writing ──

    def serial(self) -> int:
        return len(self._contents.records) + 1

    def count(self, key: CounterKey, amount: int, at: int, now: int) -> None:
        counter = self._counter(key)
        if length := key_length(key.window):
            entries = counter.entries
            if entries and entries[0][0] <= now - length:
                lapsed = bisect_right(entries, (now - length, _END))
                counter.value -= sum(gone for _, gone in entries[:lapsed])
                del entries[:lapsed]
                counter.left.forget()
            if at + length <= now:
                return  # it has left the window already
            counter.left.put(entries, (at, amount))
            counter.value += amount
            if counter.value > FULL:
                _trim(counter, counter.value - FULL)
        else:
            counter.value = min(counter.value + amount, FULL)

    def arrive(self, key: CounterKey, arrival: int) -> None:
        self._counter(key).value = arrival

    def take(self, hold: Hold, parts: Mapping[CounterKey, int]) -> None:
        contents = self._contents
        contents.holds[hold.id] = hold
        contents.parts[hold.id] = tuple(parts.items())
        opened = contents.open[hold[1:5]]
        opened[hold.id] = hold
        for key, until in parts.items():
            counter = self._counter(key)
            held = counter.parts
            if held and held[0][0] <= hold.taken_at:
                lapsed = bisect_right(held, (hold.taken_at, _LAST, 0))
                counter.held -= sum(part[2] for part in held[:lapsed])
                del held[:lapsed]
                counter.lapsed.forget()
            counter.held += hold.estimate
            counter.lapsed.put(held, (until, hold.id, hold.estimate))
        if self._undoable:
            self._steps += [
                lambda: contents.holds.pop(hold.id),
                lambda: contents.parts.pop(hold.id),
                lambda: opened.pop(hold.id),
            ]

    def settle(self, hold: Hold, amount: int, now: int) -> list[CounterKey]:
        keys = [key for key, _ in self._contents.parts[hold.id]]
        self._close(hold, "settled")
        for key in keys:
            self.count(key, amount, hold.taken_at, now)
        return keys

    def free(self, hold: Hold) -> None:
        self._close(hold, "released")

    def put_approval(self, approval: Approval) -> None:
        before = self._contents.requests.get(approval.token)
        self._replace_request(before, approval)
        self._steps.append(lambda: self._replace_request(approval, before))

    def keep_source(self, policy_hash: str, text: str) -> None:
        self._contents.sources.setdefault(policy_hash, text)

    def record(self, at: int, kind: str, actor: str, body: Mapping[str, Any]) -> None:
        contents, before = self._contents, self._contents.latest
        contents.latest = max(before, at)
        contents.records.append(Record(contents.latest, kind, actor, body))
        self._steps += [contents.records.pop, lambda: setattr(contents, "latest", before)]

    # ── inside ──

    def _replace_request(self, before: Approval | None, after: Approval | None) -> None:
        contents = self._contents
        if before is not None and (policy := waiting_under(before)) is not None:
            contents.waiting[before.tenant, before.agent, policy].remove(before.expires_at)
        if after is not None and (policy := waiting_under(after)) is not None:
            insort(contents.waiting[after.tenant, after.agent, policy], after.expires_at)
        if after is not None:
            contents.requests[after.token] = after
        elif before is not None:
            del contents.requests[before.token]

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
        for key, until in contents.parts[hold.id]:
            counter = self._counter(key)
            part = (until, hold.id, hold.estimate)
            place = bisect_left(counter.parts, part)
            if place < len(counter.parts) and counter.parts[place] == part:
                del counter.parts[place]
                counter.lapsed.forget()
                counter.held -= hold.estimate
        self._steps.append(lambda: contents.holds.update({hold.id: before}))
        if was_open is not None:
            self._steps.append(lambda: opened.update({hold.id: was_open}))


def _trim(counter: Counter, excess: int) -> None:
    """Take so much off the oldest entries of a counter that is more than full."""
    counter.value -= excess
    counter.left.forget()
    entries, gone = counter.entries, 0
    while excess >= entries[gone][1]:
        excess -= entries[gone][1]
        gone += 1
    at, amount = entries[gone]
    entries[: gone + 1] = [(at, amount - excess)]
