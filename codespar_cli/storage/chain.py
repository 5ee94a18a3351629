"""Hash-chained records: an append-only log in which no record can be edited, removed or reordered unnoticed.

A plugin appends inside its own transaction, so that an act and its record are one. Each record's hash covers its
content and the hash before it; the head row remembers the last one, so that a cut tail is noticed as well. Whoever can
rewrite the whole file can rewrite the whole chain: print the head with `codespar audit verify` and keep it elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import apsw

from codespar_cli.core.clock import from_micros, to_micros
from codespar_cli.errors import IntegrityError

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

_DOMAIN = b"codespar chain 1"
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode
_INSERT = "INSERT INTO chain (seq, at, kind, actor, body, previous, hash) VALUES (?, ?, ?, ?, ?, ?, ?)"
_SELECT = "SELECT seq, at, kind, actor, body, previous, hash FROM chain WHERE seq >= ? ORDER BY seq LIMIT ?"
_Row: TypeAlias = tuple[int, int, str, str, str, bytes, bytes]
_TYPES = (int, int, str, str, str, bytes, bytes)
_LOWEST = -(1 << 63)
# Text that is not UTF-8 or not JSON (or too deep to be ours), a time beyond the calendar.
_UNREADABLE = (ValueError, OverflowError, RecursionError)


@dataclass(frozen=True, slots=True)
class ChainRecord:
    seq: int
    at: datetime
    kind: str
    actor: str
    body: Mapping[str, Any]
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class ChainHead:
    seq: int
    hash: str


def append(connection: apsw.Connection, *, at: datetime, kind: str, actor: str, body: Mapping[str, Any]) -> ChainHead:
    """Add a record in the caller's open write transaction; it is in the log exactly if that transaction commits."""
    last, previous = _head(connection, None)
    seq, micros = last + 1, to_micros(at)
    text = _canonical(body)
    digest = _digest(seq, micros, kind, actor, text, previous)
    connection.execute(_INSERT, (seq, micros, kind, actor, text, previous, digest))
    connection.execute("UPDATE chain_head SET seq = ?, hash = ?", (seq, digest))
    return ChainHead(seq, digest.hex())


def read(
    connection: apsw.Connection, *, after: int = 0, limit: int = -1, name: str | None = None
) -> Iterator[ChainRecord]:
    """Records in order, from `after` on (exclusive). Raises IntegrityError at one that is none."""
    for row, at, body in _rows(connection, after, limit, name):
        seq, _, kind, actor, _, previous, digest = row
        yield ChainRecord(seq, at, kind, actor, body, previous.hex(), digest.hex())


def head(connection: apsw.Connection, name: str | None = None) -> ChainHead:
    """Raises IntegrityError when there is none."""
    seq, digest = _head(connection, name)
    return ChainHead(seq, digest.hex())


def verify(connection: apsw.Connection, name: str) -> ChainHead:
    """Recompute every hash. Raises IntegrityError naming the first record that is not as it was written."""
    expected, previous = 1, bytes(32)
    for row, _, _ in _rows(connection, None, -1, name):
        seq, at, kind, actor, body, before, digest = row
        if seq != expected:
            raise _broken(name, f"record {expected} is missing")
        if before != previous:
            raise _broken(name, f"record {seq} does not follow record {seq - 1}")
        if digest != _digest(seq, at, kind, actor, body, before):
            raise _broken(name, f"record {seq} was edited")
        expected, previous = seq + 1, digest
    last, tip = _head(connection, name)
    if last >= expected:
        raise _broken(name, f"the last {last - expected + 1} of {last} records are missing")
    if (last, tip) != (expected - 1, previous):
        raise _broken(name, "its head does not match its last record")
    return ChainHead(last, tip.hex())


def _rows(
    connection: apsw.Connection, after: int | None, limit: int, name: str | None
) -> Iterator[tuple[_Row, datetime, dict[str, Any]]]:
    """Rows whose every value is of the kind that was written: damage may turn any into any other."""
    # Unbounded below to verify, since a record may have been moved to any number.
    bounds = (_LOWEST if after is None else after + 1, limit)
    place = f"the first record after {after or 0}"
    try:
        for row in connection.execute(_SELECT, bounds):
            place = f"record {row[0]}"
            body = json.loads(row[4]) if tuple(map(type, row)) == _TYPES else None
            if not isinstance(body, dict):
                raise _broken(name, f"{place} is damaged")
            yield row, from_micros(row[1]), body
            place = f"the record after {row[0]}"
    except _UNREADABLE as error:
        raise _broken(name, f"{place} is damaged: {str(error).lower()}") from error


def _head(connection: apsw.Connection, name: str | None) -> tuple[int, bytes]:
    heads = list(connection.execute("SELECT seq, hash FROM chain_head"))
    if len(heads) != 1:
        raise _broken(name, "its head is missing")
    last, tip = heads[0]
    if type(last) is not int or type(tip) is not bytes:
        raise _broken(name, "its head is damaged")
    return last, tip


def _digest(seq: int, at: int, kind: str, actor: str, body: str, previous: bytes) -> bytes:
    parts = (_DOMAIN, b"%d" % seq, b"%d" % at, kind.encode(), actor.encode(), body.encode(), previous)
    # Length-prefixed, so that no two different records read as the same bytes.
    return hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).digest()


def _broken(name: str | None, finding: str) -> IntegrityError:
    return IntegrityError(
        f"the record {f'`{name}` ' if name else ''}is broken: {finding}",
        code="chain_broken",
        hint="keep the file; codespar audit export shows what it still says",
    )
