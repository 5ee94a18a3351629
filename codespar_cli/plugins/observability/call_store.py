"""The table of calls: one row a call, appended by any number of processes at once.

A row's id is given inside the write transaction, and SQLite has one of those at a time: ids become visible in their
own order, so that a reader who has seen an id has seen every lower one. Ids are never given twice either, since the
newest row is never removed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import apsw

from codespar_cli.core.clock import MICROSECOND, Clock, from_micros, to_micros
from codespar_cli.core.globs import matches
from codespar_cli.errors import CodesparError, StoreError
from codespar_cli.plugins.observability.admission import StoredRow
from codespar_cli.plugins.observability.removal import remove_rows
from codespar_cli.plugins.observability.rollup_schema import CREATE_ROLLUP
from codespar_cli.storage.private_files import reason
from codespar_cli.storage.sqlite import Database, Schema

if TYPE_CHECKING:
    from codespar_cli.plugins.observability.stores.metric_store import RowSource, SumSource

_CREATE = """
CREATE TABLE calls (
    id INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    project TEXT,
    session TEXT,
    agent TEXT NOT NULL,
    tool TEXT NOT NULL,
    latency_ms REAL NOT NULL,
    success INTEGER NOT NULL,
    error_type TEXT,
    cost INTEGER,
    cost_source TEXT NOT NULL,
    input_tokens INTEGER,
    output_tokens INTEGER,
    decision_id TEXT
) STRICT;
CREATE INDEX calls_by_time ON calls (time);
"""
_ADD_SIZES = """
ALTER TABLE calls ADD COLUMN server TEXT;
ALTER TABLE calls ADD COLUMN arguments_bytes INTEGER;
ALTER TABLE calls ADD COLUMN arguments_digest BLOB;
ALTER TABLE calls ADD COLUMN result_bytes INTEGER;
"""
COLUMNS = (
    "time, tenant, project, session, agent, tool, latency_ms, success, error_type, cost, cost_source, "
    "input_tokens, output_tokens, decision_id, server, arguments_bytes, arguments_digest, result_bytes"
)
_MARKS = ", ".join("?" * len(COLUMNS.split(",")))
_INSERT = f"INSERT INTO calls ({COLUMNS}) VALUES ({_MARKS})"  # noqa: S608  constants
_EXPIRED = "SELECT id FROM calls WHERE time < ? AND id < ? ORDER BY time LIMIT ?"
_SURPLUS = "SELECT id FROM calls WHERE id <= ? ORDER BY id LIMIT ?"
SCHEMA = Schema(application_id=0x43534D31, migrations=(_CREATE, _ADD_SIZES + CREATE_ROLLUP))

SWEEP_EVERY = 1000
"""A process looks for expired rows on its first write and then after so many: a tiny share of what writing costs."""
SWEEP_ROWS = 2000
"""What one look removes at most, so that nobody waits long for the write lock. It outpaces what was written since."""


class Retention(NamedTuple):
    """What is kept: rows not older than `age` by their own time, not more than `rows`, in a file of `size` bytes.

    None keeps everything.
    """

    age: timedelta | None = None
    rows: int | None = None
    size: int | None = None


KEEP_ALL = Retention()


class CallStore:
    """`calls` in one SQLite file. Every append is one transaction: whole or not at all, and committed when it returns."""

    def __init__(self, path: Path, *, clock: Clock, retention: Retention = KEEP_ALL) -> None:
        self.database = Database(path, SCHEMA, durability="normal", busy_wait_s=5.0)
        self._clock = clock
        self._retention = retention
        self._until_sweep = 0

    @property
    def place(self) -> str:
        return str(self.database.path)

    @property
    def exists(self) -> bool:
        """Whether there is anything to read. Raises StoreError when that cannot even be looked at."""
        try:
            return self.database.exists
        except OSError as error:
            raise StoreError(f"cannot be reached: {reason(error)}", file=str(self.database.path)) from error

    def append(self, row: StoredRow) -> None:
        """Raises StoreError."""
        with self.database.write() as connection:
            connection.execute(_INSERT, row)
        self._count(1)

    def append_all(self, rows: Sequence[StoredRow]) -> None:
        """All of them or none. Raises StoreError."""
        with self.database.write() as connection:
            connection.executemany(_INSERT, rows)
        self._count(len(rows))

    @contextmanager
    def snapshot(self) -> Iterator[apsw.Connection]:
        """A read transaction, to be left soon: an old snapshot keeps the log from being folded back."""
        with self.database.read() as connection:
            connection.create_scalar_function("matches", _matches, 2, deterministic=True)
            yield connection

    def last_id(self) -> int:
        """0 when there is no row."""
        if not self.exists:
            return 0
        return int(self.database.query("SELECT coalesce(max(id), 0) FROM calls")[0][0])

    def first_time(self) -> datetime | None:
        """The earliest time of any row."""
        first = self.database.query("SELECT min(time) FROM calls")[0][0] if self.exists else None
        return None if first is None else from_micros(first)

    def last_time(self) -> datetime | None:
        """When the newest row says it was made."""
        rows = self.database.query("SELECT time FROM calls ORDER BY id DESC LIMIT 1") if self.exists else []
        return from_micros(rows[0][0]) if rows else None

    def reader(self) -> RowSource:
        from codespar_cli.plugins.observability.row_reader import RowReader

        return RowReader(self)

    def sums(self) -> SumSource:
        from codespar_cli.plugins.observability.rollup import FileSums

        return FileSums(self)

    def close(self) -> None:
        self.database.close()

    def _count(self, appended: int) -> None:
        self._until_sweep -= appended
        if self._until_sweep > 0:
            return
        self._until_sweep = SWEEP_EVERY
        try:
            self.sweep()
        except CodesparError:
            pass  # the row is committed and its writer is owed an answer; the next look removes what this one could not

    def sweep(self) -> int:
        """Remove some of what retention no longer keeps, and say how many rows. Raises StoreError."""
        age, rows, size = self._retention
        newest = self.last_id()
        removed = 0
        if age is not None:
            # Older than any time there is: a retention of a million years is as good as none.
            oldest = max(to_micros(self._clock()) - age // MICROSECOND, to_micros(datetime.min.replace(tzinfo=UTC)))
            removed += self._remove(_EXPIRED, (oldest, newest, SWEEP_ROWS))
        if rows is not None:
            removed += self._remove(_SURPLUS, (max(newest - rows, 0), SWEEP_ROWS))
        if size is not None and self._used_bytes() > size:
            removed += self._remove(_SURPLUS, (newest - 1, SWEEP_ROWS))
        return removed

    def _used_bytes(self) -> int:
        """What rows and sums take of the file. Pages that were given back are written again before it grows."""
        sql = "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
        return int(self.database.query(sql)[0][0])

    def _remove(self, chosen: str, parameters: Sequence[int]) -> int:
        # Looked for outside of the write transaction: most of the time there is nothing, and nobody has to wait.
        if not self.database.query(f"SELECT 1 FROM ({chosen}) LIMIT 1", parameters):  # noqa: S608  constants
            return 0
        with self.database.write() as connection:
            return remove_rows(connection, chosen, parameters, to_micros(self._clock()))


def _matches(*arguments: Any) -> bool:
    pattern, name = arguments
    return matches(pattern, name)
