"""The store of calls on PostgreSQL: rows of any number of machines in one place.

Every writer locks the head, takes its ids from there, and lets go when it commits. So ids become visible in their order,
whoever wrote them: a reader who has seen an id has seen every lower one, however long a commit took.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, LiteralString

from codespar_cli.core.clock import MICROSECOND, Clock, from_micros, to_micros
from codespar_cli.errors import CodesparError
from codespar_cli.plugins.observability.admission import StoredRow
from codespar_cli.plugins.observability.call_store import KEEP_ALL, SWEEP_EVERY, SWEEP_ROWS, Retention
from codespar_cli.plugins.observability.rollup_schema import HOUR_US
from codespar_cli.plugins.observability.stores.postgres_rows import INSERT, arrays

if TYPE_CHECKING:
    from codespar_cli.plugins.observability.stores.metric_store import RowSource, SumSource
    from codespar_cli.storage.postgres import Row, Server, Session

ROWS_AT_ONCE = 5_000
"""Rows of one statement: some tens of milliseconds, far from the deadline of a trip."""
MOST_SWEPT = 20_000
_ADVANCE: LiteralString = "UPDATE head SET newest = newest + %s"
_STATUS: LiteralString = "SELECT pg_xact_status(%s::text::xid8)"
_ENDS: LiteralString = (
    "SELECT newest, coalesce((SELECT min(id) FROM calls), newest + 1), (SELECT min(time) FROM calls) FROM head"
)
# A row with its header and its pointers in the table and two indexes; a cell likewise. Not the relations' own sizes: those
# do not shrink when rows are deleted, and all would be deleted for it.
_ROW_OVERHEAD, _CELL_BYTES = 48, 160
_WIDTHS: LiteralString = (
    "SELECT coalesce(avg(pg_column_size(latest)), 0)::bigint, pg_stat_get_live_tuples('cells'::regclass)"
    " FROM (SELECT * FROM calls ORDER BY id DESC LIMIT 1000) AS latest"
)
_EXPIRED: LiteralString = "SELECT id FROM calls WHERE time < %s AND id < %s ORDER BY time LIMIT %s"
_SURPLUS: LiteralString = "SELECT id FROM calls WHERE id <= %s ORDER BY id LIMIT %s"


class PostgresCalls:
    """`url` is asked for when it is needed. Two sessions at most: who reads for long must not make who writes wait."""

    def __init__(self, url: Callable[[], str], *, clock: Clock, retention: Retention = KEEP_ALL) -> None:
        self._url = url
        self._clock = clock
        self._retention = retention
        self._until_sweep = 0
        self._seen = False
        self._store: str | None = None
        self._in_doubt: tuple[str, Sequence[StoredRow]] | None = None

    @cached_property
    def writing(self) -> Server:
        from codespar_cli.plugins.observability.stores.postgres_schema import SCHEMA
        from codespar_cli.storage.postgres import Server

        return Server(self._url(), SCHEMA)

    @cached_property
    def reading(self) -> Server:
        return self.writing.twin()

    @property
    def place(self) -> str:
        server: Server | None = self.__dict__.get("writing")  # nobody asks for a secret to print a name
        return "postgresql" if server is None else server.place.name

    @property
    def exists(self) -> bool:
        if not self._seen:
            with self.reading.read() as session:
                self._seen = session is not None
        return self._seen

    def is_another(self, store: str) -> bool:
        """Whether this is not the store that was read before, but one that took its place."""
        before, self._store = self._store, store
        return before is not None and before != store

    def append(self, row: StoredRow) -> None:
        self.append_all([row])

    def append_all(self, rows: Sequence[StoredRow]) -> None:
        """All of them or none; where the server did not answer to the commit, that is found out when they come again."""
        ended: str | None = None
        try:
            with self.writing.write() as session:
                newest, _, number = session.first[0]
                self._insert(session, newest, self._still_missing(session, rows))
                ended = number
        except BaseException:
            if ended is not None:
                self._in_doubt = (ended, rows)
            raise
        self._count(len(rows))

    def first_time(self) -> datetime | None:
        return self._time("SELECT min(time) FROM calls")

    def last_time(self) -> datetime | None:
        return self._time("SELECT time FROM calls ORDER BY id DESC LIMIT 1")

    def reader(self) -> RowSource:
        from codespar_cli.plugins.observability.stores.postgres_reader import PostgresReader

        return PostgresReader(self)

    def sums(self) -> SumSource:
        from codespar_cli.plugins.observability.stores.postgres_sums import PostgresSums

        return PostgresSums(self)

    def close(self) -> None:
        for server in (self.__dict__.get("writing"), self.__dict__.get("reading")):
            if server is not None:
                server.close()

    # ── writing ──

    def _still_missing(self, session: Session, rows: Sequence[StoredRow]) -> Sequence[StoredRow]:
        """The rows without those of a transaction that had been committed after all. A buffer gives them first again."""
        if self._in_doubt is None:
            return rows
        number, doubtful = self._in_doubt
        if not (len(rows) >= len(doubtful) and all(map(_is, rows, doubtful))):
            return rows
        self._in_doubt = None
        # It held the lock that is now ours: it has ended, this way or the other.
        ((status,),) = session.rows(_STATUS, (number,))
        return rows[len(doubtful) :] if status == "committed" else rows

    def _insert(self, session: Session, newest: int, rows: Sequence[StoredRow]) -> None:
        for start in range(0, len(rows), ROWS_AT_ONCE):
            if start:
                session.rows("SELECT 1")  # until the rows before are there
                session.renew()
            session.execute(INSERT, (newest + start, *arrays(rows[start : start + ROWS_AT_ONCE])))
        session.execute(_ADVANCE, (len(rows),))

    def _time(self, statement: LiteralString) -> datetime | None:
        with self.reading.read() as session:
            rows: list[Row] = session.rows(statement) if session is not None else []
        return from_micros(rows[0][0]) if rows and rows[0][0] is not None else None

    # ── retention ──

    def _count(self, appended: int) -> None:
        self._until_sweep -= appended
        if self._until_sweep > 0:
            return
        at_once = min(max(2 * -self._until_sweep, SWEEP_ROWS), MOST_SWEPT)
        self._until_sweep = SWEEP_EVERY
        try:
            self.sweep(at_once)
        except CodesparError:
            pass  # the rows are committed and their writer is owed an answer; the next look removes what this one could not

    def sweep(self, at_once: int = SWEEP_ROWS) -> int:
        """At most `at_once` rows for each limit. Raises StoreError."""
        if self._retention == KEEP_ALL:
            return 0
        return sum(self._remove(chosen, (*values, at_once)) for chosen, values in self._unwanted())

    def _unwanted(self) -> list[tuple[LiteralString, tuple[int, ...]]]:
        """Which rows to remove, as far as there are any. Looked for without the lock: most of the time there are none."""
        with self.writing.read() as session:
            if session is None:
                return []
            newest, oldest, earliest = session.rows(_ENDS)[0]
            if earliest is None:
                return []
            age, rows, size = self._retention
            found: list[tuple[LiteralString, tuple[int, ...]]] = []
            if age is not None and earliest < (limit := self._limit(age // MICROSECOND)):
                found.append((_EXPIRED, (limit, newest)))
            if rows is not None and oldest <= newest - rows:
                found.append((_SURPLUS, (newest - rows,)))
            if size is not None and oldest < newest:
                width, cells = session.rows(_WIDTHS)[0]
                if (newest - oldest + 1) * (width + _ROW_OVERHEAD) + cells * _CELL_BYTES > size:
                    found.append((_SURPLUS, (newest - 1,)))
            return found

    def _limit(self, age: int) -> int:
        # Older than any time there is: a retention of a million years is as good as none.
        return max(to_micros(self._clock()) - age, to_micros(datetime.min.replace(tzinfo=UTC)))

    def _remove(self, chosen: LiteralString, values: tuple[int, ...]) -> int:
        with self.writing.write() as session:
            return int(session.rows(_removal(chosen), values)[0][0])


def _is(one: object, other: object) -> bool:
    return one is other


def _removal(chosen: LiteralString) -> LiteralString:
    """Delete the chosen rows. The hours they were counted in lose their cells, and are read as rows from then on."""
    return (
        "WITH gone AS (DELETE FROM calls WHERE id IN (" + chosen + ") RETURNING time),"  # noqa: S608  constants
        " touched AS (UPDATE hours SET stale = true WHERE NOT stale AND hour IN"
        f" (SELECT DISTINCT {hour_sql('time')} FROM gone) RETURNING hour),"
        " emptied AS (DELETE FROM cells WHERE hour IN (SELECT hour FROM touched))"
        " SELECT count(*) FROM gone"
    )


def hour_sql(column: LiteralString) -> LiteralString:
    return floor_sql(column, HOUR_US)


def floor_sql(column: LiteralString, unit: int) -> LiteralString:
    """The beginning of the period that a time lies in; also before 1970, where `mod` is negative."""
    return f"({column} - mod(mod({column}, {unit}) + {unit}, {unit}))"
