"""What the inbox keeps, as values.

A delivery arrives as an `Arrival`, is given a number, and is `received` until its event was read from it. An event that
routes want becomes one `Task` for each of them; the delivery is `dispatched` when all of them are done.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

from codespar_cli.core.hashing import sha256

Status: TypeAlias = Literal["received", "dispatched", "ignored", "failed", "dead", "suspected_replay"]
STATUSES: tuple[Status, ...] = ("received", "dispatched", "ignored", "failed", "dead", "suspected_replay")
"""`received`: not read yet, or its tasks are under way. `dispatched`: every route has had it, or none wanted it.
`ignored`: verified, and no event. `failed`: a route failed and will be tried again. `dead`: a route was given up.
`suspected_replay`: bytes that came before under another id; kept, never dispatched by itself."""

Verdict: TypeAlias = Literal["new", "duplicate", "suspected_replay"]
TaskState: TypeAlias = Literal["waiting", "done", "dead"]


class Arrival(NamedTuple):
    """A delivery on its way in. `raw` are the bytes as received; `headers` those worth keeping, as pairs.

    `delivery_id` is the provider's id of it, or None; then the bytes stand for it. `verified` is the receiver's judgement:
    False where nothing was verified, by the operator's own word.
    """

    tenant: str
    provider: str
    delivery_id: str | None
    raw: bytes
    headers: tuple[tuple[str, str], ...]
    received_at: datetime
    verified: bool = True

    @property
    def digest(self) -> bytes:
        """SHA-256 of the raw body."""
        return sha256(self.raw)


class Told(NamedTuple):
    """What was read from a delivery: the event as JSON text, and what lists and filters need of it."""

    event: str
    event_type: str
    severity: str
    title: str
    url: str | None


class Reading(NamedTuple):
    """What reading the delivery `id` came to: an event for these routes; no event; or an `error` of the connector."""

    id: int
    told: Told | None
    routes: tuple[str, ...] = ()
    error: str | None = None


class Delivery(NamedTuple):
    """A row of the inbox. `id` grows with arrival and is never given twice. `attempts` is the highest count among its
    tasks, `error` what the last attempt in vain said, or the connector that broke. `verified` is as of the arrival."""

    id: int
    tenant: str
    provider: str
    delivery_id: str | None
    status: Status
    received_at: datetime
    attempts: int = 0
    told: Told | None = None
    error: str | None = None
    verified: bool = True


class Body(NamedTuple):
    """A delivery with what came over the wire."""

    delivery: Delivery
    raw: bytes
    headers: tuple[tuple[str, str], ...]


class Task(NamedTuple):
    """One delivery for one route. `attempts` were made so far; it was due at `due_at`; `owner` is who claimed it."""

    delivery: int
    route: str
    attempts: int
    due_at: datetime
    owner: str = ""


class Filter(NamedTuple):
    """Which deliveries: every field that is set must hold. `event` is a glob (core.globs) over the event type; `last`
    counts from the newest, that is the highest id. `since` is inclusive, `until` is not."""

    ids: tuple[int, ...] = ()
    tenant: str | None = None
    provider: str | None = None
    event: str | None = None
    status: Status | None = None
    since: datetime | None = None
    until: datetime | None = None
    last: int | None = None
