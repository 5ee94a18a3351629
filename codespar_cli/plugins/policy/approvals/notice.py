"""Telling people that a request for approval waits: beside the call, after the request is stored, at least once.

The agent's answer does not wait for it. A thread delivers; a process that ends gives it a few seconds. What could not be
delivered is tried again after the next request and by `codespar approvals list`: the store remembers who has been told.
"""

from __future__ import annotations

import atexit
import threading
from collections import deque
from collections.abc import Callable, Mapping

from codespar_cli.core.clock import Clock, from_micros, iso, iso_second, system_clock, to_micros
from codespar_cli.core.light_typing import TYPE_CHECKING, Protocol
from codespar_cli.core.services import Services
from codespar_cli.plugins.policy.approvals.approval import Approval
from codespar_cli.plugins.policy.stores.store import Snapshot
from codespar_cli.plugins.policy.stores.store_address import StoreAddress

if TYPE_CHECKING:
    from typing import Any, TypeAlias

Notify: TypeAlias = "Callable[[Approval], None]"
"""Must return at once and never raise: an agent waits for its answer."""

LINGER_S = 10.0
"""How long a process that ends waits for what is being delivered."""
_MOST_QUEUED = 256
_MOST_REMINDED = 20
# Younger than this, another process may be delivering it right now.
_OVERDUE_US = 15_000_000


class Undelivered(Exception):
    """Nobody was told. The message says why and is fit to be shown: no secret, no address beyond its host."""


class Channel(Protocol):
    """One way to reach people."""

    def deliver(self, approval: Approval) -> None:
        """Takes a bounded time. Raises Undelivered."""

    def problem(self) -> str | None:
        """What stands in the way of delivering anything, as far as a look can tell, and how to mend it."""


class Notifier:
    """A `Notify` over a channel. Safe to share between threads."""

    def __init__(self, address: StoreAddress, channel: Channel, *, clock: Clock = system_clock) -> None:
        self.channel = channel
        self._address = address
        self._clock = clock
        self._fresh: deque[Approval] = deque(maxlen=_MOST_QUEUED)
        self._lock = threading.Lock()
        self._worker: threading.Thread | None = None

    def __call__(self, approval: Approval) -> None:
        """Have it delivered soon."""
        try:
            with self._lock:
                self._fresh.append(approval)
                if self._worker is None or not self._worker.is_alive():
                    self._worker = threading.Thread(target=self._work, name="codespar-notify", daemon=True)
                    self._worker.start()
                    atexit.register(self.finish)
        except Exception:  # no thread to be had: it stays untold in the store, and is tried again
            self._worker = None

    def finish(self, seconds: float = LINGER_S) -> None:
        """Wait until everything is delivered or given up, but not longer than this."""
        worker = self._worker
        try:
            if worker is not None:
                worker.join(seconds)
        except KeyboardInterrupt:
            pass

    def remind(self, tenant: str, policy_hash: str) -> list[str]:
        """Try again what nobody has been told of, and say what failed. Raises StoreError."""
        for approval in self._overdue(tenant, policy_hash):
            if failure := self._tell(approval):
                return [f"{approval.token}: {failure}"]  # the next would fail alike
        return []

    def warning(self, snapshot: Snapshot, tenant: str, policy_hash: str) -> str | None:
        """What `plugins status` says where people are not told."""
        if problem := self.channel.problem():
            return problem
        count = len(self._untold(snapshot, tenant, policy_hash))
        noun = "requests wait" if count > 1 else "request waits"
        return f"{count} {noun} for approval that nobody has been told of" if count else None

    # ── the thread ──

    def _work(self) -> None:
        while (approval := self._next()) is not None:
            try:
                if self._tell(approval) is None:
                    self.remind(approval.tenant, approval.policy)
            except Exception:  # noqa: S112  it stays untold in the store, which is where `approvals list` looks
                continue

    def _next(self) -> Approval | None:
        with self._lock:
            if self._fresh:
                return self._fresh.popleft()
            self._worker = None
            atexit.unregister(self.finish)
            return None

    def _tell(self, approval: Approval) -> str | None:
        """Why it failed, or None."""
        try:
            self.channel.deliver(approval)
        except Undelivered as error:
            return str(error)
        except Exception as error:
            # The class alone: a message may hold an address or a secret.
            return f"the notifier failed: {type(error).__name__}"
        with self._address.store.write() as transaction:
            current = transaction.approval(approval.token)
            if current is not None:
                transaction.put_approval(current._replace(notified=True))
        return None

    def _overdue(self, tenant: str, policy_hash: str) -> list[Approval]:
        if not self._address.exists:
            return []
        with self._address.store.read() as snapshot:
            return self._untold(snapshot, tenant, policy_hash)[:_MOST_REMINDED]

    def _untold(self, snapshot: Snapshot, tenant: str, policy_hash: str) -> list[Approval]:
        now = max(snapshot.clock(to_micros(self._clock())), snapshot.latest())
        return [
            approval
            for approval in snapshot.approvals(tenant, after=now)
            if not approval.notified
            and approval.created_at <= now - _OVERDUE_US
            and approval.policy == policy_hash
            and approval.status(now) == "pending"
        ]


def notifier_of(options: Mapping[str, Any], services: Services, address: StoreAddress) -> Notifier | None:
    """What `[policy.notify]` asks for. Raises ConfigError."""
    table = options.get("notify")
    if not table:
        return None
    channel: Channel
    if "webhook" in table:
        from codespar_cli.plugins.policy.approvals.notify_webhook import Webhook

        channel = Webhook(table["webhook"], lambda: services.require(table["secret"], key="policy.notify.secret"))
    else:
        from codespar_cli.plugins.policy.approvals.notify_command import Command

        channel = Command.from_services(table["command"], services)
    return Notifier(address, channel, clock=services.clock)


def announcement(approval: Approval) -> dict[str, Any]:
    """One request as a notifier tells it: the same document for every channel."""
    return {
        "type": "approval.requested",
        "timestamp": iso(from_micros(approval.created_at)),
        "data": {
            "token": approval.token,
            "tenant": approval.tenant,
            "agent": approval.agent,
            "tool": approval.tool,
            "cost": approval.cost,
            "project": approval.project,
            "environment": approval.environment,
            "args": approval.preview,
            "args_complete": approval.complete,
            "args_hidden": approval.hidden,
            "needs": [
                {"rule_id": need.rule, "quorum": need.quorum, "approvers": list(need.approvers)}
                for need in approval.needs
            ],
            "requesters": list(approval.requesters),
            "also_denied": approval.also,
            "expires_at": iso_second(from_micros(approval.expires_at)),
            "policy_hash": approval.policy,
            "digest": approval.digest,
        },
    }
