"""Anomalies on the way of integration events: what opens or ends becomes a delivery of our own in the inbox.

There it is known by its id, as those of providers are: any number of receivers may tell of the same incident, as often as
they like, and each state of it is one delivery. Reading, routes and attempts are then the same for all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any

from codespar_cli.core.administration.anomalies import Incident
from codespar_cli.core.blame import words_of
from codespar_cli.core.clock import Clock, iso, parse_moment
from codespar_cli.core.hooks import SEVERITIES, IntegrationEvent
from codespar_cli.core.text import clean_line
from codespar_cli.errors import CodesparError
from codespar_cli.server.app import Log
from codespar_cli.webhooks.background import beside
from codespar_cli.webhooks.inbox.delivery import Arrival, Filter
from codespar_cli.webhooks.inbox.store import InboxStore
from codespar_cli.webhooks.told_incidents import News, ToldIncident, ToldIncidents, delivery_id, taken_back

PROVIDER = "codespar"
LOOK_EVERY_S = 15.0
GONE = timedelta(hours=1)
"""What was told as open and is no incident any more for so long is told as ended."""
GONE_UNSEEN = timedelta(days=1)
"""The same for what this process never saw itself: the receiver that told it may read other calls."""
REMEMBERED = timedelta(days=35)
"""How far back what was told is read: as far as incidents are."""
_SKEW = timedelta(hours=1)
"""By how much the clocks of receivers may differ."""
_BATCH = 100


class OwnEvents:
    """Reads our own deliveries. It is in no table of connectors, and nobody outside can send one."""

    id = PROVIDER
    name = "codespar"

    async def handle_webhook(self, payload: Any, headers: Mapping[str, str]) -> IntegrationEvent | None:
        try:
            return _event(payload)
        except (KeyError, OverflowError, TypeError, ValueError):
            return None


class IncidentFeed:
    """`incidents` answers those that there are, and may take its time. `alive` is a `Life` of server.app."""

    def __init__(
        self,
        incidents: Callable[[], Sequence[Incident]],
        store: InboxStore,
        *,
        clock: Clock,
        log: Log,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._incidents = incidents
        self._store = store
        self._clock = clock
        self._log = log
        self._look_every_s = look_every_s
        self._told = ToldIncidents()
        self._read_from: datetime | None = None
        self._seen: set[str] = set()
        self._missing: dict[str, datetime] = {}

    def alive(self) -> AbstractAsyncContextManager[None]:
        return beside(self._run())

    async def _run(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self.look)
            except CodesparError as error:
                self._log(f"anomalies cannot be told: {error}")
            except Exception as error:  # another's plugin may raise anything, and must not end this for good
                self._log(f"anomalies cannot be told: {type(error).__name__}: {clean_line(words_of(error), 200)}")
            await asyncio.sleep(self._look_every_s)

    def look(self) -> int:
        """Tell of what has changed. How many states of incidents were new to the inbox. Raises StoreError."""
        incidents, now = self._incidents(), self._clock()
        self._recall(now)
        news, met, gone = self._told.beside(incidents, now)
        self._seen = {each.id for each in incidents} | met | {each.id for each in gone if each.id in self._seen}
        news += self._taken_back(gone, now)
        new = 0
        for start in range(0, len(news), _BATCH):
            portion = news[start : start + _BATCH]
            accepted = self._store.accept(
                [Arrival(each.tenant, PROVIDER, each.delivery_id, each.body(), (), now) for each in portion]
            )
            new += sum(each.verdict == "new" for each in accepted)
        return new

    def _recall(self, now: datetime) -> None:
        """Read what was told since the last look, by whomever."""
        since = now - REMEMBERED if self._read_from is None else self._read_from
        for delivery, raw, _ in self._store.bodies(Filter(provider=PROVIDER, since=since)):
            if delivery.delivery_id is not None:
                self._told.add(raw, delivery.delivery_id, delivery.tenant, delivery.received_at)
        self._told.forget(now - REMEMBERED)
        self._read_from = now - _SKEW

    def _taken_back(self, gone: Sequence[ToldIncident], now: datetime) -> list[News]:
        """What has been missing for long enough."""
        self._missing = {each.id: self._missing.get(each.id, now) for each in gone}
        patience = {each.id: GONE if each.id in self._seen else GONE_UNSEEN for each in gone}
        return [taken_back(each, now) for each in gone if now - self._missing[each.id] > patience[each.id]]


def _event(payload: Any) -> IntegrationEvent:
    """Raises KeyError, OverflowError, TypeError, ValueError."""
    state, incident = str(payload["state"]), payload["incident"]
    if state not in ("opened", "escalated", "resolved"):
        raise ValueError(state)
    moments = {"opened": incident["started_at"], "escalated": payload.get("at"), "resolved": incident["resolved_at"]}
    at = parse_moment(moments[state])
    severity = "info" if state == "resolved" else incident["severity"]
    who = [f"{name} {clean_line(str(incident[name]), 256)}" for name in ("tool", "agent") if incident[name]]
    lasted = f"since {incident['started_at']}"
    if state == "resolved":
        lasted = f"from {incident['started_at']} to {iso(at)}"
    return IntegrationEvent(
        source=PROVIDER,
        event_type=f"anomaly.{state}",
        severity=severity if severity in SEVERITIES else "info",
        title=clean_line(str(incident["explanation"]), 300) or state,
        detail=f"{incident['kind']}: {', '.join(who) or 'all calls'}, {lasted}",
        occurred_at=at,
        delivery_id=delivery_id(state, incident, int(payload.get("episode", 1))),
        external_id=str(incident["id"]),
        native=incident,
    )
