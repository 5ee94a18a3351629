"""What changed of one server: its tools one by one, and the set of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from codespar_cli.core.administration.tool_drift import DriftChange
from codespar_cli.plugins.observability.drift.hidden import may_hide
from codespar_cli.plugins.observability.drift.pin_rows import PinRow, ServerRows, parsed
from codespar_cli.plugins.observability.drift.set_diff import renamed
from codespar_cli.plugins.observability.drift.tool_diff import Change, field_name, hidden_changes, tool_changes

WHOLE = "tool"
"""The field of a change that is about a tool as a whole: it came, it went, it has another name."""


def server_changes(rows: ServerRows, path: Path) -> list[DriftChange]:
    """Every difference between the pins and what was last seen, by tool. Raises StoreCorrupt."""
    gone = [pin for name, pin in rows.pins.items() if pin.expected and name not in rows.seen]
    come = [pin for name, pin in rows.pins.items() if not pin.expected and name in rows.seen]
    names: dict[str, str] = {}
    if gone and come:
        names = renamed(
            {pin.tool: parsed(pin.definition, path) for pin in gone},
            {pin.tool: parsed(rows.seen[pin.tool].definition, path) for pin in come},
        )
    found = [DriftChange(rows.server, pin.tool, "breaking", WHOLE, pin.tool, names.get(pin.tool)) for pin in gone]
    former = {new: old for old, new in names.items()}
    for name, pin in rows.pins.items():
        if name not in rows.seen:
            continue
        if not pin.expected:
            found.append(DriftChange(rows.server, name, "compatible", WHOLE, former.get(name), name))
        found += _told(rows.server, name, _tool_changes(rows, rows.pins.get(former.get(name, ""), pin), name, path))
    return sorted(found, key=lambda change: change.tool)


def _tool_changes(rows: ServerRows, pin: PinRow, name: str, path: Path) -> list[Change]:
    """`pin` is the tool's own, or the one that it had under its former name."""
    seen, approved = rows.seen[name], pin.approved_by is not None
    if pin.whole != seen.whole:
        return tool_changes(parsed(pin.definition, path), parsed(seen.definition, path), approved=approved)
    if not approved and may_hide(seen.definition):
        return hidden_changes(parsed(seen.definition, path))
    return []


def _told(server: str, name: str, changes: list[Change]) -> Iterator[DriftChange]:
    for change in changes:
        # Another name is told of the tool as a whole; only what a name hides is told here.
        if change.path != ("name",) or change.grade == "security":
            yield DriftChange(server, name, change.grade, field_name(change.path), *_sides(change))


def _sides(change: Change) -> tuple[Any, Any]:
    return change.before, change.after
