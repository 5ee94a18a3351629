"""Rows in the order of their ids, a page at a time, in read transactions that are short whatever is asked for."""

from __future__ import annotations

import apsw

from codespar_cli.core.administration.metrics import MetricFilter, MetricPage, MetricRow, RowRange
from codespar_cli.core.clock import from_micros, to_micros
from codespar_cli.plugins.observability.call_store import COLUMNS, CallStore
from codespar_cli.plugins.observability.money import from_micro_units
from codespar_cli.plugins.observability.selection import Selection, select
from codespar_cli.storage.sqlite import Row

WINDOW = 100_000
"""How many ids one read transaction looks at: some tens of milliseconds."""

# Two subqueries, since SQLite answers a lone max() or min() from the tree's edge but scans for both at once.
_ENDS = "SELECT coalesce((SELECT max(id) FROM calls), 0), coalesce((SELECT min(id) FROM calls), 1)"


class RowReader:
    """Reads of one store. Nothing is kept between two calls but what the caller passes: a cursor is an id."""

    def __init__(self, store: CallStore) -> None:
        self._store = store

    def page(self, wanted: MetricFilter, after: int, upto: int | None, limit: int) -> MetricPage:
        """At most `limit` rows from one window of ids.

        Without an end, of the file that is at the path now: a cursor into one that was removed or replaced is void, and
        reading begins again. A range with an end is read from the file in which it was found.
        """
        if upto is None and self._store.database.leave_stale_file():
            after = 0
        if not self._store.exists:
            return MetricPage((), 0, complete=True)
        chosen = select(wanted)
        with self._store.snapshot() as connection:
            newest, start = bounds(connection, wanted, after)
            newest = newest if upto is None else min(newest, upto)
            if newest <= start:
                return MetricPage((), max(after, newest), complete=True)
            end = min(newest, start + WINDOW)
            limit = min(limit, end - start)
            rows = list(connection.execute(_page_sql(chosen), (start, end, *chosen.parameters, limit)))
        cursor = rows[-1][0] if len(rows) == limit else end
        return MetricPage([as_metric_row(row) for row in rows], cursor, complete=cursor == newest)

    def last(self, wanted: MetricFilter, count: int) -> RowRange:
        """The range of the last `count` wanted rows; one window of ids is looked at after the other, backwards."""
        newest = self._store.last_id()
        count = min(count, newest)
        if count <= 0:
            return RowRange(newest, newest)
        chosen = select(wanted)
        with self._store.snapshot() as connection:
            _, first = bounds(connection, wanted, 0)
        end = newest
        while True:
            with self._store.snapshot() as connection:
                start = max(first, end - WINDOW)
                found = list(connection.execute(_backwards_sql(chosen), (start, end, *chosen.parameters, count)))
            count -= len(found)
            if count == 0:
                return RowRange(found[-1][0] - 1, newest)
            if start <= first:
                return RowRange(start, newest)
            end = start


def bounds(connection: apsw.Connection, wanted: MetricFilter, after: int) -> tuple[int, int]:
    """The newest id there is, and the id after which a wanted row may come: skips what is too old or removed."""
    newest, oldest = _only(connection, _ENDS)
    start = max(after, oldest - 1)
    if wanted.since is not None and after < oldest <= newest:
        recent = "SELECT min(id) FROM calls INDEXED BY calls_by_time WHERE time >= ?"
        (first,) = _only(connection, recent, (to_micros(wanted.since),))
        start = newest if first is None else max(start, first - 1)
    return newest, start


def _only(connection: apsw.Connection, sql: str, parameters: tuple[int, ...] = ()) -> Row:
    return next(iter(connection.execute(sql, parameters)))


def _page_sql(chosen: Selection) -> str:
    columns = f"id, {COLUMNS}"
    return f"SELECT {columns} FROM calls WHERE id > ? AND id <= ?{chosen.sql} ORDER BY id LIMIT ?"  # noqa: S608  own SQL


def _backwards_sql(chosen: Selection) -> str:
    return f"SELECT id FROM calls WHERE id > ? AND id <= ?{chosen.sql} ORDER BY id DESC LIMIT ?"  # noqa: S608  own SQL


def as_metric_row(row: Row) -> MetricRow:
    identity, time, tenant, project, session, agent, tool, latency_ms, success, error_type, cost, *rest = row
    return MetricRow(
        identity,
        from_micros(time),
        tenant,
        project,
        session,
        agent,
        tool,
        latency_ms,
        bool(success),
        error_type,
        from_micro_units(cost),
        *rest,
    )
