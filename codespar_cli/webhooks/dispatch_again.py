"""Deliveries of the inbox to their routes once more: the only effect a replay can have on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from codespar_cli.core.clock import Clock
from codespar_cli.core.hooks import IntegrationEvent
from codespar_cli.webhooks.inbox.store import InboxStore
from codespar_cli.webhooks.outcome import Outcome
from codespar_cli.webhooks.payload import Payload
from codespar_cli.webhooks.told_event import told_of

Wanted: TypeAlias = Callable[[IntegrationEvent, str], Sequence[str]]


class DispatchAgain:
    """A deed of a replay. The event is recorded as it is read now; `serve` does the work."""

    def __init__(self, store: InboxStore, wanted: Wanted, clock: Clock) -> None:
        self._store = store
        self._wanted = wanted
        self._clock = clock

    def __call__(self, payload: Payload, outcome: Outcome) -> Outcome:
        """Raises StoreError."""
        if outcome.event is None or payload.delivery is None:
            return outcome
        routes = tuple(self._wanted(outcome.event, payload.tenant or ""))
        if not routes:
            return outcome._replace(routes=())
        try:
            told = told_of(outcome.event)
        except ValueError as error:
            return outcome._replace(status="failed", event=None, error=f"answered {error}")
        if not self._store.again(payload.delivery, routes, at=self._clock(), told=told):
            return outcome._replace(status="failed", error="it is not in the inbox any more")
        return outcome._replace(routes=routes)
