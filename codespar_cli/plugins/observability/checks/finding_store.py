"""What checks found, kept in a SQLite file of its own: names, places and types, never an argument's value."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw

from codespar_cli.core.administration.tool_checks import ALL_FINDINGS, CheckFilter, CheckFinding, CheckResult
from codespar_cli.core.clock import from_micros, to_micros
from codespar_cli.core.globs import matches
from codespar_cli.errors import StoreError
from codespar_cli.plugins.observability.admission import capped, is_tenant, storable
from codespar_cli.storage.private_files import reason
from codespar_cli.storage.sqlite import Database, Schema

FILE_NAME = "checks.db"
MAX_ROWS = 100_000
"""The oldest findings go when there are more: the calls they are about have long been looked at."""
_LONGEST = 1000
_CREATE = """
CREATE TABLE findings (
    id INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    agent TEXT NOT NULL,
    session TEXT,
    tool TEXT NOT NULL,
    check_name TEXT NOT NULL,
    severity TEXT NOT NULL,
    path TEXT NOT NULL,
    expected TEXT NOT NULL,
    got TEXT NOT NULL,
    suggestions TEXT NOT NULL,
    call INTEGER
) STRICT;
CREATE INDEX findings_by_time ON findings (time);
"""
_COLUMNS = "time, tenant, agent, session, tool, check_name, severity, path, expected, got, suggestions, call"
_INSERT = f"INSERT INTO findings ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608  constants
_SELECT = f"SELECT {_COLUMNS} FROM findings WHERE 1"  # noqa: S608  constants
SCHEMA = Schema(application_id=0x43534B31, migrations=(_CREATE,))


class FindingStore:
    """Opened on first use and to be closed. Any number of processes may write at once."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, SCHEMA, durability="normal", busy_wait_s=5.0)

    def append(self, findings: Iterable[CheckFinding]) -> int:
        """All of them or none. Answers how many. Raises StoreError."""
        rows = [_row(finding) for finding in findings]
        if rows:
            with self._database.write() as connection:
                connection.executemany(_INSERT, rows)
                connection.execute("DELETE FROM findings WHERE id <= (SELECT max(id) FROM findings) - ?", (MAX_ROWS,))
        return len(rows)

    def read(self, wanted: CheckFilter = ALL_FINDINGS, limit: int = 1000) -> list[CheckFinding]:
        """The newest `limit` of the wanted ones by arrival, oldest first. Raises StoreError."""
        if not self._exists():
            return []
        terms, parameters = _selection(wanted)
        with self._database.read() as connection:
            connection.create_scalar_function("matches", _matches, 2, deterministic=True)
            rows = list(connection.execute(f"{_SELECT}{terms} ORDER BY id DESC LIMIT ?", (*parameters, limit)))
        return [_finding(row) for row in reversed(rows)]

    def close(self) -> None:
        self._database.close()

    def _exists(self) -> bool:
        try:
            return self._database.exists
        except OSError as error:
            raise StoreError(f"cannot be reached: {reason(error)}", file=str(self._database.path)) from error


def _row(finding: CheckFinding) -> tuple[Any, ...]:
    result = finding.result
    # What was meant by a value of the wrong type is that value.
    suggestions = () if result.check == "wrong_type" else result.suggestions
    return (
        to_micros(finding.time),
        capped(finding.tenant),
        capped(finding.agent),
        None if finding.session is None else capped(finding.session),
        capped(result.tool),
        result.check,
        result.severity,
        storable(result.path[:_LONGEST]),
        storable(result.expected[:_LONGEST]),
        storable(result.kept[:_LONGEST]),
        json.dumps([capped(word) for word in suggestions]),
        finding.call,
    )


def _finding(row: tuple[Any, ...]) -> CheckFinding:
    time, tenant, agent, session, tool, check, severity, path, expected, got, suggestions, call = row
    result = CheckResult(check, severity, tool, path, expected, got, tuple(json.loads(suggestions)), got)
    return CheckFinding(from_micros(time), tenant, agent, session, call, result)


def _selection(wanted: CheckFilter) -> tuple[str, tuple[apsw.SQLiteValue, ...]]:
    terms: list[tuple[str, apsw.SQLiteValue]] = []
    if wanted.since is not None:
        terms.append(("time >= ?", to_micros(wanted.since)))
    if wanted.until is not None:
        terms.append(("time < ?", to_micros(wanted.until)))
    if wanted.tenant is not None:
        terms.append(("tenant = ?", wanted.tenant if is_tenant(wanted.tenant) else None))
    for column, pattern in (("agent", wanted.agent), ("tool", wanted.tool)):
        if pattern is not None and "*" in pattern:
            terms.append((f"matches(?, {column})", storable(pattern)))
        elif pattern is not None:
            terms.append((f"{column} = ?", capped(pattern)))
    return "".join(f" AND {sql}" for sql, _ in terms), tuple(value for _, value in terms)


def _matches(*arguments: Any) -> bool:
    pattern, name = arguments
    return matches(pattern, name)


def kept_findings(directory: Path, wanted: CheckFilter | None, limit: int) -> list[CheckFinding]:
    """From the store in this directory."""
    with closing(FindingStore(directory / FILE_NAME)) as store:
        return store.read(wanted or ALL_FINDINGS, limit)


def keep_findings(directory: Path, findings: Iterable[CheckFinding]) -> int:
    with closing(FindingStore(directory / FILE_NAME)) as store:
        return store.append(findings)
