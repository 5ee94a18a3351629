"""`PinStore`: the definitions of tools as they were first seen or approved, and as they were last seen."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import apsw

from codespar_cli.core.administration.tool_drift import DriftChange, PinStatus, Review, ToolPin
from codespar_cli.core.clock import from_micros, to_micros
from codespar_cli.core.text import is_unicode
from codespar_cli.errors import NotFoundError, UsageError, WriteConflict
from codespar_cli.plugins.observability.drift import pin_rows
from codespar_cli.plugins.observability.drift.catalogue import LONGEST_NAME, Listed, listed_tools
from codespar_cli.plugins.observability.drift.fingerprint import fingerprint
from codespar_cli.plugins.observability.drift.pin_rows import PinRow, SeenRow, ServerRows
from codespar_cli.plugins.observability.drift.server_drift import server_changes
from codespar_cli.storage.sqlite import Database

PINS_FILE = "pins.db"
_BUSY_WAIT_S = 10.0


class PinStore:
    """The pins of every server, in one file of the state directory; durable against power loss when a call returns.

    Safe to share between threads and to use from any number of processes at once. A store that is damaged, or that was
    made and is gone, answers nothing at all: every method raises.
    """

    def __init__(self, state_dir: Path) -> None:
        self._store = Database(state_dir / PINS_FILE, pin_rows.SCHEMA, durability="full", busy_wait_s=_BUSY_WAIT_S)

    @property
    def path(self) -> Path:
        return self._store.path

    def see(
        self, server: str, tools: Any, now: datetime, *, version: str | None = None, source: str | None = None
    ) -> list[DriftChange]:
        """As `ToolPins.see`; `source` names the file that an error is about."""
        _check_name(server)
        listed = listed_tools(tools, source)
        with self._store.write() as connection:
            known = pin_rows.read_server(connection, server, self.path)
            rows = _sighted(known, server, listed, to_micros(now), version)
            _store_sight(connection, known, rows, to_micros(now), version)
        return server_changes(rows, self.path)

    def drift(self, server: str | None = None) -> list[DriftChange]:
        return [change for rows in self._servers(server) for change in server_changes(rows, self.path)]

    def pins(self, server: str | None = None, tool: str | None = None) -> list[ToolPin]:
        found = [self._pin(rows, pin) for rows in self._servers(server) for pin in rows.pins.values()]
        if tool is None:
            return found
        chosen = [pin for pin in found if pin.tool == tool]
        if not chosen:
            raise _no_tool(str(server), tool)
        return chosen

    def catalogue(self, server: str) -> list[dict[str, Any]]:
        """The tools that a server listed last. Raises NotFoundError."""
        (rows,) = self._servers(server)
        return [pin_rows.parsed(row.definition, self.path) for row in rows.seen.values()]

    def last_listed(self, server: str) -> list[dict[str, Any]] | None:
        """The same, or None for a server that was never seen."""
        try:
            return self.catalogue(server)
        except NotFoundError:
            return None

    def review(self, server: str, tool: str | None = None) -> Review:
        (rows,) = self._servers(server)
        if tool is not None and tool not in rows.pins:
            raise _no_tool(server, tool)
        changes = [change for change in server_changes(rows, self.path) if tool in {None, change.tool}]
        return Review(server, tool, changes, rows.list_digest)

    def approve(self, review: Review, by: str, now: datetime) -> list[str]:
        moment = to_micros(now)
        with self._store.write() as connection:
            rows = pin_rows.read_server(connection, review.server, self.path)
            if rows is None or rows.list_digest != review.seen:
                raise WriteConflict(
                    f"{review.server!a} listed other tools while these were looked at: nothing was approved",
                    hint=f"codespar mcp pins show {review.server}",
                )
            chosen = [name for name in rows.pins if review.tool in {None, name}]
            after = [_approved(rows.pins[name], rows.seen[name], by, moment) for name in chosen if name in rows.seen]
            kept = {name: pin for name, pin in rows.pins.items() if name not in chosen}
            pin_rows.remove(connection, "pins", review.server, [name for name in chosen if name not in rows.seen])
            pin_rows.write_pins(connection, review.server, after)
            sealed = pin_rows.seal({**kept, **{pin.tool: pin for pin in after}})
            connection.execute("UPDATE servers SET seal = ? WHERE server = ?", (sealed, review.server))
        return chosen

    def reset(self, server: str) -> int:
        (rows,) = self._servers(server)
        with self._store.write() as connection:
            connection.execute("DELETE FROM servers WHERE server = ?", (server,))
        return len(rows.pins)

    def close(self) -> None:
        self._store.close()

    def _servers(self, server: str | None) -> list[ServerRows]:
        found: list[ServerRows | None] = []
        if self._store.exists:
            with self._store.read() as connection:
                names = pin_rows.server_names(connection) if server is None else [server]
                found = [pin_rows.read_server(connection, name, self.path) for name in names]
        known = [rows for rows in found if rows is not None]
        if server is not None and not known:
            raise NotFoundError(f"no tools of a server `{server}` were ever seen", hint="codespar mcp pins list")
        return known

    def _pin(self, rows: ServerRows, pin: PinRow) -> ToolPin:
        pinned, seen = pin_rows.parsed(pin.definition, self.path), rows.seen.get(pin.tool)
        whole, meaning, fields = fingerprint(pinned)
        return ToolPin(
            server=rows.server,
            tool=pin.tool,
            status=_status(pin, seen),
            revision=pin.revision,
            first_seen=from_micros(pin.first_seen),
            pinned_at=from_micros(pin.pinned_at),
            approved_by=pin.approved_by,
            approved_at=pin.approved,
            version=pin.version,
            fingerprint=whole,
            meaning=meaning,
            fields=fields,
            pinned=pinned,
            seen=None if seen is None else pin_rows.parsed(seen.definition, self.path),
        )


def _sighted(
    known: ServerRows | None, server: str, listed: Mapping[str, Listed], moment: int, version: str | None
) -> ServerRows:
    """What there is after this sight. A tool that is new to a known server is pinned, and not expected."""
    pins = dict(known.pins) if known is not None else {}
    seen = {tool.name: SeenRow(tool.name, tool.whole, tool.text) for tool in listed.values()}
    for tool in listed.values():
        if tool.name not in pins:
            pins[tool.name] = PinRow(
                tool.name, tool.whole, tool.text, known is None, 1, moment, moment, None, None, version
            )
    # One that nobody has approved and that is gone again was never there.
    pins = {name: pin for name, pin in pins.items() if pin.expected or name in seen}
    return ServerRows(server, pin_rows.list_digest(seen), pins, seen)


def _store_sight(
    connection: apsw.Connection, known: ServerRows | None, rows: ServerRows, moment: int, version: str | None
) -> None:
    """Only what is different: most sights change nothing."""
    connection.execute(
        "INSERT INTO servers VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (server) DO UPDATE SET "
        "last_seen = excluded.last_seen, version = excluded.version, seen = excluded.seen, seal = excluded.seal",
        (rows.server, moment, moment, version, rows.list_digest, pin_rows.seal(rows.pins)),
    )
    pins, seen = (known.pins, known.seen) if known is not None else ({}, {})
    pin_rows.remove(connection, "pins", rows.server, [name for name in pins if name not in rows.pins])
    pin_rows.remove(connection, "seen", rows.server, [name for name in seen if name not in rows.seen])
    pin_rows.write_pins(connection, rows.server, [pin for name, pin in rows.pins.items() if name not in pins])
    pin_rows.write_seen(connection, rows.server, [row for name, row in rows.seen.items() if seen.get(name) != row])


def _approved(pin: PinRow, seen: SeenRow, by: str, moment: int) -> PinRow:
    changed = pin.whole != seen.whole
    return pin._replace(
        whole=seen.whole,
        definition=seen.definition,
        expected=True,
        revision=pin.revision + changed,
        pinned_at=moment if changed else pin.pinned_at,
        approved_by=by,
        approved_at=moment,
    )


def _status(pin: PinRow, seen: SeenRow | None) -> PinStatus:
    if seen is None:
        return "removed"
    if not pin.expected:
        return "added"
    if seen.whole != pin.whole:
        return "changed"
    return "pinned" if pin.approved_by is None else "approved"


def _check_name(server: str) -> None:
    if not server or len(server) > LONGEST_NAME or not is_unicode(server):
        raise UsageError(f"server: expected a name of 1 to {LONGEST_NAME} characters", hint="codespar mcp pins list")


def _no_tool(server: str, tool: str) -> NotFoundError:
    return NotFoundError(f"server `{server}` has no tool `{tool}`", hint=f"codespar mcp pins show {server}")
