"""The hash-chained record on PostgreSQL: the same records and the same hashes as in SQLite, in a schema of the store's own.

Its head is the row that every writer locks first, and it keeps the time of the last record.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

from codespar_cli.errors import IntegrityError
from codespar_cli.storage import chain_rows
from codespar_cli.storage.chain_rows import ChainHead, ChainRecord
from codespar_cli.storage.postgres import Server, Session

CHAIN_SCHEMA: LiteralString = """
CREATE TABLE chain (
    seq bigint PRIMARY KEY,
    at bigint NOT NULL,
    kind text COLLATE "C" NOT NULL,
    actor text COLLATE "C" NOT NULL,
    body text COLLATE "C" NOT NULL,
    previous bytea NOT NULL,
    hash bytea NOT NULL
);
CREATE TABLE chain_head (
    "only" integer PRIMARY KEY CHECK ("only" = 1),
    seq bigint NOT NULL,
    hash bytea NOT NULL,
    at bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO chain_head VALUES (1, 0, decode(repeat('00', 32), 'hex'), 0);
"""
"""Part of a store's first migration. The head is changed by every record: it has room on its page for many versions."""

HEAD: LiteralString = "SELECT at, seq, hash, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint FROM chain_head"
"""Time of the last record, its number and hash, and the server's clock; times in microseconds."""

LOCKED_HEAD: LiteralString = (
    "WITH chain_head AS MATERIALIZED (SELECT at, seq, hash FROM chain_head FOR UPDATE)"
    " SELECT at, seq, hash, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint FROM chain_head"
)
"""The same, locked. The clock is read when the lock is had, not when it was asked for."""

_APPEND: LiteralString = (
    "WITH added AS (INSERT INTO chain (seq, at, kind, actor, body, previous, hash) VALUES (%s, %s, %s, %s, %s, %s, %s))"
    " UPDATE chain_head SET seq = %s, hash = %s, at = %s"
)
_SELECT: LiteralString = "SELECT seq, at, kind, actor, body, previous, hash FROM chain WHERE seq >= %s ORDER BY seq"
_LOWEST = -(1 << 63)


def append(session: Session, row: chain_rows.Row) -> None:
    """Add a sealed row, in the transaction of the caller, who has the head."""
    session.execute(_APPEND, (*row, row[0], row[6], row[1]))


def verified(session: Session, name: str) -> Iterator[tuple[int, str, str, dict[str, Any]]]:
    """As chain.verified: every record, each checked before it is told. Raises IntegrityError."""
    return chain_rows.verified(_rows(session, _LOWEST), lambda: _head(session, name), name)


@dataclass(frozen=True, slots=True)
class ServerChain:
    """A chained record that is kept on a server."""

    name: str
    server: Server

    def verify(self) -> ChainHead:
        """Recompute the chain. Raises IntegrityError, StoreError."""
        with self._snapshot() as session:
            if session is None:
                return ChainHead(0, bytes(32).hex())
            for _ in verified(session, self.name):
                pass
            seq, digest = _head(session, self.name)
            return ChainHead(seq, digest.hex())

    def records(self, after: int = 0) -> Iterator[ChainRecord]:
        with self._snapshot() as session:
            if session is not None:
                yield from chain_rows.as_records(_rows(session, after + 1), self.name, after)

    @contextmanager
    def _snapshot(self) -> Iterator[Session | None]:
        with closing(self.server.twin()) as server, server.read() as session:
            if session is not None and session.rows("SELECT to_regclass('chain') IS NULL") != [(False,)]:
                raise IntegrityError(
                    f"the record `{self.name}` is gone from its store", code="chain_broken", file=server.place.name
                )
            yield session


def _rows(session: Session, first: int) -> Iterator[tuple[Any, ...]]:
    yield from session.batches(_SELECT, (first,))


def _head(session: Session, name: str) -> tuple[int, bytes]:
    return chain_rows.the_head(session.rows("SELECT seq, hash FROM chain_head"), name)
