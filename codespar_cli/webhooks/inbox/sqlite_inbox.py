"""The inbox on SQLite: inbox.db in the state directory, for one machine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import apsw

from codespar_cli.core.clock import from_micros, to_micros
from codespar_cli.storage.sqlite import Database, Row
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
from codespar_cli.webhooks.inbox.sqlite_accept import accept
from codespar_cli.webhooks.inbox.sqlite_inbox_schema import FILE, RARE, SCHEMA
from codespar_cli.webhooks.inbox.store import Accepted

_PURGED_AT_ONCE = 200
# Eight megabytes: pages of the indexes that many arrivals touch are then moved into the file once, not once for each.
_LOG_PAGES = 2048
_DIALECT = Dialect("IN (SELECT value FROM json_each(?))", json.dumps, RARE)
_SELECT = f"SELECT {DELIVERY} FROM delivery LEFT JOIN event ON event.delivery = delivery.id"  # noqa: S608  our own
_BODIES = (
    f"SELECT {DELIVERY}, body.raw, body.headers FROM delivery JOIN body ON body.delivery = delivery.id"  # noqa: S608
    " LEFT JOIN event ON event.delivery = delivery.id"
    " WHERE delivery.id IN (SELECT value FROM json_each(?)) ORDER BY delivery.id"
)
_UNREAD = "SELECT id, size FROM delivery WHERE unread = 1 ORDER BY id LIMIT ?"
_READ = (
    "UPDATE delivery SET unread = 0, status = ?, error = ?, event_type = ?, severity = ?, title = ?, url = ?"
    " WHERE id = ? AND (unread = 1 OR status = 'suspected_replay')"
)
_TOLD = "UPDATE delivery SET event_type = ?, severity = ?, title = ?, url = ? WHERE id = ?"
_IS_THERE = "SELECT 1 FROM delivery WHERE id = ?"
_HAS_EVENT = "SELECT 1 FROM event WHERE delivery = ?"
_PUT_EVENT = (
    "INSERT INTO event (delivery, event) VALUES (?, ?) ON CONFLICT (delivery) DO UPDATE SET event = excluded.event"
)
_PUT_TASK = (
    "INSERT INTO task (delivery, route, state, attempts, due_at, free_at) VALUES (?1, ?2, 'waiting', 0, ?3, ?3)"
    " ON CONFLICT (delivery, route) DO UPDATE SET"
    " state = 'waiting', attempts = 0, due_at = ?3, free_at = ?3, owner = NULL, error = NULL"
    " WHERE NOT (state = 'waiting' AND owner IS NOT NULL AND free_at > ?3)"
)
# See `InboxStore`: the status follows from the tasks. What went wrong is told while it matters.
_SETTLE = (
    "UPDATE delivery SET unread = 0, status = settled.status, attempts = settled.attempts,"
    " error = CASE WHEN settled.status IN ('failed', 'dead') THEN coalesce(?1, error) END"
    " FROM (SELECT CASE WHEN count(*) FILTER (WHERE state = 'dead') > 0 THEN 'dead'"
    " WHEN count(*) FILTER (WHERE state = 'waiting' AND attempts > 0) > 0 THEN 'failed'"
    " WHEN count(*) FILTER (WHERE state = 'waiting') > 0 THEN 'received' ELSE 'dispatched' END AS status,"
    " coalesce(max(attempts), 0) AS attempts FROM task WHERE delivery = ?2) AS settled WHERE delivery.id = ?2"
)
_FREE = (
    "SELECT free_at, delivery, route, attempts, due_at FROM task"
    " WHERE state = 'waiting' AND route = ? AND free_at <= ? ORDER BY free_at, delivery LIMIT ?"
)
_HOLD = "UPDATE task SET owner = ?, free_at = ? WHERE delivery = ? AND route = ?"
_RENEW = "UPDATE task SET free_at = ? WHERE delivery = ? AND route = ? AND owner = ? AND state = 'waiting'"
_RELEASE = (
    "UPDATE task SET owner = NULL, free_at = due_at WHERE owner IS NOT NULL AND substr(owner, 1, length(?1)) = ?1"
)
_DONE = (
    "UPDATE task SET state = 'done', attempts = attempts + 1, owner = NULL, error = NULL"
    " WHERE delivery = ? AND route = ? AND state <> 'done'"
)
_FAILED = (
    "UPDATE task SET state = ?1, attempts = attempts + 1, due_at = ?2, free_at = ?2, owner = NULL, error = ?3"
    " WHERE delivery = ?4 AND route = ?5 AND state = 'waiting' AND attempts = ?6 AND (owner IS NULL OR owner = ?7)"
)
_NEXT = "SELECT min(free_at) FROM task WHERE state = 'waiting' AND route = ?"
_OLD = (
    "SELECT received_at, id FROM delivery WHERE (received_at, id) > (?, ?) AND received_at < ? AND unread = 0"
    " AND NOT EXISTS (SELECT 1 FROM task WHERE task.delivery = delivery.id AND state = 'waiting')"
    " ORDER BY received_at, id LIMIT ?"
)
_REMOVE = tuple(
    f"DELETE FROM {table} WHERE {key} IN (SELECT value FROM json_each(?))"  # noqa: S608  our own constants
    for table, key in (("task", "delivery"), ("event", "delivery"), ("body", "delivery"), ("delivery", "id"))
)


class SqliteInbox:
    """Opened on first use. One process needs only one: it is shared between threads."""

    def __init__(self, state_dir: Path, name: str = FILE) -> None:
        self.database = Database(state_dir / name, SCHEMA, log_pages=_LOG_PAGES)

    @property
    def exists(self) -> bool:
        return self.database.exists

    def close(self) -> None:
        self.database.close()

    # ── arriving and reading ──

    def accept(self, arrivals: Sequence[Arrival]) -> list[Accepted]:
        for arrival in arrivals:
            check_storable(arrival)
        digests = [arrival.digest for arrival in arrivals]
        if not arrivals:
            return []
        with self.database.write() as connection:
            return accept(connection, arrivals, digests)

    def unread(self, limit: int) -> list[Body]:
        if not self.exists:
            return []
        with self.database.read() as connection:
            found: Any = connection.execute(_UNREAD, (limit,))
            ids = next(portions(found, limit), [])
            return [body_from(row) for row in connection.execute(_BODIES, (json.dumps(ids),))]

    def read(
        self, id: int, told: Told | None, routes: Sequence[str], *, at: datetime, error: str | None = None
    ) -> bool:
        return self.read_all([Reading(id, told, tuple(routes), error)], at=at) == 1

    def read_all(self, readings: Sequence[Reading], *, at: datetime) -> int:
        if not readings or not self.exists:
            return 0
        with self.database.write() as connection:
            return sum(_read(connection, reading, to_micros(at)) for reading in readings)

    def again(self, id: int, routes: Sequence[str], *, at: datetime, told: Told | None = None) -> bool:
        if not self.exists:
            return False
        with self.database.write() as connection:
            known = _HAS_EVENT if told is None else _IS_THERE
            if not is_number(id) or not list(connection.execute(known, (id,))):
                return False
            if told is not None:
                _tell(connection, id, told)
            _put_tasks(connection, id, routes, to_micros(at))
            connection.execute(_SETTLE, (None, id))
        return True

    # ── tasks ──

    def claim(self, owner: str, routes: Sequence[str], limit: int, *, now: datetime, lease: timedelta) -> list[Task]:
        moment = to_micros(now)
        if not self.exists or not self._any_free(routes, moment):
            return []
        with self.database.write() as connection:
            free = [row for route in dict.fromkeys(routes) for row in connection.execute(_FREE, (route, moment, limit))]
            chosen: list[Any] = sorted(free)[:limit]
            until = to_micros(now + lease)
            connection.executemany(_HOLD, [(owner, until, delivery, route) for _, delivery, route, *_ in chosen])
        return [
            Task(delivery, route, attempts, from_micros(due_at), owner)
            for _, delivery, route, attempts, due_at in chosen
        ]

    def renew(self, owner: str, tasks: Sequence[Task], *, now: datetime, lease: timedelta) -> None:
        until = to_micros(now + lease)
        with self._writing() as connection:
            connection.executemany(_RENEW, [(until, task.delivery, task.route, owner) for task in tasks])

    def release(self, owner_prefix: str) -> None:
        if self.exists:
            with self._writing() as connection:
                connection.execute(_RELEASE, (owner_prefix,))

    def done(self, task: Task) -> None:
        with self._writing() as connection:
            connection.execute(_DONE, (task.delivery, task.route))
            if connection.changes():
                connection.execute(_SETTLE, (None, task.delivery))

    def failed(self, task: Task, error: str, *, again_at: datetime | None) -> None:
        state, due_at = ("dead", task.due_at) if again_at is None else ("waiting", again_at)
        words = storable(error)
        with self._writing() as connection:
            connection.execute(
                _FAILED, (state, to_micros(due_at), words, task.delivery, task.route, task.attempts, task.owner)
            )
            if connection.changes():
                connection.execute(_SETTLE, (words, task.delivery))

    def next_due(self, routes: Sequence[str]) -> datetime | None:
        earliest = self._earliest(routes)
        return None if earliest is None else from_micros(earliest)

    def tasks_of(self, id: int) -> list[tuple[str, str, int, str | None]]:
        if not self.exists or not is_number(id):
            return []
        found: Any = self.database.query(
            "SELECT route, state, attempts, error FROM task WHERE delivery = ? ORDER BY route", (id,)
        )
        return list(found)

    # ── looking ──

    def deliveries(self, filter: Filter) -> list[Delivery]:
        if not self.exists:
            return []
        with self.database.read() as connection:
            return [delivery_from(row) for row in _found(connection, _SELECT, filter)]

    def bodies(self, filter: Filter) -> Iterator[Body]:
        if not self.exists:
            return
        with self.database.read() as connection:
            found: Any = _found(connection, "SELECT delivery.id, delivery.size FROM delivery", filter)
        for ids in portions(found):
            for row in self.database.query(_BODIES, (json.dumps(ids),)):
                yield body_from(row)

    def purge(self, before: datetime) -> int:
        last: tuple[int, int] = (-(1 << 63), 0)
        removed = 0
        while self.exists:
            with self.database.write() as connection:
                found: Any = list(connection.execute(_OLD, (*last, to_micros(before), _PURGED_AT_ONCE)))
                ids = json.dumps([number for _, number in found])
                for statement in _REMOVE if found else ():
                    connection.execute(statement, (ids,))
            removed += len(found)
            if len(found) < _PURGED_AT_ONCE:
                break
            last = found[-1]
        return removed

    def probe(self) -> None:
        with self.database.write() as connection:
            ((version,),) = connection.execute("PRAGMA user_version")
            connection.execute(
                f"PRAGMA user_version = {int(str(version))}"
            )  # a page is written, though it stays the same

    # ── inside ──

    def _writing(self) -> AbstractContextManager[apsw.Connection]:
        return self.database.write()

    def _any_free(self, routes: Sequence[str], moment: int) -> bool:
        earliest = self._earliest(routes)
        return earliest is not None and earliest <= moment

    def _earliest(self, routes: Sequence[str]) -> int | None:
        """Looked up without a write transaction, behind which others would have to wait."""
        if not self.exists:
            return None
        with self.database.read() as connection:
            found: Any = [row[0] for route in dict.fromkeys(routes) for row in connection.execute(_NEXT, (route,))]
        return min((at for at in found if at is not None), default=None)


def _found(connection: apsw.Connection, select: str, filter: Filter) -> list[Row]:
    """The rows of a query over deliveries that match, oldest first."""

    def event_types() -> list[Any]:
        return [name for (name,) in connection.execute(EVENT_TYPES)]

    where, parameters = conditions(filter, _DIALECT, event_types)
    if filter.last is None:
        return list(connection.execute(f"{select} WHERE {where} ORDER BY delivery.id", parameters))
    newest = f"{select} WHERE {where} ORDER BY delivery.id DESC LIMIT ?"
    return list(connection.execute(newest, (*parameters, filter.last)))[::-1]


def _read(connection: apsw.Connection, reading: Reading, at: int) -> int:
    if not is_number(reading.id):
        return 0
    connection.execute(_READ, (*result_of(reading), reading.id))
    if not connection.changes():
        return 0
    if reading.told is not None:
        connection.execute(_PUT_EVENT, (reading.id, storable(reading.told.event)))
        _put_tasks(connection, reading.id, reading.routes, at)
    return 1


def _tell(connection: apsw.Connection, id: int, told: Told) -> None:
    connection.execute(_TOLD, (*columns_of(told), id))
    connection.execute(_PUT_EVENT, (id, storable(told.event)))


def _put_tasks(connection: apsw.Connection, id: int, routes: Sequence[str], at: int) -> None:
    connection.executemany(_PUT_TASK, [(id, route, at) for route in dict.fromkeys(routes)])
