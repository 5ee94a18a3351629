"""policy.db where nothing can be written beside it, as on a read-only mount."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from codespar_cli.errors import StoreError
from codespar_cli.plugins.policy.stores.sqlite_schema import SCHEMA


@contextmanager
def read_only(path: Path, reason: StoreError) -> Iterator[apsw.Connection]:
    """A connection that changes nothing on disk. Raises `reason` where there is none."""
    if not path.exists():
        raise reason
    log = path.with_name(path.name + "-wal")
    # Without a log to read nobody is writing, and SQLite need not make the files it coordinates writers with.
    immutable = "&immutable=1" if not log.exists() or log.stat().st_size == 0 else ""
    try:
        connection = apsw.Connection(
            f"{path.absolute().as_uri()}?mode=ro{immutable}", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        )
        version = next(iter(connection.execute("PRAGMA user_version")))[0]
        connection.execute("BEGIN")
    except apsw.Error:
        raise reason from None
    try:
        if version != len(SCHEMA.migrations):
            raise reason
        yield connection
    finally:
        connection.close()
