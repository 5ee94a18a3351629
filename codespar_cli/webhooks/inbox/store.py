"""What a store of deliveries must be able to do. One contract suite runs every backend.

Every method is one transaction, durable against power loss when it returns, and safe to call from any thread, from any
number of processes on the same store; `purge` and `bodies`, which may be about any number, go in portions. Methods raise
StoreError (StoreBusy, StoreUnreachable, StoreCorrupt) and nothing else; looking at a store that was never made finds
nothing, and makes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from codespar_cli.webhooks.inbox.delivery import Arrival, Body, Delivery, Filter, Reading, Task, Told, Verdict


class Accepted(NamedTuple):
    """What became of an arrival. `id` is the delivery it was stored as, or the one that it repeats."""

    verdict: Verdict
    id: int


class InboxStore(Protocol):
    """Deliveries and their tasks.

    The status of a delivery that was read follows from its tasks: `dead` when one was given up, else `failed` when one
    that waits was tried in vain, else `received` when one waits, else `dispatched`.
    """

    @property
    def exists(self) -> bool:
        """Whether there is anything to read yet. Looking creates nothing."""
        ...

    def accept(self, arrivals: Sequence[Arrival]) -> list[Accepted]:
        """Store what is new, all in one transaction; one answer for each, in order.

        Known by (tenant, provider, delivery id): a duplicate, whatever its bytes, and nothing is stored. Else known by
        (tenant, provider, SHA-256): without an id of its own a duplicate; under another id a suspected replay, which is
        stored as such. Verified deliveries are known to verified ones only, and the others to the others: what anybody
        could have sent must not stand in the way of the genuine one. Arrivals of one call are judged in their order, as if one came after the other; the same holds
        for calls of several processes at once. One arrival that cannot be stored, for a text that is no unicode, keeps
        all of its call out: StoreError with the code `unstorable`.
        """
        ...

    def unread(self, limit: int) -> list[Body]:
        """Deliveries that are `received` and whose event was not read from them yet, oldest first; fewer than `limit`
        where their bodies are large."""
        ...

    def read(
        self, id: int, told: Told | None, routes: Sequence[str], *, at: datetime, error: str | None = None
    ) -> bool:
        """Record what was read: None is `ignored`, or `failed` with an `error` for a connector that broke. With an event,
        one task for each route, due at once; without routes it is `dispatched`. Of a delivery that was read already
        nothing changes: two receivers may read the same one, and only the first makes tasks. Whether this was the first.

        A suspected replay, which `unread` never tells, can be read like any other, once a person has vouched for it.
        """
        ...

    def read_all(self, readings: Sequence[Reading], *, at: datetime) -> int:
        """`read` for many, in one transaction: one sync for a whole portion. How many were the first."""
        ...

    def again(self, id: int, routes: Sequence[str], *, at: datetime, told: Told | None = None) -> bool:
        """Tasks anew for a delivery whose event is known, due at once: what `webhook replay --dispatch` asks for.

        `told` takes the place of what was known: the connector may know better by now. A task that somebody holds goes on
        as it is. False, and nothing changed: there is no such delivery, or no event of it.
        """
        ...

    def claim(self, owner: str, routes: Sequence[str], limit: int, *, now: datetime, lease: timedelta) -> list[Task]:
        """Tasks of these routes that are due and that nobody holds, held by `owner` until `now + lease`; those first
        that have been free for longest. An owner who holds one already is not given it again before the lease ends."""
        ...

    def renew(self, owner: str, tasks: Sequence[Task], *, now: datetime, lease: timedelta) -> None:
        """Hold these until `now + lease`; those that the owner does not hold any more are left."""
        ...

    def release(self, owner_prefix: str) -> None:
        """Let go of what owners of this prefix hold: they are known to be gone, and what they began is due again."""
        ...

    def done(self, task: Task) -> None:
        """The route has it, whoever holds the task by now; the attempt counts. When every task of the delivery is done it
        is `dispatched`."""
        ...

    def failed(self, task: Task, error: str, *, again_at: datetime | None) -> None:
        """One more attempt was in vain. Due again at `again_at`, delivery `failed`; None gives it up, delivery `dead`.

        Nothing changes when the task is another owner's by now, or is done, or when this attempt was counted already.
        """
        ...

    def next_due(self, routes: Sequence[str]) -> datetime | None:
        """When the next task that nobody holds is due, or a hold ends."""
        ...

    def deliveries(self, filter: Filter) -> list[Delivery]:
        """Those that match, oldest first."""
        ...

    def bodies(self, filter: Filter) -> Iterator[Body]:
        """Like `deliveries`, with their bytes, read in portions so that any number fits into memory."""
        ...

    def tasks_of(self, id: int) -> list[tuple[str, str, int, str | None]]:
        """Route, state, attempts and last error of each task of a delivery, by route."""
        ...

    def purge(self, before: datetime) -> int:
        """Remove deliveries received before, but for those that were not read yet or have a task that still waits; how
        many they were. In short transactions, so that nobody waits for it."""
        ...

    def probe(self) -> None:
        """Write a little, durably, that changes nothing. Raises StoreError when a delivery could not be stored now."""
        ...

    def close(self) -> None: ...
