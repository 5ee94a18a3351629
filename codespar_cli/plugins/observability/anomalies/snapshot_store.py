"""Where the watch stood at some moments, so that reading again goes on from there. A cache: deleted, it is made anew."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any, NamedTuple

from codespar_cli.plugins.observability.anomalies.week_profile import HOUR_US
from codespar_cli.storage.sqlite import Database, Schema

__all__ = ["FILE_NAME", "Position", "SnapshotStore"]

FILE_NAME = "anomalies.db"
VERSION = 4
"""Of the rules: with others the past would have had other incidents."""
_CREATE = """
CREATE TABLE snapshots (
    time INTEGER PRIMARY KEY,
    upto INTEGER NOT NULL,
    upto_time INTEGER NOT NULL,
    version INTEGER NOT NULL,
    watch BLOB NOT NULL
) STRICT;
"""
SCHEMA = Schema(application_id=0x4353414E, migrations=(_CREATE,))
_SAVE = "INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?, ?, ?)"
# The newest, the last of each of three hours, and of each of three days.
_PRUNE = f"""
DELETE FROM snapshots WHERE time NOT IN (
    SELECT max(time) FROM snapshots UNION ALL
    SELECT * FROM (SELECT max(time) FROM snapshots GROUP BY time / {HOUR_US} ORDER BY 1 DESC LIMIT 3) UNION ALL
    SELECT * FROM (SELECT max(time) FROM snapshots GROUP BY time / {24 * HOUR_US} ORDER BY 1 DESC LIMIT 3)
)
"""  # noqa: S608  constants


class Position(NamedTuple):
    """All calls up to `time` that had an id up to `upto` are in. `upto_time` tells whether that is still the same row."""

    time: int
    upto: int
    upto_time: int


class SnapshotStore:
    """Opened on first use and to be closed. Raises StoreError."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, SCHEMA, durability="normal", busy_wait_s=5.0)

    def positions(self) -> list[Position]:
        """The newest first."""
        if not self._database.exists:
            return []
        rows = self._database.query(
            "SELECT time, upto, upto_time FROM snapshots WHERE version = ? ORDER BY time DESC", (VERSION,)
        )
        return [Position(*row) for row in rows]

    def watch(self, position: Position) -> Any:
        """What was saved there as JSON values; None when it is gone or cannot be read."""
        rows = self._database.query("SELECT watch FROM snapshots WHERE time = ? AND upto = ?", position[:2])
        try:
            return json.loads(zlib.decompress(rows[0][0])) if rows else None
        except (ValueError, zlib.error):
            return None

    def save(self, position: Position, watch: Any) -> None:
        blob = zlib.compress(json.dumps(watch, separators=(",", ":")).encode(), 1)
        with self._database.write() as connection:
            connection.execute("DELETE FROM snapshots WHERE version != ?", (VERSION,))
            connection.execute(_SAVE, (*position, VERSION, blob))
            connection.execute(_PRUNE)

    def forget(self, position: Position) -> None:
        """It does not stand for what is recorded now."""
        with self._database.write() as connection:
            connection.execute("DELETE FROM snapshots WHERE time = ? AND upto = ?", position[:2])

    def close(self) -> None:
        self._database.close()
