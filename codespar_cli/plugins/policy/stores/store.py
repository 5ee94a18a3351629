"""What the ledger needs of a store: SQLite (sqlite_store.py), PostgreSQL (postgres_store.py), and memory for tests.

A store keeps counters, the entries of rolling ones, holds, requests for approval, and the chained record. It knows no rules and decides nothing:
whoever has a `Transaction` has the counters to himself until it ends, and all of it happens or nothing.
Moments are microseconds since the epoch, money millionths.
"""

from __future__ import annotations

from codespar_cli.core.light_typing import TYPE_CHECKING, Protocol
from codespar_cli.plugins.policy.stores.counters import CounterKey, CounterState, Hold, Record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import Any

    from codespar_cli.plugins.policy.approvals.approval import Approval


class Snapshot(Protocol):
    """A consistent view."""

    def latest(self) -> int:
        """The highest time this store has seen: that of its last record."""

    def state(self, key: CounterKey, now: int) -> CounterState:
        """A counter at `now`; one that was never touched is zero."""

    def states(self, keys: Sequence[CounterKey], now: int) -> list[CounterState]:
        """Several counters at once, in one trip to the store."""

    def reliefs(self, key: CounterKey, now: int) -> Iterator[tuple[int, int]]:
        """When, after `now`, how much of a counter becomes free by time alone, in order of time."""

    def keys(self, space: str, tenant: str) -> list[CounterKey]:
        """Every counter of a tenant."""

    def hold(self, id: str) -> Hold | None: ...

    def oldest_hold(self, space: str, tenant: str, agent: str, tool: str, now: int) -> Hold | None:
        """The oldest open hold; of those that have not expired, if there are any."""

    def approval(self, token: str) -> Approval | None: ...

    def approval_for(self, tenant: str, digest: str) -> Approval | None:
        """The newest request that is bound to this digest."""

    def approvals(self, tenant: str, after: int = -1) -> list[Approval]:
        """Every request of a tenant that expires after this moment, oldest first."""

    def waiting(self, tenant: str, agent: str, policy: str, after: int) -> int:
        """How many requests of an agent under this policy nobody has decided yet, of those that expire after this moment."""

    def clock(self, now: int) -> int:
        """The time to decide by: a server's own clock, so that machines need not agree; else `now`, the process's."""


class Transaction(Snapshot, Protocol):
    """The only writer."""

    def serial(self) -> int:
        """The number of the record that comes next: ids that begin with it are in the order in which they were made."""

    def count(self, key: CounterKey, amount: int, at: int, now: int) -> None:
        """Add to a counter what happened at `at`; entries that have left a rolling window by `now` are dropped.

        `amount` is at most 10**18; what makes a counter more than `FULL` is not kept."""

    def arrive(self, key: CounterKey, arrival: int) -> None:
        """Set a bucket's arrival time."""

    def take(self, hold: Hold, parts: Mapping[CounterKey, int]) -> None:
        """Open a hold on these counters, on each until the moment given."""

    def settle(self, hold: Hold, amount: int, now: int) -> list[CounterKey]:
        """Close a hold and count the amount, at the time of the hold, on the counters it was on."""

    def free(self, hold: Hold) -> None:
        """Release a hold: it holds nothing any more, and can still be settled late."""

    def put_approval(self, approval: Approval) -> None:
        """Keep a request, in place of the one with its token."""

    def keep_source(self, policy_hash: str, text: str) -> None:
        """Keep the text of a policy that decides here, so that its decisions can be replayed; once for each hash."""

    def record(self, at: int, kind: str, actor: str, body: Mapping[str, Any]) -> None:
        """Append to the chained record, at this time or the highest that was seen: the record never goes back."""

    def secret(self) -> bytes:
        """A random key of this store, for digests."""


class PolicyStore(Protocol):
    def write(self) -> AbstractContextManager[Transaction]:
        """Raises StoreError, StoreBusy, StoreCorrupt; leaving it without an error means it is durable."""

    def read(self) -> AbstractContextManager[Snapshot]: ...

    def check(self) -> None:
        """Raises StoreError or StoreCorrupt when it cannot be used."""

    def records(self, kinds: Collection[str] = ()) -> Iterator[Record]:
        """The chained record in order, of these kinds (all, when none is named), as one snapshot shows it.

        Raises IntegrityError at the first record that is not as it was written."""

    def source(self, policy_hash: str) -> str | None:
        """The text of a policy that has decided here."""
