"""Recorded calls on a server in the order of their own times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, LiteralString

from codespar_cli.plugins.observability.anomalies.call_stream import PAGE, Newest
from codespar_cli.plugins.observability.stores.postgres_calls import PostgresCalls

__all__ = ["PostgresCallStream"]

_PAGE_SQL: LiteralString = (
    "SELECT time, id, tenant, agent, tool, latency_ms, success, cost FROM calls "
    "WHERE time <= %s AND (time, id) > (%s, %s) AND id <= %s ORDER BY time, id LIMIT %s"
)


class PostgresCallStream:
    """See `CallStream`."""

    def __init__(self, store: PostgresCalls) -> None:
        self._store = store

    def newest(self, until: int) -> Newest | None:
        rows = self._rows("SELECT (SELECT max(id) FROM calls), (SELECT max(time) FROM calls WHERE time <= %s)", until)
        return None if not rows or None in rows[0] else Newest(*rows[0])

    def time_of(self, id: int) -> int | None:
        return self._first("SELECT time FROM calls WHERE id = %s", id)

    def earliest_after(self, id: int, since: int) -> int | None:
        # With the sum the server does not walk the index of times from its beginning.
        return self._first("SELECT min(time + 0) FROM calls WHERE id > %s AND time + 0 >= %s", id, since)

    def start_of_last(self, count: int, until: int) -> int | None:
        return self._first("SELECT time FROM calls WHERE time <= %s ORDER BY time DESC LIMIT 1 OFFSET %s", until, count)

    def page(self, time: int, id: int, newest: Newest) -> Sequence[tuple[Any, ...]]:
        return self._rows(_PAGE_SQL, newest.time, time, id, newest.id, PAGE)

    def _first(self, statement: LiteralString, *values: int) -> int | None:
        rows = self._rows(statement, *values)
        return None if not rows or rows[0][0] is None else int(rows[0][0])

    def _rows(self, statement: LiteralString, *values: int) -> Sequence[tuple[Any, ...]]:
        with self._store.reading.read() as session:
            return session.rows(statement, values) if session is not None else []
