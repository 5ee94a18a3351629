"""Hash-chained records: an append-only log in which no record can be edited, removed or reordered unnoticed.

A plugin appends inside its own transaction, so that an act and its record are one. Each record's hash covers its
content and the hash before it; the head row remembers the last one, so that a cut tail is noticed as well. Whoever can
rewrite the whole file can rewrite the whole chain: print the head with `codespar audit verify` and keep it elsewhere.
"""

from __future__ import annotations

import apsw

from codespar_cli.core.clock import to_micros
from codespar_cli.core.light_typing import TYPE_CHECKING
from codespar_cli.storage import chain_rows
from codespar_cli.storage.chain_rows import ChainHead, ChainRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from typing import Any

__all__ = ["CHAIN_SCHEMA", "ChainHead", "ChainRecord", "append", "head", "read", "verified", "verify"]

CHAIN_SCHEMA = """
CREATE TABLE chain (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    body TEXT NOT NULL,
    previous BLOB NOT NULL,
    hash BLOB NOT NULL
) STRICT;
CREATE TABLE chain_head (only INTEGER PRIMARY KEY CHECK (only = 1), seq INTEGER NOT NULL, hash BLOB NOT NULL) STRICT;
INSERT INTO chain_head VALUES (1, 0, zeroblob(32));
"""
"""Part of a store's first migration. `at` is in microseconds since the epoch, `body` canonical JSON."""

_INSERT = "INSERT INTO chain (seq, at, kind, actor, body, previous, hash) VALUES (?, ?, ?, ?, ?, ?, ?)"
_SELECT = "SELECT seq, at, kind, actor, body, previous, hash FROM chain WHERE seq >= ? ORDER BY seq LIMIT ?"
_LOWEST = -(1 << 63)


def append(
    connection: apsw.Connection,
    *,
    at: datetime | int,
    kind: str,
    actor: str,
    body: Mapping[str, Any],
    head: tuple[int, bytes] | None = None,
) -> ChainHead:
    """Add a record in the caller's open write transaction; it is in the log exactly if that transaction commits.

    `at` may be given in microseconds, and `head`, the number and hash of the last record, by who has just read it."""
    last = _head(connection, None) if head is None else head
    row = chain_rows.sealed(last, at if isinstance(at, int) else to_micros(at), kind, actor, body)
    connection.execute(_INSERT, row)
    connection.execute("UPDATE chain_head SET seq = ?, hash = ?", (row[0], row[6]))
    return ChainHead(row[0], row[6].hex())


def read(
    connection: apsw.Connection, *, after: int = 0, limit: int = -1, name: str | None = None
) -> Iterator[ChainRecord]:
    """Records in order, from `after` on (exclusive). Raises IntegrityError at one that is none."""
    return chain_rows.as_records(_rows(connection, after + 1, limit), name, after)


def head(connection: apsw.Connection, name: str | None = None) -> ChainHead:
    """Raises IntegrityError when there is none."""
    seq, digest = _head(connection, name)
    return ChainHead(seq, digest.hex())


def verify(connection: apsw.Connection, name: str) -> ChainHead:
    """Recompute every hash. Raises IntegrityError naming the first record that is not as it was written."""
    for _ in verified(connection, name):
        pass
    return head(connection, name)


def verified(connection: apsw.Connection, name: str) -> Iterator[tuple[int, str, str, dict[str, Any]]]:
    """Time in microseconds, kind, actor and body of every record, each checked before it is told, the head after the
    last. Raises IntegrityError as `verify` does."""
    # Unbounded below, since a record may have been moved to any number.
    return chain_rows.verified(_rows(connection, _LOWEST, -1), lambda: _head(connection, name), name)


def _rows(connection: apsw.Connection, first: int, limit: int) -> Iterator[tuple[Any, ...]]:
    # A generator, so that SQLite is asked, and may fail, only where damage is told.
    yield from connection.execute(_SELECT, (first, limit))


def _head(connection: apsw.Connection, name: str | None) -> tuple[int, bytes]:
    return chain_rows.the_head(list(connection.execute("SELECT seq, hash FROM chain_head")), name)
