"""The tables of `pins.db`, and their rows: what is pinned, and what was last seen.

Each definition is kept beside its SHA-256, and each server beside a seal over all of its pins: damage that leaves a sound
SQLite file, such as a row that was taken out, is still found.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from codespar_cli.core.clock import from_micros
from codespar_cli.plugins.observability.drift.fingerprint import digest, set_digest
from codespar_cli.storage.sqlite import Schema
from codespar_cli.storage.sqlite_errors import corrupt

_CREATE = """
CREATE TABLE servers (
    server TEXT PRIMARY KEY,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    version TEXT,
    seen TEXT NOT NULL,
    seal TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE pins (
    server TEXT NOT NULL REFERENCES servers ON DELETE CASCADE,
    tool TEXT NOT NULL,
    whole TEXT NOT NULL,
    definition TEXT NOT NULL,
    expected INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    pinned_at INTEGER NOT NULL,
    approved_by TEXT,
    approved_at INTEGER,
    version TEXT,
    PRIMARY KEY (server, tool)
) STRICT;
CREATE TABLE seen (
    server TEXT NOT NULL REFERENCES servers ON DELETE CASCADE,
    tool TEXT NOT NULL,
    whole TEXT NOT NULL,
    definition TEXT NOT NULL,
    PRIMARY KEY (server, tool)
) STRICT;
"""
SCHEMA = Schema(application_id=0x43535031, migrations=(_CREATE,))


class PinRow(NamedTuple):
    """One pin. `expected`: it is one of the tools that the server had at first sight, or that were approved since."""

    tool: str
    whole: str
    definition: str
    expected: bool
    revision: int
    first_seen: int
    pinned_at: int
    approved_by: str | None
    approved_at: int | None
    version: str | None

    @property
    def approved(self) -> datetime | None:
        return None if self.approved_at is None else from_micros(self.approved_at)


class SeenRow(NamedTuple):
    tool: str
    whole: str
    definition: str


class ServerRows(NamedTuple):
    """Everything about one server, checked. `list_digest` tells one list of tools from another."""

    server: str
    list_digest: str
    pins: Mapping[str, PinRow]
    seen: Mapping[str, SeenRow]


_PIN_COLUMNS = ", ".join(PinRow._fields)
_SEEN_COLUMNS = ", ".join(SeenRow._fields)


def server_names(connection: apsw.Connection) -> list[str]:
    return [str(name) for (name,) in connection.execute("SELECT server FROM servers ORDER BY server")]


def read_server(connection: apsw.Connection, server: str, path: Path) -> ServerRows | None:
    """None for a server never seen. Raises StoreCorrupt for rows that are not what was written."""
    facts = next(iter(connection.execute("SELECT seen, seal FROM servers WHERE server = ?", (server,))), None)
    rows = connection.execute(f"SELECT {_PIN_COLUMNS} FROM pins WHERE server = ? ORDER BY tool", (server,))  # noqa: S608
    pins = {row[0]: PinRow(*row)._replace(expected=bool(row[3])) for row in rows}
    rows = connection.execute(f"SELECT {_SEEN_COLUMNS} FROM seen WHERE server = ? ORDER BY tool", (server,))  # noqa: S608
    seen = {row[0]: SeenRow(*row) for row in rows}
    if facts is None:
        return None
    kept: list[PinRow | SeenRow] = [*pins.values(), *seen.values()]
    for row in kept:
        if digest(row.definition) != row.whole:
            raise corrupt(str(path), f"a definition of {server!a} is not the one its fingerprint was made of")
    if facts[0] != list_digest(seen) or facts[1] != seal(pins):
        raise corrupt(str(path), f"the pins of {server!a} are not the ones that were written")
    return ServerRows(server, str(facts[0]), pins, seen)


def list_digest(seen: Mapping[str, SeenRow]) -> str:
    return set_digest((row.tool, row.whole) for row in seen.values())


def seal(pins: Mapping[str, PinRow]) -> str:
    return set_digest((row.tool, f"{row.whole} {row.expected} {row.approved_by}") for row in pins.values())


def write_pins(connection: apsw.Connection, server: str, pins: list[PinRow]) -> None:
    marks = ", ".join("?" * (len(PinRow._fields) + 1))
    sql = f"INSERT OR REPLACE INTO pins (server, {_PIN_COLUMNS}) VALUES ({marks})"  # noqa: S608  constants
    connection.executemany(sql, [(server, *row) for row in pins])


def write_seen(connection: apsw.Connection, server: str, seen: list[SeenRow]) -> None:
    sql = f"INSERT OR REPLACE INTO seen (server, {_SEEN_COLUMNS}) VALUES (?, ?, ?, ?)"  # noqa: S608  constants
    connection.executemany(sql, [(server, *row) for row in seen])


def remove(connection: apsw.Connection, table: str, server: str, tools: list[str]) -> None:
    sql = f"DELETE FROM {table} WHERE server = ? AND tool = ?"  # noqa: S608  one of ours
    connection.executemany(sql, [(server, tool) for tool in tools])


def parsed(text: str, path: Path) -> dict[str, Any]:
    """A definition that was kept. Raises StoreCorrupt."""
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise corrupt(str(path), "a definition that was kept is no JSON object")
    return value
