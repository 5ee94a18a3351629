"""The inbox on PostgreSQL, for receivers on several machines.

Nobody waits for a writer of something else: unique indexes keep a delivery from being stored twice, a delivery's row is
locked before its tasks are changed, and who claims tasks passes by those that another is about to claim.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any, LiteralString

from codespar_cli.core.clock import from_micros, to_micros
from codespar_cli.errors import StoreBusy
from codespar_cli.storage.postgres import Row, Server, Session
from codespar_cli.webhooks.inbox.delivery import Arrival, Body, Delivery, Filter, Reading, Task, Told
from codespar_cli.webhooks.inbox.filter_sql import EVENT_TYPES, Dialect, conditions
from codespar_cli.webhooks.inbox.inbox_rows import (
    DELIVERY,
    body_from,
    check_storable,
    columns_of,
    delivery_from,
    is_number,
    portions,
    result_of,
    storable,
)
from codespar_cli.webhooks.inbox.postgres_accept import Overtaken, accept
from codespar_cli.webhooks.inbox.postgres_inbox_schema import SCHEMA
from codespar_cli.webhooks.inbox.store import Accepted

_PURGED_AT_ONCE = 200
_TRIES = 16  # each time another receiver has got ahead
_DIALECT = Dialect("= ANY(?)", lambda values: values)
_SELECT: LiteralString = f"SELECT {DELIVERY} FROM delivery LEFT JOIN event ON event.delivery = delivery.id"  # noqa: S608
_BODIES: LiteralString = (
    f"SELECT {DELIVERY}, body.raw, body.headers FROM delivery JOIN body ON body.delivery = delivery.id"  # noqa: S608
    " LEFT JOIN event ON event.delivery = delivery.id WHERE delivery.id = ANY(%s) ORDER BY delivery.id"
)
_UNREAD: LiteralString = "SELECT id, size FROM delivery WHERE unread ORDER BY id LIMIT %s"
_LOCK: LiteralString = "SELECT id FROM delivery WHERE id = ANY(%s) ORDER BY id FOR UPDATE"
_READ: LiteralString = (
    "UPDATE delivery SET unread = false, status = reading.status, error = reading.error,"
    " event_type = reading.event_type, severity = reading.severity, title = reading.title, url = reading.url"
    " FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])"
    " AS reading (id, status, error, event_type, severity, title, url)"
    " WHERE delivery.id = reading.id AND (delivery.unread OR delivery.status = 'suspected_replay')"
    " RETURNING delivery.id"
)
_TOLD: LiteralString = "UPDATE delivery SET event_type = %s, severity = %s, title = %s, url = %s WHERE id = %s"
_PUT_EVENTS: LiteralString = (
    "INSERT INTO event (delivery, event) SELECT * FROM unnest(%s::bigint[], %s::text[])"
    " ON CONFLICT (delivery) DO UPDATE SET event = excluded.event"
)
_PUT_TASKS: LiteralString = (
    "INSERT INTO task (delivery, route, state, attempts, due_at, free_at)"
    " SELECT delivery, route, 'waiting', 0, %s, %s FROM unnest(%s::bigint[], %s::text[]) AS wanted (delivery, route)"
    " ORDER BY delivery, route"
    " ON CONFLICT (delivery, route) DO UPDATE SET state = 'waiting', attempts = 0, due_at = excluded.due_at,"
    " free_at = excluded.free_at, owner = NULL, error = NULL"
    " WHERE NOT (task.state = 'waiting' AND task.owner IS NOT NULL AND task.free_at > excluded.due_at)"
)
# See `InboxStore`: the status follows from the tasks. What went wrong is told while it matters.
_SETTLE: LiteralString = (
    "UPDATE delivery SET unread = false, status = settled.status, attempts = settled.attempts,"
    " error = CASE WHEN settled.status IN ('failed', 'dead') THEN coalesce(%s::text, error) END"
    " FROM (SELECT CASE WHEN count(*) FILTER (WHERE state = 'dead') > 0 THEN 'dead'"
    " WHEN count(*) FILTER (WHERE state = 'waiting' AND attempts > 0) > 0 THEN 'failed'"
    " WHEN count(*) FILTER (WHERE state = 'waiting') > 0 THEN 'received' ELSE 'dispatched' END AS status,"
    " coalesce(max(attempts), 0) AS attempts FROM task WHERE delivery = %s) AS settled WHERE delivery.id = %s"
)
_CLAIM: LiteralString = (
    "WITH free AS (SELECT found.* FROM unnest(%s::text[]) AS wanted (route) CROSS JOIN LATERAL"
    " (SELECT delivery, task.route, attempts, due_at, free_at FROM task WHERE state = 'waiting'"
    " AND task.route = wanted.route AND free_at <= %s ORDER BY free_at, delivery LIMIT %s FOR UPDATE SKIP LOCKED)"
    " AS found),"
    " chosen AS (SELECT * FROM free ORDER BY free_at, delivery, route LIMIT %s),"
    " held AS (UPDATE task SET owner = %s, free_at = %s FROM chosen"
    " WHERE task.delivery = chosen.delivery AND task.route = chosen.route RETURNING task.delivery)"
    " SELECT delivery, route, attempts, due_at FROM chosen ORDER BY free_at, delivery, route"
)
_RENEW: LiteralString = (
    "WITH mine AS (SELECT task.delivery, task.route FROM task JOIN unnest(%s::bigint[], %s::text[])"
    " AS asked (delivery, route) USING (delivery, route) WHERE owner = %s AND state = 'waiting'"
    " ORDER BY task.delivery, task.route FOR UPDATE OF task)"
    " UPDATE task SET free_at = %s FROM mine WHERE task.delivery = mine.delivery AND task.route = mine.route"
)
_RELEASE: LiteralString = (
    "WITH theirs AS (SELECT delivery, route FROM task WHERE owner IS NOT NULL AND starts_with(owner, %s)"
    " ORDER BY delivery, route FOR UPDATE)"
    " UPDATE task SET owner = NULL, free_at = due_at FROM theirs"
    " WHERE task.delivery = theirs.delivery AND task.route = theirs.route"
)
_DONE: LiteralString = (
    "UPDATE task SET state = 'done', attempts = attempts + 1, owner = NULL, error = NULL"
    " WHERE delivery = %s AND route = %s AND state <> 'done' RETURNING delivery"
)
_FAILED: LiteralString = (
    "UPDATE task SET state = %s, attempts = attempts + 1, due_at = %s, free_at = %s, owner = NULL, error = %s"
    " WHERE delivery = %s AND route = %s AND state = 'waiting' AND attempts = %s AND (owner IS NULL OR owner = %s)"
    " RETURNING delivery"
)
_NEXT: LiteralString = (
    "SELECT min(earliest) FROM unnest(%s::text[]) AS wanted (route) CROSS JOIN LATERAL"
    " (SELECT min(free_at) AS earliest FROM task WHERE state = 'waiting' AND task.route = wanted.route) AS found"
)
_OLD: LiteralString = (
    "SELECT received_at, id FROM delivery WHERE (received_at, id) > (%s, %s) AND received_at < %s AND NOT unread"
    " AND NOT EXISTS (SELECT 1 FROM task WHERE task.delivery = delivery.id AND state = 'waiting')"
    " ORDER BY received_at, id LIMIT %s"
)
# Locked first, and looked at again: a person may just have asked for tasks anew.
_REMOVE: LiteralString = (
    "WITH gone AS (DELETE FROM delivery WHERE id = ANY(%s) AND NOT EXISTS"
    " (SELECT 1 FROM task WHERE task.delivery = delivery.id AND state = 'waiting') RETURNING id),"
    " tasks AS (DELETE FROM task WHERE delivery IN (SELECT id FROM gone)),"
    " events AS (DELETE FROM event WHERE delivery IN (SELECT id FROM gone)),"
    " bodies AS (DELETE FROM body WHERE delivery IN (SELECT id FROM gone)) SELECT count(*) FROM gone"
)


class PostgresInbox:
    """Connects on first use; arrivals have a connection of their own, behind which no reading or dispatching waits."""

    def __init__(self, url: str) -> None:
        self.server = Server(url, SCHEMA)
        self._arrivals = self.server.twin()
        self._url = url

    @property
    def exists(self) -> bool:
        with self.server.read() as session:
            return session is not None

    def close(self) -> None:
        self.server.close()
        self._arrivals.close()

    # ── arriving and reading ──

    def accept(self, arrivals: Sequence[Arrival]) -> list[Accepted]:
        for arrival in arrivals:
            check_storable(arrival)
        digests = [arrival.digest for arrival in arrivals]
        for _ in range(_TRIES if arrivals else 0):
            try:
                with self._arrivals.write() as session:
                    return accept(session, arrivals, digests)
            except Overtaken:
                continue
        if not arrivals:
            return []
        raise StoreBusy("other receivers kept storing the same deliveries", file=self.server.place.name)

    def unread(self, limit: int) -> list[Body]:
        with self.server.read() as session:
            if session is None:
                return []
            found: Any = session.rows(_UNREAD, (limit,))
            ids = next(portions(found, limit), [])
            return [body_from(row) for row in session.rows(_BODIES, (ids,))] if ids else []

    def read(
        self, id: int, told: Told | None, routes: Sequence[str], *, at: datetime, error: str | None = None
    ) -> bool:
        return self.read_all([Reading(id, told, tuple(routes), error)], at=at) == 1

    def read_all(self, readings: Sequence[Reading], *, at: datetime) -> int:
        if not readings:
            return 0
        with self.server.write() as session:
            return _read(session, readings, to_micros(at))

    def again(self, id: int, routes: Sequence[str], *, at: datetime, told: Told | None = None) -> bool:
        if not is_number(id):
            return False
        with self.server.write() as session:
            if not session.rows(_LOCK, ([id],)):
                return False
            if told is not None:
                session.execute(_TOLD, (*columns_of(told), id))
                session.execute(_PUT_EVENTS, ([id], [storable(told.event)]))
            elif not session.rows("SELECT 1 FROM event WHERE delivery = %s", (id,)):
                return False
            _put_tasks(session, [(id, route) for route in set(routes)], to_micros(at))
            session.execute(_SETTLE, (None, id, id))
        return True

    # ── tasks ──

    def claim(self, owner: str, routes: Sequence[str], limit: int, *, now: datetime, lease: timedelta) -> list[Task]:
        wanted, moment = list(dict.fromkeys(routes)), to_micros(now)
        with self.server.write() as session:
            rows = session.rows(_CLAIM, (wanted, moment, limit, limit, owner, to_micros(now + lease)))
        return [
            Task(delivery, route, attempts, from_micros(due_at), owner) for delivery, route, attempts, due_at in rows
        ]

    def renew(self, owner: str, tasks: Sequence[Task], *, now: datetime, lease: timedelta) -> None:
        deliveries, routes = [task.delivery for task in tasks], [task.route for task in tasks]
        with self.server.write() as session:
            session.execute(_RENEW, (deliveries, routes, owner, to_micros(now + lease)))

    def release(self, owner_prefix: str) -> None:
        with self.server.write() as session:
            session.execute(_RELEASE, (owner_prefix,))

    def done(self, task: Task) -> None:
        with self.server.write() as session:
            session.execute(_LOCK, ([task.delivery],))
            if session.rows(_DONE, (task.delivery, task.route)):
                session.execute(_SETTLE, (None, task.delivery, task.delivery))

    def failed(self, task: Task, error: str, *, again_at: datetime | None) -> None:
        state, due_at = ("dead", task.due_at) if again_at is None else ("waiting", again_at)
        words, due = storable(error), to_micros(due_at)
        with self.server.write() as session:
            session.execute(_LOCK, ([task.delivery],))
            if session.rows(_FAILED, (state, due, due, words, task.delivery, task.route, task.attempts, task.owner)):
                session.execute(_SETTLE, (words, task.delivery, task.delivery))

    def next_due(self, routes: Sequence[str]) -> datetime | None:
        rows = self._looked_up(_NEXT, (list(dict.fromkeys(routes)),))
        return from_micros(rows[0][0]) if rows and rows[0][0] is not None else None

    def tasks_of(self, id: int) -> list[tuple[str, str, int, str | None]]:
        if not is_number(id):
            return []
        found: Any = self._looked_up(
            "SELECT route, state, attempts, error FROM task WHERE delivery = %s ORDER BY route", (id,)
        )
        return list(found)

    # ── looking ──

    def deliveries(self, filter: Filter) -> list[Delivery]:
        return [delivery_from(row) for row in self._found(_SELECT, filter)]

    def bodies(self, filter: Filter) -> Iterator[Body]:
        found: Any = self._found("SELECT delivery.id, delivery.size FROM delivery", filter)
        for ids in portions(found):
            for row in self._looked_up(_BODIES, (ids,)):
                yield body_from(row)

    def purge(self, before: datetime) -> int:
        last: tuple[int, int] = (-(1 << 63), 0)
        removed = 0
        while True:
            found: Any = self._looked_up(_OLD, (*last, to_micros(before), _PURGED_AT_ONCE))
            if found:
                ids = sorted(number for _, number in found)
                with self.server.write() as session:
                    session.execute(_LOCK, (ids,))
                    ((gone,),) = session.rows(_REMOVE, (ids,))
                removed += gone
            if len(found) < _PURGED_AT_ONCE:
                return removed
            last = found[-1]

    def probe(self) -> None:
        with self._arrivals.write() as session:
            # A commit is synced only where something was written before it; a number of its own is not enough.
            session.rows("SELECT pg_logical_emit_message(true, 'codespar', '')")

    # ── inside ──

    def _looked_up(self, statement: LiteralString, parameters: Sequence[Any]) -> list[Row]:
        with self.server.read() as session:
            return [] if session is None else session.rows(statement, parameters)

    def _found(self, select: LiteralString, filter: Filter) -> list[Row]:
        """The rows of a query over deliveries that match, oldest first; through a connection that nobody waits for."""
        with closing(self.server.twin()) as server, server.read() as session:
            if session is None:
                return []

            def event_types() -> list[Any]:
                return [name for (name,) in session.rows(EVENT_TYPES)]

            where, parameters = conditions(filter, _DIALECT, event_types)
            wanted: LiteralString = where.replace("?", "%s")
            if filter.last is None:
                return list(session.batches(f"{select} WHERE {wanted} ORDER BY delivery.id", parameters))
            newest: LiteralString = f"{select} WHERE {wanted} ORDER BY delivery.id DESC LIMIT %s"
            return list(session.batches(newest, (*parameters, filter.last)))[::-1]


def _read(session: Session, readings: Sequence[Reading], at: int) -> int:
    by_id: dict[int, Reading] = {}
    for reading in readings:
        if is_number(reading.id):
            by_id.setdefault(reading.id, reading)  # of two for the same, the first counts
    if not by_id:
        return 0
    session.execute(_LOCK, (sorted(by_id),))
    rows = [(reading.id, *result_of(reading)) for reading in by_id.values()]
    first = [by_id[number] for (number,) in session.rows(_READ, _columns(rows))]
    told = [(reading.id, storable(reading.told.event)) for reading in first if reading.told is not None]
    if told:
        session.execute(_PUT_EVENTS, _columns(told))
    tasks = [(reading.id, route) for reading in first if reading.told for route in set(reading.routes)]
    _put_tasks(session, tasks, at)
    return len(first)


def _put_tasks(session: Session, tasks: Sequence[tuple[int, str]], at: int) -> None:
    if tasks:
        session.execute(_PUT_TASKS, (at, at, *_columns(tasks)))


def _columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
