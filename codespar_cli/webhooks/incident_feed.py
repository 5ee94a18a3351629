"""Anomalies on the way of integration events: what opens or ends becomes a delivery of our own in the inbox.

There it is known by its id, as those of providers are: any number of receivers may tell of the same incident, as often as
they like, and each state of it is one delivery. Reading, routes and attempts are then the same for all.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from codespar_cli.core.administration.anomalies import Incident
from codespar_cli.core.blame import words_of
from codespar_cli.core.clock import Clock, iso, parse_moment
from codespar_cli.core.hooks import SEVERITIES, IntegrationEvent
from codespar_cli.core.text import clean_line
from codespar_cli.errors import CodesparError
from codespar_cli.server.app import Log
from codespar_cli.webhooks.inbox.delivery import Arrival
from codespar_cli.webhooks.inbox.store import InboxStore

PROVIDER = "codespar"
LOOK_EVERY_S = 15.0
RECENT = timedelta(days=3)
"""What changed before is no news. The inbox remembers deliveries for longer than that: none is told twice."""
_BATCH = 100


class OwnEvents:
    """Reads our own deliveries. It is in no table of connectors, and nobody outside can send one."""

    id = PROVIDER
    name = "codespar"

    async def handle_webhook(self, payload: Any, headers: Mapping[str, str]) -> IntegrationEvent | None:
        try:
            return _event(payload)
        except (KeyError, TypeError, ValueError):
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
        self._told: set[str] = set()

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

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
        now = self._clock()
        changes = {arrival.delivery_id: arrival for arrival in self._arrivals(now)}
        fresh = [arrival for name, arrival in changes.items() if name not in self._told]
        new = 0
        for start in range(0, len(fresh), _BATCH):
            accepted = self._store.accept(fresh[start : start + _BATCH])
            new += sum(each.verdict == "new" for each in accepted)
        self._told = {name for name in changes if name is not None}
        return new

    def _arrivals(self, now: datetime) -> Iterator[Arrival]:
        for incident in self._incidents():
            for state, at in (("opened", incident.started_at), ("resolved", incident.resolved_at)):
                if at is not None and now - at <= RECENT:
                    body = {"state": state, "tenant": incident.tenant, "incident": incident.document()}
                    if state == "opened":
                        # The same bytes whenever it is told: it may have ended since.
                        body["incident"] = {**incident.document(), "resolved_at": None}
                    raw = json.dumps(body, sort_keys=True).encode()
                    yield Arrival(incident.tenant, PROVIDER, f"{incident.id}:{state}", raw, (), now)


def _event(payload: Any) -> IntegrationEvent:
    """Raises KeyError, TypeError, ValueError."""
    state, incident = str(payload["state"]), payload["incident"]
    if state not in ("opened", "resolved"):
        raise ValueError(state)
    at = parse_moment(incident["started_at" if state == "opened" else "resolved_at"])
    severity = incident["severity"] if state == "opened" else "info"
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
        delivery_id=f"{incident['id']}:{state}",
        external_id=str(incident["id"]),
        native=incident,
    )
