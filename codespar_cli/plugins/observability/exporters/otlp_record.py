"""What became of calls that were to be exported, over all processes: `plugins status` asks in another one than recorded.

Written by the exporter's own thread, and only when something went wrong or is well again.
"""

from __future__ import annotations

from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from codespar_cli.core.clock import from_micros, to_micros
from codespar_cli.errors import StoreError
from codespar_cli.storage.private_files import reason
from codespar_cli.storage.sqlite import Database, Schema

FILE_NAME = "otlp.db"
_CREATE = """
CREATE TABLE delivery (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    dropped INTEGER NOT NULL,
    failure TEXT,
    failed_at INTEGER,
    sent_at INTEGER
) STRICT;
INSERT INTO delivery VALUES (1, 0, NULL, NULL, NULL);
"""
SCHEMA = Schema(application_id=0x43534F54, migrations=(_CREATE,))


class Delivery(NamedTuple):
    """`dropped` calls never arrived. `failure` is what went wrong last, None since something arrived."""

    dropped: int = 0
    failure: str | None = None
    failed_at: datetime | None = None


class DeliveryRecord:
    """Safe to share between threads and processes."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE_NAME
        self._database = Database(self._path, SCHEMA, durability="normal", busy_wait_s=1.0)

    @property
    def exists(self) -> bool:
        """Whether anything ever went wrong. Raises StoreError when that cannot be looked at."""
        try:
            return self._database.exists
        except OSError as error:
            raise StoreError(f"cannot be reached: {reason(error)}", file=str(self._path)) from error

    def failed(self, dropped: int, failure: str | None, now: datetime) -> None:
        """Raises StoreError."""
        with self._database.write() as connection:
            connection.execute(
                "UPDATE delivery SET dropped = dropped + ?, failure = ifnull(?, failure), failed_at = ifnull(?, failed_at)",
                (dropped, failure, None if failure is None else to_micros(now)),
            )

    def arrived(self, now: datetime) -> None:
        """Raises StoreError."""
        if self.exists and self.read().failure is not None:
            with self._database.write() as connection:
                connection.execute("UPDATE delivery SET failure = NULL, sent_at = ?", (to_micros(now),))

    def read(self) -> Delivery:
        """Raises StoreError."""
        if not self.exists:
            return Delivery()
        ((dropped, failure, failed_at),) = self._database.query("SELECT dropped, failure, failed_at FROM delivery")
        return Delivery(dropped, failure, None if failed_at is None else from_micros(failed_at))

    def close(self) -> None:
        self._database.close()


def delivery(directory: Path) -> Delivery:
    """From the record in this directory. Raises StoreError."""
    with closing(DeliveryRecord(directory)) as record:
        return record.read()
