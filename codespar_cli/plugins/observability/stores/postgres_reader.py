"""Rows on a server in the order of their ids, a page at a time, in transactions that are short whatever is asked for."""

from __future__ import annotations

from typing import LiteralString

from codespar_cli.core.administration.metrics import MetricFilter, MetricPage, RowRange
from codespar_cli.core.clock import to_micros
from codespar_cli.plugins.observability.row_reader import as_metric_row
from codespar_cli.plugins.observability.stores.postgres_calls import PostgresCalls
from codespar_cli.plugins.observability.stores.postgres_rows import COLUMNS
from codespar_cli.plugins.observability.stores.postgres_selection import select
from codespar_cli.storage.postgres import Session

WINDOW = 100_000
"""How many ids one statement looks at: some tens of milliseconds."""
_RECENT = 100_000
_ENDS: LiteralString = "SELECT newest, coalesce((SELECT min(id) FROM calls), newest + 1), store::text FROM head"
# Materialized, or the server would walk the ids from their beginning until it finds a row that is young enough.
_FIRST: LiteralString = (
    "WITH recent AS MATERIALIZED (SELECT id FROM calls WHERE time >= %s ORDER BY time DESC LIMIT %s)"
    " SELECT count(*), min(id) FROM recent"
)


class PostgresReader:
    """Reads of one store."""

    def __init__(self, store: PostgresCalls) -> None:
        self._store = store

    def page(self, wanted: MetricFilter, after: int, upto: int | None, limit: int) -> MetricPage:
        """At most `limit` rows from one window of ids. A cursor into a store that another took the place of is void."""
        chosen = select(wanted)
        with self._store.reading.read() as session:
            if session is None:
                return MetricPage((), 0, complete=True)
            newest, oldest, store = session.rows(_ENDS)[0]
            if upto is None and (after > newest or self._store.is_another(store)):
                after = 0
            start = _first_after(session, wanted, after, oldest, newest)
            newest = newest if upto is None else min(newest, upto)
            if newest <= start:
                return MetricPage((), max(after, newest), complete=True)
            end = min(newest, start + WINDOW)
            limit = min(limit, end - start)
            rows = session.rows(
                f"SELECT id, {COLUMNS} FROM calls WHERE id > %s AND id <= %s{chosen.sql} ORDER BY id LIMIT %s",  # noqa: S608
                (start, end, *chosen.parameters, limit),
            )
        cursor = rows[-1][0] if len(rows) == limit else end
        return MetricPage([as_metric_row(row) for row in rows], cursor, complete=cursor == newest)

    def last(self, wanted: MetricFilter, count: int) -> RowRange:
        """The range of the last `count` wanted rows; one window of ids is looked at after the other, backwards."""
        chosen = select(wanted)
        statement = f"SELECT id FROM calls WHERE id > %s AND id <= %s{chosen.sql} ORDER BY id DESC LIMIT %s"  # noqa: S608  own SQL
        with self._store.reading.read() as session:
            if session is None:
                return RowRange(0, 0)
            newest, oldest, store = session.rows(_ENDS)[0]
            self._store.is_another(store)
            count = min(count, newest)
            if count <= 0:
                return RowRange(newest, newest)
            first = _first_after(session, wanted, 0, oldest, newest)
            end = newest
            while True:
                session.renew()
                start = max(first, end - WINDOW)
                found = session.rows(statement, (start, end, *chosen.parameters, count))
                count -= len(found)
                if count == 0:
                    return RowRange(found[-1][0] - 1, newest)
                if start <= first:
                    return RowRange(start, newest)
                end = start


def _first_after(session: Session, wanted: MetricFilter, after: int, oldest: int, newest: int) -> int:
    """The id after which a wanted row may come: skips what is removed, and what is too old if few are not."""
    start = max(after, oldest - 1)
    if wanted.since is not None and after < oldest <= newest:
        count, first = session.rows(_FIRST, (to_micros(wanted.since), _RECENT))[0]
        if count < _RECENT:
            start = newest if first is None else max(start, first - 1)
    return start
